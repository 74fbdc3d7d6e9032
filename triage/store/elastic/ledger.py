"""The ledger on Elasticsearch: hashes of the IDs of days that were dropped, some thousand a document, one index a month.

A hash is indexed as a number and kept nowhere else (no doc values, not in `_source`); Elasticsearch keeps its text, too, until a
merge finds that no copy needs it to recover. A `term` query on 13 small indices finds it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import Any, Final

import numpy as np
from elasticsearch import Elasticsearch

from triage.domain.columns import Signal
from triage.store.documents import source_fields, to_table
from triage.store.elastic.bulk import BulkWriter, write_checked
from triage.store.elastic.client import translated
from triage.store.elastic.cluster import ClusterWatch
from triage.store.elastic.schema import Names
from triage.store.elastic.search import Hits, Searcher
from triage.store.keys import Keys, text_key
from triage.store.ledger_ids import LEDGER_COLUMNS, id_hashes

_A_DOCUMENT: Final = 4096
_A_BULK: Final = 64  # documents


class ElasticLedger:
    """What is known of days that are gone."""

    def __init__(self, client: Elasticsearch, names: Names, search: Searcher, bulk: BulkWriter, cluster: ClusterWatch) -> None:
        self._client, self._names, self._search, self._bulk, self._cluster = client, names, search, bulk, cluster

    def remember(self, signal: Signal, day: str, index: str) -> None:
        """Keep the IDs of an index that is about to go. Done again after a failure, it writes the same documents.

        Traces that calls of that day carry are left to the calls.
        """
        lines: list[dict[str, Any]] = []
        calls = self._names.of_day("calls", day)
        known = [] if signal == "calls" else list(self._hashes("calls", calls, ["trace_id"]))
        others = np.unique(np.concatenate(known)) if known else np.zeros(0, np.uint64)
        pages = (page[~np.isin(page, others)] for page in self._hashes(signal, index, list(LEDGER_COLUMNS[signal])))
        for number, hashes in enumerate(_documents(pages)):
            document = {"_index": self._names.ledger(day), "_id": f"{signal} {day} {number}"}
            lines += [{"index": document}, {"day": day, "hashes": hashes}]
            if len(lines) >= 2 * _A_BULK:
                write_checked(self._bulk, lines, copies=self._cluster.view().copies)
                lines = []
        write_checked(self._bulk, lines, copies=self._cluster.view().copies)
        with translated():
            self._client.indices.refresh(index=self._names.ledger(day), ignore_unavailable=True)

    def last_seen(self, values: Sequence[str]) -> dict[str, str]:
        """The last day on which each ID was seen."""
        wanted = [value for value in values if value]
        searches = [(self._names.all_ledgers, {
            "size": 1, "query": {"term": {"hashes": _signed(text_key(value))}}, "sort": [{"day": "desc"}], "_source": ["day"],
        }) for value in wanted]
        found = zip(wanted, self._search.several(searches), strict=True)
        return {value: answer["hits"]["hits"][0]["_source"]["day"] for value, answer in found if answer["hits"]["hits"]}

    def forget(self, before: str) -> None:
        """Delete the months that lie wholly before a day."""
        with translated():
            months = list(self._client.indices.get_alias(index=self._names.all_ledgers).body)
            old = [index for index in months if _last_day(index[-7:]) < before]
            if old:
                self._client.indices.delete(index=old, ignore_unavailable=True)

    def _hashes(self, signal: Signal, index: str, columns: list[str]) -> Iterator[Keys]:
        for hits in self._search.everything(index, {"match_all": {}}, "time_ns", source_fields(columns)):
            yield _of_hits(signal, columns, hits)


def _of_hits(signal: Signal, columns: list[str], hits: Hits) -> Keys:
    table = to_table(signal, columns, [hit["_source"] for hit in hits])
    parts = [hashes for hashes, _ in id_hashes(table, columns)]
    return np.unique(np.concatenate(parts)) if parts else np.zeros(0, np.uint64)


def _documents(pages: Iterator[Keys]) -> Iterator[list[int]]:
    """The hashes as signed numbers, sorted stretches of them; what repeats within twenty pages is left out."""
    waiting: list[Keys] = []
    for number, page in enumerate(pages):
        waiting.append(page)
        if number % 20 == 19:
            yield from _stretches(waiting)
            waiting = []
    yield from _stretches(waiting)


def _stretches(pages: list[Keys]) -> Iterator[list[int]]:
    hashes = np.unique(np.concatenate(pages)).view(np.int64) if pages else np.zeros(0, np.int64)
    for start in range(0, len(hashes), _A_DOCUMENT):
        yield hashes[start : start + _A_DOCUMENT].tolist()


def _signed(key: int) -> int:
    return key - (1 << 64) if key >> 63 else key


def _last_day(month: str) -> str:
    """The last day of a month YYYY.MM."""
    first = date(int(month[:4]), int(month[5:]), 1)
    return ((first + timedelta(days=32)).replace(day=1) - timedelta(days=1)).isoformat()
