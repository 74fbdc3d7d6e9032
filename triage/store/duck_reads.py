"""Reading the embedded store's files."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Final

import duckdb
import numpy as np
import pyarrow as pa

from triage.domain.columns import ALIAS_COLUMNS, COLUMNS, SIGNALS, Signal
from triage.domain.windows import MINUTE_NS, Window, day_of
from triage.errors import StoreUnavailable
from triage.ports.masked import arrow_schema
from triage.ports.records import Condition, Counts, Found, Receipt, RecordPage, RollupKind
from triage.ports.rollups import SCHEMAS
from triage.store.conditions import check, check_columns
from triage.store.cursors import decode_cursor, encode_cursor
from triage.store.duck_days import PINNED, DuckFiles, first_line
from triage.store.duck_sql import names, where_sql
from triage.store.keys import text_key
from triage.store.lookup import carried, merged

_TIE: Final[dict[Signal, str]] = {"spans": "trace_id || span_id", "logs": "log_id", "calls": "witness_id"}
_TIE_COLUMNS: Final[dict[Signal, tuple[str, ...]]] = {
    "spans": ("trace_id", "span_id"), "logs": ("log_id",), "calls": ("witness_id",),
}
_SPAN_ID_LENGTH: Final = 16


class DuckReader:
    """Every question of the port that is answered by reading. Safe for many threads."""

    def __init__(self, files: DuckFiles) -> None:
        self._files = files

    def scan(self, signal: Signal, window: Window, columns: Sequence[str], where: Sequence[Condition]) -> pa.Table:
        """Read the days of the window."""
        check_columns(signal, columns)
        check(COLUMNS[signal], where)
        conditions, parameters = where_sql(list(COLUMNS[signal]), where)
        picked = list(dict.fromkeys([*columns, "time_ns", *_TIE_COLUMNS[signal]]))
        schema = pa.schema([arrow_schema(signal).field(name) for name in picked])
        parts = [schema.empty_table()]
        parts += [
            self.arrow(
                f"SELECT {names(picked)} FROM {database}.{signal} WHERE time_ns >= ? AND time_ns < ?{conditions}",
                [window.start_ns, window.end_ns, *parameters],
            ).cast(schema) for database in self._databases(window)
        ]
        return _ordered(signal, pa.concat_tables(parts), "ascending").select(list(columns))

    def by_ids(self, signal: Signal, column: str, values: Collection[str], ledger_ids: Collection[str]) -> pa.Table:
        """Rows whose `column` is one of the values: the ledger names the minutes to look in."""
        parts = [arrow_schema(signal).empty_table()]
        hashes = [text_key(value) for value in ledger_ids]
        for database in self._files.databases() if values else []:
            span = self._minutes(database, hashes)
            if span is None:
                continue
            parts.append(self.arrow(
                f'SELECT {names(list(COLUMNS[signal]))} FROM {database}.{signal}'
                f' WHERE time_ns >= ? AND time_ns < ? AND "{column}" IN (SELECT unnest(?))',
                [*span, list(values)],
            ).cast(arrow_schema(signal)))
        return _ordered(signal, pa.concat_tables(parts), "ascending")

    def _minutes(self, database: str, hashes: Sequence[int]) -> tuple[int, int] | None:
        """The stretch of time, ns, that the ledger names for these hashes; None when it knows none of them."""
        marks = ", ".join("?" * len(hashes)) or "NULL"
        low, high = self.rows(f"SELECT min(minute), max(minute) FROM {database}.ids WHERE hash IN ({marks})", hashes)[0]
        return None if low is None else (low * MINUTE_NS, (high + 1) * MINUTE_NS)

    def find(self, value: str, limit: int) -> list[Found]:
        """Look in the ledger of every day, then in the rows of the minutes that it names; span IDs in the spans themselves."""
        found: list[Found] = []
        hashes = [text_key(value)]
        for database in reversed(self._files.databases()) if value else []:
            span = self._minutes(database, hashes)
            if span is not None:
                found += self._carried(database, value, span, limit)
            if len(value) == _SPAN_ID_LENGTH:
                rows = self.rows(f"SELECT trace_id, time_ns FROM {database}.spans WHERE span_id = ? LIMIT 50", [value])
                found += [Found("span_id", value, trace_id, "", time_ns) for trace_id, time_ns in rows]
        return merged(found, limit)

    def _carried(self, database: str, value: str, span: tuple[int, int], limit: int) -> list[Found]:
        found: list[Found] = []
        columns = [*ALIAS_COLUMNS, "witness_id"]
        anywhere = " OR ".join(f"{column} = ?" for column in columns)
        rows = self.arrow(
            f"SELECT {names([*columns, 'time_ns'])} FROM {database}.calls WHERE time_ns >= ? AND time_ns < ? AND ({anywhere})"
            f" ORDER BY time_ns DESC LIMIT {int(limit)}", [*span, *[value] * len(columns)])
        for row in rows.to_pylist():
            found += carried("calls", row, value)
        for signal in ("spans", "logs"):
            newest = self.rows(
                f"SELECT max(time_ns) FROM {database}.{signal} WHERE time_ns >= ? AND time_ns < ? AND trace_id = ?",
                [*span, value])[0][0]
            if newest is not None:
                found.append(Found("trace_id", value, value, "", newest))
        return found

    def search(
        self, signal: Signal, where: Sequence[Condition], window: Window | None, limit: int, cursor: str | None,
    ) -> RecordPage:
        """Newest day first, until the page is full."""
        check(COLUMNS[signal], where)
        conditions, parameters = where_sql(list(COLUMNS[signal]), where)
        window = window or Window(0, 2**63 - 1)
        conditions = f" time_ns >= ? AND time_ns < ?{conditions}"
        parameters = [window.start_ns, window.end_ns, *parameters]
        after = decode_cursor(cursor)
        if after:
            conditions += f" AND time_ns <= ? AND (time_ns, {_TIE[signal]}) < (?, ?)"
            parameters += [after[0], *after]
            window = Window(window.start_ns, min(window.end_ns, after[0] + 1))
        parts = [arrow_schema(signal).empty_table()]
        rows = 0
        for database in [PINNED, *reversed(self._databases(window)[:-1])]:
            part = self.arrow(
                f"SELECT {names(list(COLUMNS[signal]))} FROM {database}.{signal} WHERE{conditions}"
                f" ORDER BY time_ns DESC, {_TIE[signal]} DESC LIMIT {int(limit) + 1}", parameters,
            ).cast(arrow_schema(signal))
            parts.append(part)
            rows += len(part) if database != PINNED else 0
            if rows > limit:
                break
        table = _ordered(signal, pa.concat_tables(parts), "descending")
        page = table.slice(0, limit)
        return RecordPage(page, encode_cursor(signal, page) if len(table) > limit and len(page) else None)

    def rollups(self, kind: RollupKind, window: Window, where: Sequence[Condition]) -> pa.Table:
        """Rows of the minutes that begin in the window."""
        schema = SCHEMAS[kind]
        known = [field.name for field in schema if field.type in (pa.string(), pa.int64())]
        conditions, parameters = where_sql(known, where)
        bounds = [-(-window.start_ns // MINUTE_NS), -(-window.end_ns // MINUTE_NS)]
        return self.arrow(
            f"SELECT * FROM rollups.{kind} WHERE minute >= ? AND minute < ?{conditions} ORDER BY minute", [*bounds, *parameters]
        ).cast(schema)

    def receipts(self, limit: int) -> list[Receipt]:
        """Receipts of all days, oldest first."""
        rows: list[Any] = []
        for database in self._files.databases()[:-1]:
            rows += self.rows(f"SELECT receipt_id, at_ns, minutes FROM {database}.receipts ORDER BY at_ns LIMIT {int(limit)}")
        rows.sort(key=lambda row: row[1])
        return [Receipt(receipt_id, at_ns, tuple(minutes)) for receipt_id, at_ns, minutes in rows[:limit]]

    def counts(self) -> Counts:
        """Count the rows of every file."""
        kept: dict[Signal, int] = dict.fromkeys(SIGNALS, 0)
        days: dict[Signal, list[str]] = {signal: [] for signal in SIGNALS}
        bounds: list[int] = []
        for day in [*self._files.days(), ""]:
            database = self._files.databases([day])[0] if day else PINNED
            for signal in SIGNALS:
                number, low, high = self.rows(f"SELECT count(*), min(time_ns), max(time_ns) FROM {database}.{signal}")[0]
                if not number:
                    continue
                kept[signal] += number
                bounds += [low, high]
                if day and number > self._pinned_in(database, signal):
                    days[signal].append(day)
        return Counts(kept, min(bounds, default=None), max(bounds, default=None), days)

    def _pinned_in(self, database: str, signal: Signal) -> int:
        if not self.rows(f"SELECT count(*) FROM {PINNED}.pins")[0][0]:
            return 0
        sql = f"SELECT count(*) FROM {database}.{signal} WHERE trace_id IN (SELECT trace_id FROM {PINNED}.pins)"
        return int(self.rows(sql)[0][0])

    def _databases(self, window: Window) -> list[str]:
        first, last = (day_of(min(max(at, 0), 2**63 - 1)) for at in (window.start_ns, window.end_ns - 1))
        return self._files.databases([day for day in self._files.days() if first <= day <= last])

    def arrow(self, sql: str, parameters: Sequence[Any] = ()) -> pa.Table:
        """A result as an Arrow table. Raises StoreUnavailable."""
        try:
            return self._files.cursor().sql(sql, params=list(parameters)).to_arrow_table()
        except duckdb.Error as error:
            raise StoreUnavailable(f"cannot read: {first_line(error)}") from error

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
        """A result as tuples. Raises StoreUnavailable."""
        try:
            return self._files.cursor().execute(sql, list(parameters)).fetchall()
        except duckdb.Error as error:
            raise StoreUnavailable(f"cannot read: {first_line(error)}") from error


def _ordered(signal: Signal, table: pa.Table, order: str) -> pa.Table:
    if len(table) < 2 or (order == "ascending" and _is_sorted(table, signal)):
        return table
    return table.sort_by([("time_ns", order), *((name, order) for name in _TIE_COLUMNS[signal])])


def _is_sorted(table: pa.Table, signal: Signal) -> bool:
    """Whether the times strictly rise, which saves a sort of all columns."""
    times = table.column("time_ns").to_numpy()
    return bool((np.diff(times) > 0).all())
