"""Writing records: the batches that wait go out as one bulk, then their receipt."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from elasticsearch import Elasticsearch

from triage.domain.columns import SIGNALS, Signal
from triage.domain.windows import MINUTE_NS
from triage.errors import StoreError, StoreUnavailable
from triage.ports.masked import MaskedRecords
from triage.ports.records import Appended
from triage.store.documents import bulk_items
from triage.store.elastic.bulk import CREATED, KNOWN, UNREADABLE, BulkWriter
from triage.store.elastic.client import BLOCKED, translated
from triage.store.elastic.cluster import ClusterWatch
from triage.store.elastic.retention import Retention
from triage.store.elastic.schema import Names

Statuses = npt.NDArray[np.int64]
Tables = dict[Signal, pa.Table]


class RecordWriter:
    """Commits groups of batches. Used by several threads."""

    def __init__(
        self, client: Elasticsearch, names: Names, bulk: BulkWriter, cluster: ClusterWatch, retention: Retention,
    ) -> None:
        self._client = client
        self._names = names
        self._bulk = bulk
        self._cluster = cluster
        self._retention = retention

    def commit(self, batches: list[MaskedRecords]) -> list[Appended]:
        """Write the batches durably; one result a batch."""
        tables = {signal: table for signal, table in MaskedRecords.joined(batches).items() if len(table)}
        if not tables:
            return [Appended(dict.fromkeys(SIGNALS, 0), dict.fromkeys(SIGNALS, 0)) for _ in batches]
        held = {signal: self._retention.held(signal, table) for signal, table in tables.items()}
        new = {s: table.filter(pa.array(~held[s])) if held[s].any() else table for s, table in tables.items()}
        written = self._write(new)
        for signal, mask in held.items():
            statuses = np.full(len(mask), KNOWN)
            statuses[~mask] = written[signal]
            written[signal] = statuses
        self._leave_receipt(tables.values())
        return _results(batches, written)

    def _write(self, tables: Tables, *, plain: bool = False) -> dict[Signal, Statuses]:
        """The status of every row, CREATED or KNOWN. What Elasticsearch cannot index is written again without that."""
        result = self._statuses(tables, plain=plain)
        bad = {signal: np.flatnonzero(statuses == UNREADABLE) for signal, statuses in result.items()}
        again = {signal: tables[signal].take(pa.array(rows)) for signal, rows in bad.items() if len(rows)}
        if again and not plain:
            for signal, statuses in self._write(again, plain=True).items():
                result[signal][bad[signal]] = statuses
        refused = {int(status) for statuses in result.values() for status in np.unique(statuses)} - {CREATED, KNOWN}
        if refused & BLOCKED:
            raise StoreUnavailable("Elasticsearch takes no records now: status 403, an index is blocked or the credentials are refused", 15)
        if refused:
            raise StoreError(f"Elasticsearch refused records with status {', '.join(map(str, sorted(refused)))}")
        return result

    def _statuses(self, tables: Tables, *, plain: bool) -> dict[Signal, Statuses]:
        """One bulk."""
        items = [bulk_items(signal, table, self._index(signal), plain=plain) for signal, table in tables.items()]
        try:
            with translated():
                statuses = np.array(self._bulk.write(pa.concat_arrays(items), copies=self._cluster.view().copies), np.int64)
        except StoreUnavailable:
            self._cluster.forget()
            raise
        ends = np.cumsum([len(table) for table in tables.values()])
        return dict(zip(tables, np.split(statuses, ends[:-1]), strict=True))

    def _leave_receipt(self, tables: Iterable[pa.Table]) -> None:
        """Name every minute of the group, known records or not: an earlier attempt may have died before its receipt."""
        times = np.concatenate([table.column("time_ns").to_numpy() for table in tables])
        receipt = {"at_ns": time.time_ns(), "minutes": np.unique(times // MINUTE_NS).tolist()}
        with translated():
            self._client.index(
                index=self._names.receipts, document=receipt, timeout="10s",
                wait_for_active_shards=self._cluster.view().copies,
            )

    def _index(self, signal: Signal) -> Any:
        return lambda time_ns: self._names.day(signal, time_ns)


def _results(batches: Sequence[MaskedRecords], written: dict[Signal, Statuses]) -> list[Appended]:
    """What became of every batch, from the statuses of their joined rows."""
    results = [Appended(dict.fromkeys(SIGNALS, 0), dict.fromkeys(SIGNALS, 0)) for _ in batches]
    for signal, statuses in written.items():
        ends = np.cumsum([batch.size(signal) for batch in batches])
        for result, own in zip(results, np.split(statuses, ends[:-1]), strict=True):
            result.kept[signal] = int((own == CREATED).sum())
            result.duplicate[signal] = len(own) - result.kept[signal]
    return results
