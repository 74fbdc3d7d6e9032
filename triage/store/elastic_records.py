"""The RecordStore on Elasticsearch, for any number of processes."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
from elasticsearch import Elasticsearch

from triage.domain.columns import ALIAS_COLUMNS, COLUMNS, ID_COLUMNS, SIGNALS, Signal
from triage.domain.windows import MINUTE_NS, Window
from triage.errors import StoreError, StoreUnavailable
from triage.ports.masked import MaskedRecords, arrow_schema
from triage.ports.records import Appended, Condition, Counts, Found, Receipt, RecordPage, RollupKind
from triage.store.conditions import check, check_columns, matching
from triage.store.cursors import decode_cursor, encode_cursor
from triage.store.documents import bulk_items, source_fields, to_table
from triage.store.elastic_bulk import CREATED, KNOWN, UNREADABLE, BulkWriter, write_checked
from triage.store.elastic_client import translated
from triage.store.elastic_cluster import ClusterWatch
from triage.store.elastic_query import needs_check, records_query
from triage.store.elastic_retention import Retention
from triage.store.elastic_rollups import ElasticRollups
from triage.store.elastic_schema import Layout, Names, install, record_templates
from triage.store.elastic_search import PAGE, Hits, Searcher
from triage.store.lookup import carried, merged

_TERMS: Final = 10_000  # values of one `terms` query; Elasticsearch takes 65,536
_FOUND: Final = sorted({"trace_id", "span_id", "witness_id", "time_ns", *ALIAS_COLUMNS})


class ElasticRecordStore:
    """See `triage.ports.records`."""

    def __init__(self, client: Elasticsearch, prefix: str = "triage", *, replicas: int = 1, shards: int = 1) -> None:
        self._client = client
        self._names = Names(prefix)
        install(client, f"{prefix}-*", record_templates(self._names, Layout(shards, replicas)))
        self._search = Searcher(client)
        self._bulk = BulkWriter(client)
        self._cluster = ClusterWatch(client, self._names, replicas=replicas)
        self._rollups = ElasticRollups(client, self._names, self._search, self._bulk, self._cluster)
        self._retention = Retention(client, self._names, self._search, self._bulk, self._cluster)

    # -- writing ---------------------------------------------------------------------------------------------------

    def append(self, batch: MaskedRecords) -> Appended:
        """One bulk for all signals, then the receipt."""
        tables = {signal: batch.table(signal) for signal in SIGNALS if len(batch.table(signal))}
        appended = Appended(dict.fromkeys(SIGNALS, 0), dict.fromkeys(SIGNALS, 0))
        if not tables:
            return appended
        for signal in tables:
            tables[signal], known = self._retention.without_pinned(signal, tables[signal])
            appended.duplicate[signal] += known
        for signal, statuses in self._write(tables).items():
            appended.kept[signal] += statuses.count(CREATED)
            appended.duplicate[signal] += statuses.count(KNOWN)
        self._leave_receipt(tables.values())
        return appended

    def _write(self, tables: dict[Signal, pa.Table], *, plain: bool = False) -> dict[Signal, list[int]]:
        """The status of every row, CREATED or KNOWN. What Elasticsearch cannot index is written again without that."""
        result = self._statuses(tables, plain=plain)
        if not plain:
            bad = {s: [row for row, status in enumerate(found) if status == UNREADABLE] for s, found in result.items()}
            again = {signal: tables[signal].take(rows) for signal, rows in bad.items() if rows}
            for signal, found in (self._write(again, plain=True) if again else {}).items():
                for row, status in zip(bad[signal], found, strict=True):
                    result[signal][row] = status
        if refused := {status for found in result.values() for status in found} - {CREATED, KNOWN}:
            raise StoreError(f"Elasticsearch refused records with status {', '.join(map(str, sorted(refused)))}")
        return result

    def _statuses(self, tables: dict[Signal, pa.Table], *, plain: bool) -> dict[Signal, list[int]]:
        """One bulk."""
        items = [bulk_items(signal, table, self._index(signal), plain=plain) for signal, table in tables.items()]
        copies = self._cluster.view().copies
        try:
            with translated():
                statuses = self._bulk.write(pa.concat_arrays(items), copies=copies)
        except StoreUnavailable:
            self._cluster.forget()
            raise
        result: dict[Signal, list[int]] = {}
        for signal, table in tables.items():
            result[signal], statuses = statuses[: len(table)], statuses[len(table) :]
        return result

    def _leave_receipt(self, tables: Collection[pa.Table]) -> None:
        """Name every minute of the batch, known records or not: an earlier attempt may have died before its receipt."""
        times = np.concatenate([table.column("time_ns").to_numpy() for table in tables])
        receipt = {"at_ns": time.time_ns(), "minutes": np.unique(times // MINUTE_NS).tolist()}
        with translated():
            self._client.index(
                index=self._names.receipts, document=receipt, timeout="10s",
                wait_for_active_shards=self._cluster.view().copies,
            )

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

    def by_trace(self, signal: Signal, trace_ids: Collection[str]) -> pa.Table:
        """A search by keyword on the alias of all days."""
        return self._by_ids(signal, "trace_id", trace_ids)

    def witnesses(self, witness_ids: Collection[str]) -> pa.Table:
        """A search by keyword on the alias of all days."""
        return self._by_ids("calls", "witness_id", witness_ids)

    def find(self, value: str, limit: int = 50) -> list[Found]:
        """Every ID field of every signal, in one request."""
        if not value:
            return []
        fields: dict[Signal, list[str]] = {"calls": [*ALIAS_COLUMNS, "witness_id"], "spans": ["span_id"]}
        searches: list[tuple[Signal, list[str], int]] = [(signal, names, limit) for signal, names in fields.items()]
        searches += [("spans", ["trace_id"], 1), ("logs", ["trace_id"], 1)]  # one record stands for its trace
        answers = self._search.several([
            (self._names.alias(signal), _newest({"bool": {"should": [{"term": {name: value}} for name in names]}}, size, _FOUND))
            for signal, names, size in searches
        ])
        rows = [
            (signal, dict.fromkeys(_FOUND, "") | hit["_source"])
            for (signal, _, _), answer in zip(searches, answers, strict=True) for hit in answer["hits"]["hits"]
        ]
        return merged((found for signal, row in rows for found in carried(signal, row, value)), limit)

    def search(
        self, signal: Signal, where: Sequence[Condition], window: Window | None, limit: int, cursor: str | None = None,
    ) -> RecordPage:
        """Search from the cursor on, until the page is full and one row more is seen."""
        check(COLUMNS[signal], where)
        after = _search_after(signal, decode_cursor(cursor))
        query, columns, doubtful = records_query(signal, where, window), list(COLUMNS[signal]), needs_check(where)
        page = arrow_schema(signal).empty_table()
        while len(page) <= limit:
            size = min(limit + 1, PAGE)
            hits = self._search.page(self._names.alias(signal), _newest_of(signal, query, size, after))
            page = pa.concat_tables([page, matching(_rows(signal, columns, hits), doubtful)])
            if len(hits) < size:
                break
            after = hits[-1]["sort"]
        rows = page.slice(0, limit)
        return RecordPage(rows, encode_cursor(signal, rows) if len(page) > limit else None)

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

    def pin(self, trace_ids: Collection[str]) -> None:
        """See `Retention`."""
        self._retention.pin(trace_ids)

    def drop_day(self, signal: Signal, day: str) -> int:
        """See `Retention`."""
        return self._retention.drop_day(signal, day)

    def counts(self) -> Counts:
        """See `Retention`."""
        return self._retention.counts()

    def ping(self) -> None:
        """Ask whether every shard of ours has an active primary."""
        with translated():
            health = self._client.cluster.health(index=f"{self._names.prefix}-*", timeout="2s", filter_path="status").body
        if health.get("status") == "red":
            raise StoreUnavailable("Elasticsearch is incomplete: some shards of the triage indices are not active")

    def settle_reads(self) -> None:
        """Refresh the records."""
        self._refresh(*map(self._names.alias, SIGNALS))

    def close(self) -> None:
        """Nothing waits here; the client belongs to its maker, who may share it."""

    def _refresh(self, *indices: str) -> None:
        with translated():
            self._client.indices.refresh(index=indices, ignore_unavailable=True)

    def _index(self, signal: Signal) -> Any:
        return lambda time_ns: self._names.day(signal, time_ns)


def _newest(query: dict[str, Any], size: int, source: Sequence[str]) -> dict[str, Any]:
    return {"size": min(size, PAGE), "query": query, "sort": [{"time_ns": "desc"}], "_source": list(source)}


def _newest_of(signal: Signal, query: dict[str, Any], size: int, after: list[Any] | None) -> dict[str, Any]:
    """A page of whole records, ties by ID."""
    body = _newest(query, size, source_fields(list(COLUMNS[signal])))
    body["sort"] += [{name: "desc"} for name in ID_COLUMNS[signal]]
    return body | {"search_after": after} if after else body


def _search_after(signal: Signal, place: tuple[int, str] | None) -> list[Any] | None:
    """The sort values of a cursor's row. The ID text of a span is its trace ID (32 hex) and its span ID."""
    if place is None:
        return None
    time_ns, identity = place
    return [time_ns, identity[:32], identity[32:]] if signal == "spans" else [time_ns, identity]


def _rows(signal: Signal, columns: Sequence[str], hits: Hits) -> pa.Table:
    return to_table(signal, columns, [hit["_source"] for hit in hits])
