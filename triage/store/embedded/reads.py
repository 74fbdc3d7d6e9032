"""Reading the embedded store's files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import duckdb
import numpy as np
import pyarrow as pa

from triage.domain.columns import COLUMNS, SIGNALS, Signal
from triage.domain.windows import MINUTE_NS, Window, day_of
from triage.errors import StoreUnavailable
from triage.ports.masked import arrow_schema
from triage.ports.records import PRESENCE_SCHEMA, PRESENT, Condition, Counts, Receipt, RecordPage, RollupKind
from triage.ports.rollups import SCHEMAS
from triage.store.conditions import check, check_columns
from triage.store.cursors import decode_cursor, encode_cursor
from triage.store.embedded.days import PINNED, DuckFiles, first_line, is_pinned
from triage.store.embedded.sql import names, where_sql
from triage.store.presence import presence_joined

_TIE: Final[dict[Signal, str]] = {"spans": "trace_id || span_id", "logs": "log_id", "calls": "witness_id"}
_TIE_COLUMNS: Final[dict[Signal, tuple[str, ...]]] = {
    "spans": ("trace_id", "span_id"), "logs": ("log_id",), "calls": ("witness_id",),
}
Place = tuple[int, str, str]  # time, ID text, database


@dataclass(frozen=True, slots=True)
class Asked:
    """What a search asks for, as SQL."""

    signal: Signal
    conditions: str
    parameters: tuple[Any, ...]


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
        return ordered(signal, pa.concat_tables(parts), "ascending").select(list(columns))

    def presence(self, window: Window) -> pa.Table:
        """Counted where the records lie."""
        parts = [PRESENCE_SCHEMA.empty_table()]
        parts += [
            self.arrow(
                f"SELECT time_ns // {MINUTE_NS} AS minute, service, version, count(*) AS records FROM {database}.{signal}"
                " WHERE time_ns >= ? AND time_ns < ? GROUP BY ALL", [window.start_ns, window.end_ns],
            ).cast(PRESENCE_SCHEMA) for database in self._databases(window) for signal in PRESENT
        ]
        return presence_joined(pa.concat_tables(parts))

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
        asked = Asked(signal, conditions, tuple(parameters))
        places = self._newest([PINNED], asked, limit + 1)
        days, of_days, step = list(reversed(self._databases(window)[:-1])), 0, 1  # pinned rows are of any time
        while days and of_days <= limit:
            found = self._newest(days[:step], asked, limit + 1)
            places, of_days, days, step = [*places, *found], of_days + len(found), days[step:], step * 4
        places.sort(reverse=True)
        page = self._rows_at(asked, places[:limit])
        return RecordPage(page, encode_cursor(signal, page) if len(places) > limit and len(page) else None)

    def _newest(self, databases: Sequence[str], asked: Asked, limit: int) -> list[Place]:
        """Where the newest rows of these days are. One statement, and few columns: most of its time is planning."""
        sql = " UNION ALL ".join(
            f"SELECT time_ns, {_TIE[asked.signal]}, '{database}' FROM {database}.{asked.signal} WHERE{asked.conditions}"
            for database in databases)
        return self.rows(f"{sql} ORDER BY 1 DESC, 2 DESC LIMIT {int(limit)}", [*asked.parameters] * len(databases))

    def _rows_at(self, asked: Asked, places: Sequence[Place]) -> pa.Table:
        """The whole rows of these places, which are in order, newest first. The conditions spare what else is there from being read."""
        schema, parts, parameters = arrow_schema(asked.signal), [], []
        for database in dict.fromkeys(place[2] for place in places):
            times = [place[0] for place in places if place[2] == database]
            parts.append(f"SELECT {names(schema.names)} FROM {database}.{asked.signal} WHERE{asked.conditions}"
                         f" AND time_ns >= ? AND time_ns <= ? AND time_ns IN ({', '.join('?' * len(times))})")
            parameters += [*asked.parameters, times[-1], times[0], *times]
        rows = self.rows(" UNION ALL ".join(parts), parameters) if parts else []
        columns = zip(*rows, strict=True) if rows else ((),) * len(schema)
        table = pa.table([pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)], schema=schema)
        return ordered(asked.signal, table, "descending").slice(0, len(places))

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
        if not self.rows(f"SELECT (SELECT count(*) FROM {PINNED}.pins) + (SELECT count(*) FROM {PINNED}.pinned_witnesses)")[0][0]:
            return 0
        return int(self.rows(f"SELECT count(*) FROM {database}.{signal} WHERE {is_pinned(signal)}")[0][0])

    def _databases(self, window: Window) -> list[str]:
        first, last = (day_of(min(max(at, 0), 2**63 - 1)) for at in (window.start_ns, window.end_ns - 1))
        return self._files.databases([day for day in self._files.days() if first <= day <= last])

    def arrow(self, sql: str, parameters: Sequence[Any] = ()) -> pa.Table:
        """A result as an Arrow table. Raises StoreUnavailable."""
        try:
            return self._retried(lambda: self._files.cursor().sql(sql, params=list(parameters)).to_arrow_table())
        except duckdb.Error as error:
            raise StoreUnavailable(f"cannot read: {first_line(error)}") from error

    def _retried(self, read: Callable[[], Any]) -> Any:
        """Read again when the file was being replaced."""
        try:
            return read()
        except (duckdb.BinderException, duckdb.CatalogException):
            self._files.settled()
            return read()

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
        """A result as tuples. Raises StoreUnavailable."""
        try:
            rows: list[Any] = self._retried(lambda: self._files.cursor().execute(sql, list(parameters)).fetchall())
            return rows
        except duckdb.Error as error:
            raise StoreUnavailable(f"cannot read: {first_line(error)}") from error


def ordered(signal: Signal, table: pa.Table, order: str) -> pa.Table:
    """The rows by time ('ascending' or 'descending'), those of one time by their identity."""
    if len(table) < 2 or (order == "ascending" and _is_sorted(table, signal)):
        return table
    return table.sort_by([("time_ns", order), *((name, order) for name in _TIE_COLUMNS[signal])])


def _is_sorted(table: pa.Table, signal: Signal) -> bool:
    """Whether the times strictly rise, which saves a sort of all columns."""
    times = table.column("time_ns").to_numpy()
    return bool((np.diff(times) > 0).all())
