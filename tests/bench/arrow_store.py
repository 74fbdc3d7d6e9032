"""A record store for the catalogue runner: Arrow tables in memory, quick to filter, nothing durable, no duplicates looked for."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from itertools import count

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from triage.domain.columns import SIGNALS, Signal
from triage.domain.windows import MINUTE_NS, Window
from triage.ports.masked import MaskedRecords, arrow_schema
from triage.ports.records import PRESENCE_SCHEMA, PRESENT, ROLLUP_KINDS, Appended, Condition, Receipt, RecordPage, RollupKind
from triage.ports.rollups import SCHEMAS
from triage.store.conditions import matching


@dataclass(slots=True)
class Part:
    """One append of a signal, with its bounds of time."""

    table: pa.Table
    low: int
    high: int


@dataclass(slots=True)
class ArrowStore:
    """As much of `RecordStore` as the analysis uses."""

    parts: dict[Signal, list[Part]] = field(default_factory=lambda: {signal: [] for signal in SIGNALS})
    rolled: dict[RollupKind, dict[int, pa.Table]] = field(default_factory=lambda: {kind: {} for kind in ROLLUP_KINDS})
    unsettled: dict[str, Receipt] = field(default_factory=dict)
    numbers: count[int] = field(default_factory=count)

    def append(self, batch: MaskedRecords) -> Appended:
        """Keep everything."""
        minutes: set[int] = set()
        for signal in SIGNALS:
            table = batch.table(signal)
            if not len(table):
                continue
            times = table.column("time_ns").to_numpy()
            self.parts[signal].append(Part(table, int(times.min()), int(times.max())))
            minutes |= set(np.unique(times // MINUTE_NS).tolist())
        receipt_id = str(next(self.numbers))
        self.unsettled[receipt_id] = Receipt(receipt_id, 0, tuple(sorted(minutes)))
        return Appended({s: len(batch.table(s)) for s in SIGNALS}, dict.fromkeys(SIGNALS, 0))

    def receipts(self, limit: int = 1000) -> list[Receipt]:
        """In order."""
        return list(self.unsettled.values())[:limit]

    def settle(self, receipt_ids: Collection[str]) -> None:
        """Forget them."""
        for receipt_id in receipt_ids:
            self.unsettled.pop(receipt_id, None)

    def scan(self, signal: Signal, window: Window, columns: Sequence[str], where: Sequence[Condition] = ()) -> pa.Table:
        """Rows of a window, in order of time."""
        return self._select(signal, where, window).sort_by("time_ns").select(list(columns))

    def presence(self, window: Window) -> pa.Table:
        """Counted in minutes."""
        parts = [self.scan(signal, window, ["time_ns", "service", "version"]) for signal in PRESENT]
        rows = pa.concat_tables(parts)
        minutes = pa.array(rows.column("time_ns").to_numpy() // MINUTE_NS)
        counted = rows.append_column("minute", minutes).group_by(["minute", "service", "version"]).aggregate([("time_ns", "count")])
        return counted.rename_columns({"time_ns_count": "records"}).select(PRESENCE_SCHEMA.names).cast(PRESENCE_SCHEMA)

    def by_trace(self, signal: Signal, trace_ids: Collection[str]) -> pa.Table:
        """Rows of these traces, in order of time."""
        wanted = pa.array(sorted(set(trace_ids) - {""}), pa.string())
        found = [part.table.filter(pc.is_in(part.table.column("trace_id"), wanted)) for part in self.parts[signal]]
        return self._joined(signal, found).sort_by("time_ns")

    def witnesses(self, witness_ids: Collection[str]) -> pa.Table:
        """Rows of these witnesses."""
        wanted = pa.array(sorted(set(witness_ids)), pa.string())
        found = [part.table.filter(pc.is_in(part.table.column("witness_id"), wanted)) for part in self.parts["calls"]]
        return self._joined("calls", found).sort_by("time_ns")

    def search(
        self, signal: Signal, where: Sequence[Condition], window: Window | None, limit: int, cursor: str | None = None,
    ) -> RecordPage:
        """The newest rows; only the first page is there."""
        found = self._select(signal, where, window).sort_by([("time_ns", "descending")])
        return RecordPage(found.slice(0, limit), None)

    def replace_rollups(self, kind: RollupKind, minutes: Collection[int], rows: pa.Table) -> None:
        """Swap the tables of the minutes."""
        at = rows.column("minute").to_numpy()
        for minute in minutes:
            mine = np.flatnonzero(at == minute)
            self.rolled[kind].pop(minute, None)
            if len(mine):
                self.rolled[kind][minute] = rows.take(mine)

    def rollups(self, kind: RollupKind, window: Window, where: Sequence[Condition] = ()) -> pa.Table:
        """Rows of the minutes that begin in the window."""
        rolled = self.rolled[kind]
        found = [rolled[m] for m in sorted(rolled) if window.start_ns <= m * MINUTE_NS < window.end_ns]
        table = pa.concat_tables(found).combine_chunks() if found else SCHEMAS[kind].empty_table()
        return matching(table, where) if where else table

    def pin(self, trace_ids: Collection[str], witness_ids: Collection[str] = ()) -> None:
        """Nothing is ever dropped."""

    def settle_reads(self) -> None:
        """Everything can be found at once."""

    def _select(self, signal: Signal, where: Sequence[Condition], window: Window | None) -> pa.Table:
        found = []
        for part in self.parts[signal]:
            if window is None:
                found.append(part.table)
            elif part.high >= window.start_ns and part.low < window.end_ns:
                times = part.table.column("time_ns").to_numpy()
                found.append(part.table.filter(pa.array((times >= window.start_ns) & (times < window.end_ns))))
        table = self._joined(signal, found)
        return matching(table, where) if where else table

    @staticmethod
    def _joined(signal: Signal, tables: Sequence[pa.Table]) -> pa.Table:
        return pa.concat_tables(tables).combine_chunks() if tables else arrow_schema(signal).empty_table()
