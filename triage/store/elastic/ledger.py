"""The ledger on Elasticsearch: hashes of the IDs of days that were dropped, packed in blocks, one index a month.

A block is a document with up to 512 IDs of one run: 8 bytes of hash and 2 of day each, as one base64 text, and its lowest and highest
hash as indexed numbers. A dropped day of a signal is a run. A look-up fetches the one block of each run that could hold the ID, in one
search. When no day of a month is left, its runs are merged into one, in a new index.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from hashlib import blake2b
from typing import Any, Final

import numpy as np
from elasticsearch import Elasticsearch

from triage.domain.columns import SIGNALS, Signal
from triage.domain.windows import DAY_NS, day_of, from_rfc3339
from triage.store.documents import source_fields, to_table
from triage.store.elastic.bulk import BulkWriter, write_checked
from triage.store.elastic.client import translated
from triage.store.elastic.cluster import ClusterWatch
from triage.store.elastic.ledger_blocks import Run, blocks, document, merged, signed, sorted_hashes, unpacked
from triage.store.elastic.schema import Names
from triage.store.elastic.search import PAGE, Hits, Searcher
from triage.store.keys import Keys, text_key
from triage.store.ledger_ids import LEDGER_COLUMNS, id_hashes

_A_BULK: Final = 256  # blocks
_A_PAGE: Final = 256  # blocks
_MERGE_S: Final = 600


class ElasticLedger:
    """What is known of days that are gone. Only one process remembers and tends at a time."""

    def __init__(self, client: Elasticsearch, names: Names, search: Searcher, bulk: BulkWriter, cluster: ClusterWatch) -> None:
        self._client, self._names, self._search, self._bulk, self._cluster = client, names, search, bulk, cluster
        self._writing = threading.Lock()  # what is remembered during a merge would go with the index of the days

    def remember(self, signal: Signal, day: str, index: str) -> None:
        """Keep the IDs of an index that is about to go. It can be done again after a failure.

        Traces that calls of that day carry are left to the calls.
        """
        calls = self._names.of_day("calls", day)
        known = [] if signal == "calls" else list(self._hashes("calls", calls, ["trace_id"]))
        others = np.unique(np.concatenate(known)) if known else np.zeros(0, np.uint64)
        pages = (page[~np.isin(page, others)] for page in self._hashes(signal, index, list(LEDGER_COLUMNS[signal])))
        number = from_rfc3339(f"{day}T00:00:00Z") // DAY_NS
        runs = ((hashes, np.full(len(hashes), number, np.uint16)) for hashes in sorted_hashes(pages))
        with self._writing:
            self._write(self._names.ledger(day), (block for run in runs for block in blocks(run)))

    def last_seen(self, values: Sequence[str]) -> dict[str, str]:
        """The last day on which each ID was seen."""
        keys = {value: signed(text_key(value)) for value in values if value}
        searches = [(self._names.all_ledgers, {
            "size": PAGE, "_source": ["ids"],
            "query": {"bool": {"filter": [{"range": {"low": {"lte": key}}}, {"range": {"high": {"gte": key}}}]}},
        }) for key in keys.values()]
        seen: dict[str, str] = {}
        for (value, key), answer in zip(keys.items(), self._search.several(searches), strict=True):
            days = [day for hit in answer["hits"]["hits"] for day in _days_of(unpacked(hit["_source"]), key)]
            if days:
                seen[value] = day_of(max(days) * DAY_NS)
        return seen

    def tend(self, before: str) -> None:
        """Delete the months that lie wholly before a day, and merge those of which no day is left."""
        with translated():
            indices = sorted(self._client.indices.get_alias(index=self._names.all_ledgers).body)
            old = [index for index in indices if _last_day(self._month(index)) < before]
            if old:
                self._client.indices.delete(index=old, ignore_unavailable=True)
        months: dict[str, list[str]] = {}
        for index in indices:
            if index not in old:
                months.setdefault(self._month(index), []).append(index)
        for month, parts in months.items():
            if len(parts) > 1 or parts[0] == self._names.ledger(month):
                self._merge(month, parts)

    def _merge(self, month: str, parts: list[str]) -> None:
        """Make one run of a month. A crash leaves an index more, whose entries are in the others too; the next merge takes it in."""
        target = self._names.merged_ledger(month, 1 + max(self._generation(index) for index in parts))
        patient = self._client.options(request_timeout=_MERGE_S)
        days = [self._names.of_day(signal, f"{month}-*") for signal in SIGNALS]
        with self._writing, translated():
            if self._client.indices.get_alias(index=days).body:
                return
            self._write(target, merged(self._blocks(parts)))
            patient.indices.forcemerge(index=target, max_num_segments=1, ignore_unavailable=True)
            self._client.indices.delete(index=parts, ignore_unavailable=True)

    def _blocks(self, indices: list[str]) -> Iterator[Run]:
        """All blocks, by their lowest hash."""
        for hits in self._search.everything(",".join(indices), {"match_all": {}}, "low", ["ids"], size=_A_PAGE):
            yield from (unpacked(hit["_source"]) for hit in hits)

    def _write(self, index: str, parts: Iterable[Run]) -> None:
        """The content is the name, so that a block is there once, and none is in the way of another."""
        lines: list[dict[str, Any]] = []
        for part in parts:
            packed = document(part)
            lines += [{"index": {"_index": index, "_id": blake2b(packed["ids"].encode(), digest_size=12).hexdigest()}}, packed]
            if len(lines) >= 2 * _A_BULK:
                write_checked(self._bulk, lines, copies=self._cluster.view().copies)
                lines = []
        write_checked(self._bulk, lines, copies=self._cluster.view().copies)
        with translated():
            self._client.indices.refresh(index=index, ignore_unavailable=True)

    def _hashes(self, signal: Signal, index: str, columns: list[str]) -> Iterator[Keys]:
        for hits in self._search.everything(index, {"match_all": {}}, "time_ns", source_fields(columns)):
            yield _of_hits(signal, columns, hits)

    def _month(self, index: str) -> str:
        """YYYY-MM."""
        return index.removeprefix(self._names.ledger(""))[:7].replace(".", "-")

    def _generation(self, index: str) -> int:
        """How often the month was merged: 0 for the runs of its days."""
        return int(index.removeprefix(self._names.ledger(self._month(index))).removeprefix("-") or 0)


def _of_hits(signal: Signal, columns: list[str], hits: Hits) -> Keys:
    table = to_table(signal, columns, [hit["_source"] for hit in hits])
    parts = [hashes for hashes, _ in id_hashes(table, columns)]
    return np.unique(np.concatenate(parts)) if parts else np.zeros(0, np.uint64)


def _days_of(block: Run, key: int) -> list[int]:
    hashes, days = block
    return days[hashes == key].tolist()  # type: ignore[no-any-return]


def _last_day(month: str) -> str:
    """The last day of a month YYYY-MM."""
    first = date.fromisoformat(f"{month}-01")
    return ((first + timedelta(days=32)).replace(day=1) - timedelta(days=1)).isoformat()
