"""Retention on Elasticsearch: pins, days dropped as whole indices, and what is held.

A pin is a note of a trace ID or a witness ID. When a day is dropped, the documents of what is pinned are copied into an index of their own,
which takes the place of the day's index behind the alias in one change of the cluster state: no reader sees both or neither.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from elasticsearch import Elasticsearch

from triage.domain.columns import ID_COLUMNS, SIGNALS, Signal
from triage.domain.windows import DAY_NS, day_of
from triage.ports.records import Counts
from triage.store.elastic.bulk import BulkWriter, write_checked
from triage.store.elastic.client import translated
from triage.store.elastic.cluster import ClusterWatch
from triage.store.elastic.ledger import ElasticLedger
from triage.store.elastic.schema import Names, signal_mapping
from triage.store.elastic.search import Searcher

Mask = npt.NDArray[np.bool_]

_TERMS: Final = 1000
_EXISTS: Final = 400
_INDICES: Final = 10_000
_OF_PINNED: Final = {"index.number_of_shards": 1, "index.refresh_interval": "-1"}


class Retention:
    """Pins, drops and counts."""

    def __init__(
        self, client: Elasticsearch, names: Names, search: Searcher, bulk: BulkWriter, cluster: ClusterWatch,
        ledger: ElasticLedger,
    ) -> None:
        self._client = client
        self._names = names
        self._search = search
        self._bulk = bulk
        self._cluster = cluster
        self._ledger = ledger

    def pin(self, trace_ids: Collection[str], witness_ids: Collection[str]) -> None:
        """Note the traces and the witnesses."""
        lines: list[dict[str, Any]] = []
        for field, wanted in (("trace_id", trace_ids), ("witness_id", witness_ids)):
            for value in sorted(set(wanted) - {""}):
                lines += [{"index": {"_index": self._names.pins, "_id": value}}, {field: value}]
        write_checked(self._bulk, lines, copies=self._cluster.view().copies)

    def drop_day(self, signal: Signal, day: str) -> int:
        """Put what is pinned in the place of the day's index. Can be repeated after a failure at any point."""
        index, pinned = self._names.of_day(signal, day), self._names.pinned(signal, day)
        with translated():
            if not self._client.indices.exists(index=index):
                return 0
            self._client.indices.refresh(index=[index, self._names.pins], ignore_unavailable=True)
            total = int(self._client.count(index=index)["count"])
        self._ledger.remember(signal, day, index)
        kept = self._copy_pinned(signal, index, pinned)
        actions: list[dict[str, Any]] = [{"remove_index": {"index": index}}]
        if kept:
            actions.append({"add": {"index": pinned, "alias": self._names.alias(signal)}})
        with translated():
            self._client.indices.update_aliases(actions=actions)
        self._cluster.forget()
        return total - kept

    def _copy_pinned(self, signal: Signal, index: str, pinned: str) -> int:
        """Copy the documents of what is pinned; returns their number."""
        copied: set[str] = set()  # a witness can be pinned twice, by its trace too
        for query in self._pinned_queries(signal):
            for hits in self._search.everything(index, query, "time_ns", ("*",)):
                if hits and not copied:
                    self._make_pinned(signal, pinned)
                lines: list[dict[str, Any]] = []
                for hit in hits:
                    lines += [{"index": {"_index": pinned, "_id": hit["_id"]}}, hit["_source"]]
                write_checked(self._bulk, lines, copies=self._cluster.view().copies)
                copied.update(hit["_id"] for hit in hits)
        if copied:
            with translated():
                self._client.indices.refresh(index=pinned)
        return len(copied)

    def _pinned_queries(self, signal: Signal) -> Iterator[dict[str, Any]]:
        """What finds the pinned records of a signal, some IDs a query."""
        fields = ("trace_id", "witness_id") if signal == "calls" else ("trace_id",)
        for pins in self._search.everything(self._names.pins, {"match_all": {}}, "_doc", fields):
            for field in fields:
                values = [hit["_source"][field] for hit in pins if field in hit["_source"]]
                for start in range(0, len(values), _TERMS):
                    yield {"terms": {field: values[start : start + _TERMS]}}

    def _make_pinned(self, signal: Signal, pinned: str) -> None:
        with translated():
            template = self._client.indices.get_index_template(name=self._names.alias(signal)).body
            settings = template["index_templates"][0]["index_template"]["template"]["settings"]["index"]
            self._client.options(ignore_status=_EXISTS).indices.create(
                index=pinned, mappings=signal_mapping(signal), settings={**settings, "number_of_shards": 1},
            )

    def held(self, signal: Signal, table: pa.Table) -> Mask:
        """Which rows are held as pinned ones of a dropped day, shape (rows,)."""
        result = np.zeros(len(table), bool)
        known = self._cluster.view().pinned
        if not known:
            return result
        days = table.column("time_ns").to_numpy() // DAY_NS
        for number in np.unique(days):
            index = self._names.pinned(signal, day_of(int(number) * DAY_NS))
            if index in known:
                rows = np.flatnonzero(days == number)
                result[rows] = self._in_index(index, signal, table.take(pa.array(rows)))
        return result

    def _in_index(self, index: str, signal: Signal, table: pa.Table) -> Mask:
        columns = [table.column(name).to_pylist() for name in ID_COLUMNS[signal]]
        ids = ["".join(parts) for parts in zip(*columns, strict=True)]
        with translated():
            answer = self._client.mget(index=index, ids=ids, source=False, filter_path="docs.found")
        return np.array([document["found"] for document in answer["docs"]], bool)

    def counts(self) -> Counts:
        """Documents by index, and the first and last time, in one request."""
        searches = []
        for signal in SIGNALS:
            by_index = {"indices": {"terms": {"field": "_index", "size": _INDICES}}}
            for order in ("asc", "desc"):
                body = {"size": 1, "sort": [{"time_ns": order}], "_source": ["time_ns"]}
                searches.append((self._names.alias(signal), body | {"aggs": by_index} if order == "asc" else body))
        answers = self._search.several(searches)
        times = [hit["_source"]["time_ns"] for answer in answers for hit in answer["hits"]["hits"]]
        kept: dict[Signal, int] = {}
        days: dict[Signal, list[str]] = {}
        for signal, answer in zip(SIGNALS, answers[::2], strict=True):
            buckets = answer.get("aggregations", {"indices": {"buckets": []}})["indices"]["buckets"]
            kept[signal] = sum(bucket["doc_count"] for bucket in buckets)
            prefix = self._names.of_day(signal, "")
            days[signal] = sorted(
                bucket["key"].removeprefix(prefix).replace(".", "-") for bucket in buckets if bucket["key"].startswith(prefix)
            )
        return Counts(kept, min(times, default=None), max(times, default=None), days)
