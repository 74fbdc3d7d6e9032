"""The RecordStore on Elasticsearch, for any number of processes."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any, Final

import pyarrow as pa
from elasticsearch import Elasticsearch

from triage.domain.columns import ALIAS_COLUMNS, COLUMNS, ID_COLUMNS, SIGNALS, Signal
from triage.domain.windows import DAY_NS, MINUTE_NS, NS, Window, day_of
from triage.errors import StoreUnavailable
from triage.ports.masked import MaskedRecords, arrow_schema
from triage.ports.records import (
    PRESENCE_SCHEMA,
    PRESENT,
    ROLLUP_KINDS,
    Appended,
    Condition,
    Counts,
    Found,
    Receipt,
    RecordPage,
    RollupKind,
)
from triage.store.conditions import check, check_columns, matching
from triage.store.cursors import decode_cursor, encode_cursor
from triage.store.documents import source_fields, to_table
from triage.store.elastic.bulk import BulkWriter, write_checked
from triage.store.elastic.client import translated
from triage.store.elastic.cluster import ClusterWatch
from triage.store.elastic.ledger import ElasticLedger
from triage.store.elastic.query import needs_check, records_query
from triage.store.elastic.retention import Retention
from triage.store.elastic.rollups import ElasticRollups
from triage.store.elastic.schema import Layout, Names, install, record_templates
from triage.store.elastic.search import PAGE, Hits, Searcher
from triage.store.elastic.writes import RecordWriter
from triage.store.group import GroupCommit
from triage.store.lookup import carried, merged, newest_first
from triage.store.presence import presence_joined

_WRITERS: Final = 3  # bulks in flight: one process must keep more than one core of the cluster busy
_REFRESHED_NS: Final = 30 * NS  # Elasticsearch refreshes every second; a busy one takes longer
_TRACE_ID_LENGTH: Final = 32
_TERMS: Final = 10_000  # values of one `terms` query; Elasticsearch takes 65,536
_ID_FIELDS: Final[dict[Signal, list[str]]] = {"calls": [*ALIAS_COLUMNS, "witness_id", "span_id"], "spans": ["span_id"]}
_OF_TRACES: Final[tuple[Signal, ...]] = ("spans", "logs")  # one record stands for its trace
_END: Final = 2**63 - 1  # ns
_PRESENCE: Final[list[dict[str, Any]]] = [
    {"minute": {"date_histogram": {"field": "@timestamp", "fixed_interval": "1m"}}},
    *({name: {"terms": {"field": name, "missing_bucket": True}}} for name in ("service", "version")),
]
_FOUND: Final = sorted({"trace_id", "span_id", "witness_id", "time_ns", *ALIAS_COLUMNS})


class ElasticRecordStore:
    """See `triage.ports.records`."""

    def __init__(self, client: Elasticsearch, prefix: str = "triage", *, replicas: int = 1, shards: int = 1) -> None:
        self._client = client
        self._names = Names(prefix)
        self._search = Searcher(client)
        self._bulk = BulkWriter(client)
        prepare = partial(install, f"{prefix}-*", record_templates(self._names, Layout(shards, replicas)))
        self._cluster = ClusterWatch(client, self._names, prepare, replicas=replicas)
        self._cluster.open()
        self._rollups = ElasticRollups(client, self._names, self._search, self._bulk, self._cluster)
        self._ledger = ElasticLedger(client, self._names, self._search, self._bulk, self._cluster)
        self._retention = Retention(client, self._names, self._search, self._bulk, self._cluster, self._ledger)
        writer = RecordWriter(client, self._names, self._bulk, self._cluster, self._retention)
        self._group = GroupCommit(writer.commit, "elastic-writer", _WRITERS)

    # -- writing ---------------------------------------------------------------------------------------------------

    def append(self, batch: MaskedRecords) -> Appended:
        """Write it, with what else waits."""
        return self.submit(batch).result()

    def submit(self, batch: MaskedRecords) -> Future[Appended]:
        """Queue it for the next bulk."""
        return self._group.submit(batch)

    def receipts(self, limit: int = 1000) -> list[Receipt]:
        """Read after a refresh; the records that they name are refreshed before they are given out."""
        self._refresh(self._names.receipts)
        hits = self._search.page(self._names.receipts, {"size": min(limit, PAGE), "sort": [{"at_ns": "asc"}]})
        if hits:
            self.settle_reads()
        return [
            Receipt(hit["_id"], hit["_source"]["at_ns"], tuple(hit["_source"]["minutes"])) for hit in hits
        ]

    def settle(self, receipt_ids: Collection[str]) -> None:
        """Delete them."""
        index = self._names.receipts
        lines = [{"delete": {"_index": index, "_id": receipt_id}} for receipt_id in receipt_ids]
        write_checked(self._bulk, lines, copies=self._cluster.view().copies)

    # -- reading ---------------------------------------------------------------------------------------------------

    def scan(
        self, signal: Signal, window: Window, columns: Sequence[str], where: Sequence[Condition] = (),
    ) -> pa.Table:
        """Page through a point in time."""
        check_columns(signal, columns)
        check(COLUMNS[signal], where)
        return self._everything(signal, records_query(signal, where, window), columns, needs_check(where))

    def presence(self, window: Window) -> pa.Table:
        """Counted by Elasticsearch."""
        parts = [
            pa.Table.from_pylist([_present(bucket) for bucket in buckets], PRESENCE_SCHEMA)
            for signal in PRESENT
            for buckets in self._search.buckets(self._names.alias(signal), records_query(signal, (), window), _PRESENCE)
        ]
        return presence_joined(pa.concat_tables(parts))

    def by_trace(self, signal: Signal, trace_ids: Collection[str]) -> pa.Table:
        """A search by keyword on the alias of all days."""
        return self._by_ids(signal, "trace_id", trace_ids)

    def witnesses(self, witness_ids: Collection[str]) -> pa.Table:
        """A search by keyword on the alias of all days."""
        return self._by_ids("calls", "witness_id", witness_ids)

    def find(self, *values: str, limit: int = 50) -> list[Found]:
        """Every ID field of every signal, in one request; one a value, when the answers for all values do not fit."""
        wanted = [value for value in dict.fromkeys(values) if value]
        found, whole = self._found(wanted, limit)
        if not whole and len(wanted) > 1:
            found = [item for value in wanted for item in self._found([value], limit)[0]]
        return newest_first(found)

    def _found(self, wanted: Sequence[str], limit: int) -> tuple[list[Found], bool]:
        """What carries these IDs, and whether that is all, or all that was asked for."""
        searches: list[tuple[Signal, dict[str, Any], int]] = [
            (signal, {"bool": {"should": [{"terms": {name: wanted}} for name in names]}}, limit) for signal, names in _ID_FIELDS.items()
        ]
        searches += [(signal, {"term": {"trace_id": value}}, 1) for signal in _OF_TRACES for value in wanted if _may_be_trace(value)]
        answers = self._search.several([(self._names.alias(s), _newest(q, size, _FOUND)) for s, q, size in searches])
        rows = [
            (signal, dict.fromkeys(_FOUND, "") | hit["_source"])
            for (signal, _, _), answer in zip(searches, answers, strict=True) for hit in answer["hits"]["hits"]
        ]
        whole = all(len(answer["hits"]["hits"]) < limit for answer in answers[: len(_ID_FIELDS)])
        found = [merged((f for signal, row in rows for f in carried(signal, row, value)), limit) for value in wanted]
        return [item for items in found for item in items], whole

    def last_seen(self, *values: str) -> dict[str, str]:
        """See `ElasticLedger`."""
        return self._ledger.last_seen(values)

    def pending(self, *values: str) -> set[str]:
        """What is not refreshed yet. If something was appended just now, this refreshes, so that it is found from then on."""
        with translated():
            self._client.indices.refresh(index=self._names.receipts, ignore_unavailable=True)
        query = {"range": {"at_ns": {"gte": time.time_ns() - _REFRESHED_NS}}}
        if not self._search.page(self._names.receipts, {"size": 1, "query": query, "_source": False}):
            return set()
        self.settle_reads()
        return {item.value for item in self.find(*values, limit=1)}

    def tend(self, now_ns: int, *, ledger_days: int) -> None:
        """See `ElasticLedger`."""
        self._ledger.tend(day_of(max(0, now_ns - ledger_days * DAY_NS)))

    def search(
        self, signal: Signal, where: Sequence[Condition], window: Window | None, limit: int, cursor: str | None = None,
    ) -> RecordPage:
        """Newest days first, from the cursor on, until the page is full and one row more is seen."""
        check(COLUMNS[signal], where)
        place = decode_cursor(cursor)
        after = _search_after(signal, place)
        days = self._days(signal, window, place[0] if place else None)
        query, columns, doubtful = records_query(signal, where, window), list(COLUMNS[signal]), needs_check(where)
        page = arrow_schema(signal).empty_table()
        size, step = min(limit + 1, PAGE), 1
        while len(page) <= limit and days:
            hits = self._search.page(",".join(days[:step]), _newest_of(signal, query, size, after))
            page = pa.concat_tables([page, matching(_rows(signal, columns, hits), doubtful)])
            if len(hits) < size:
                days, step = days[step:], step * 4
            else:
                after = hits[-1]["sort"]
        rows = page.slice(0, limit)
        return RecordPage(rows, encode_cursor(signal, rows) if len(page) > limit else None)

    def _days(self, signal: Signal, window: Window | None, before_ns: int | None) -> list[str]:
        """The indices to search, newest day first: Elasticsearch would read the newest records of every one of them."""
        with translated():
            indices = self._client.options(ignore_status=404).indices.get_alias(name=self._names.alias(signal)).body
        first = day_of(max(window.start_ns, 0)) if window else ""
        last = day_of(min(bound for bound in (window.end_ns if window else _END, before_ns, _END) if bound is not None))
        of_day = {index: index[-10:].replace(".", "-") for index in indices if index not in ("error", "status")}
        return sorted((index for index, day in of_day.items() if first <= day <= last), key=lambda index: of_day[index], reverse=True)

    def _by_ids(self, signal: Signal, column: str, values: Collection[str]) -> pa.Table:
        wanted = sorted(set(values) - {""})
        parts = [
            self._everything(signal, {"terms": {column: wanted[start : start + _TERMS]}}, list(COLUMNS[signal]), ())
            for start in range(0, len(wanted), _TERMS)
        ]
        order = [(name, "ascending") for name in ("time_ns", *ID_COLUMNS[signal])]
        return pa.concat_tables([arrow_schema(signal).empty_table(), *parts]).sort_by(order)

    def _everything(
        self, signal: Signal, query: dict[str, Any], columns: Sequence[str], doubtful: Sequence[Condition],
    ) -> pa.Table:
        needed = list(dict.fromkeys([*columns, *(condition.column.split(".")[0] for condition in doubtful)]))
        pages = self._search.everything(self._names.alias(signal), query, "time_ns", source_fields(needed))
        parts = [matching(_rows(signal, needed, hits), doubtful).select(list(columns)) for hits in pages]
        return pa.concat_tables(parts)

    # -- roll-ups, retention, state --------------------------------------------------------------------------------

    def replace_rollups(self, kind: RollupKind, minutes: Collection[int], rows: pa.Table) -> None:
        """See `ElasticRollups`."""
        self._rollups.replace(kind, minutes, rows)

    def rollups(self, kind: RollupKind, window: Window, where: Sequence[Condition] = ()) -> pa.Table:
        """See `ElasticRollups`."""
        return self._rollups.read(kind, window, where)

    def drop_rollups(self, before_minute: int) -> int:
        """See `ElasticRollups`."""
        return sum(self._rollups.drop(kind, before_minute) for kind in ROLLUP_KINDS)

    def give_back(self) -> int:
        """A day is an index; its files went with it."""
        return 0

    def disk_bytes(self) -> int:
        """What the shards take, replicas too."""
        with translated():
            stats = self._client.indices.stats(
                index=f"{self._names.prefix}-*", metric="store", filter_path="_all.total.store.size_in_bytes").body
        return int(stats.get("_all", {}).get("total", {}).get("store", {}).get("size_in_bytes", 0))

    def pin(self, trace_ids: Collection[str], witness_ids: Collection[str] = ()) -> None:
        """See `Retention`."""
        self._retention.pin(trace_ids, witness_ids)

    def drop_day(self, signal: Signal, day: str) -> int:
        """See `Retention`."""
        return self._retention.drop_day(signal, day)

    def counts(self) -> Counts:
        """See `Retention`."""
        return self._retention.counts()

    def ping(self) -> None:
        """Ask whether every shard of ours has an active primary."""
        self._cluster.check_prepared()
        with translated():
            health = self._client.cluster.health(index=f"{self._names.prefix}-*", timeout="2s", filter_path="status").body
        if health.get("status") == "red":
            raise StoreUnavailable("Elasticsearch is incomplete: some shards of the triage indices are not active")

    def settle_reads(self) -> None:
        """Refresh the records."""
        self._refresh(*map(self._names.alias, SIGNALS))

    def close(self) -> None:
        """Finish what waits. The client belongs to its maker, who may share it."""
        self._group.close()

    def _refresh(self, *indices: str) -> None:
        with translated():
            self._client.indices.refresh(index=indices, ignore_unavailable=True)


def _present(bucket: dict[str, Any]) -> dict[str, Any]:
    """A row of `PRESENCE_SCHEMA`; empty text is not kept in documents."""
    key = bucket["key"]
    return {
        "minute": key["minute"] * 1_000_000 // MINUTE_NS, "service": key["service"] or "", "version": key["version"] or "",
        "records": bucket["doc_count"],
    }


def _newest(query: dict[str, Any], size: int, source: Sequence[str]) -> dict[str, Any]:
    return {"size": min(size, PAGE), "query": query, "sort": [{"time_ns": "desc"}], "_source": list(source)}


def _newest_of(signal: Signal, query: dict[str, Any], size: int, after: list[Any] | None) -> dict[str, Any]:
    """A page of whole records, ties by ID."""
    body = _newest(query, size, source_fields(list(COLUMNS[signal])))
    body["sort"] += [{name: "desc"} for name in ID_COLUMNS[signal]]
    return body | {"search_after": after} if after else body


def _may_be_trace(value: str) -> bool:
    return len(value) == _TRACE_ID_LENGTH


def _search_after(signal: Signal, place: tuple[int, str] | None) -> list[Any] | None:
    """The sort values of a cursor's row. The ID text of a span is its trace ID (32 hex) and its span ID."""
    if place is None:
        return None
    time_ns, identity = place
    return [time_ns, identity[:32], identity[32:]] if signal == "spans" else [time_ns, identity]


def _rows(signal: Signal, columns: Sequence[str], hits: Hits) -> pa.Table:
    return to_table(signal, columns, [hit["_source"] for hit in hits])
