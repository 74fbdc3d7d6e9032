"""The embedded RecordStore: DuckDB files in one process, no server.

One writer thread gathers the batches that wait and makes them durable with one commit a day touched (group commit). Duplicates
are found by an anti-join on the key among the rows of the same stretch of time, which zone maps keep to the newest row groups:
a primary key would cost three times as much and grow in memory.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
import uuid
from collections.abc import Collection, Sequence
from concurrent.futures import Future
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Final, cast

import duckdb
import numpy as np
import pyarrow as pa

from triage.domain.columns import ALIAS_COLUMNS, COLUMNS, SIGNALS, Signal
from triage.domain.windows import MINUTE_NS, Window, day_of
from triage.errors import StoreError, StoreUnavailable
from triage.ports.masked import MaskedRecords, arrow_schema
from triage.ports.records import Appended, Condition, Counts, Found, Receipt, RecordPage, RollupKind
from triage.ports.rollups import SCHEMAS
from triage.store.cursors import decode_cursor, encode_cursor
from triage.store.duck_days import DuckFiles, first_line
from triage.store.duck_sql import names, where_sql
from triage.store.keys import record_keys, text_key, text_keys

_GROUP_ROWS: Final = 20_000  # a commit of more rows gains nothing and delays the batches behind it
_LEDGER: Final[dict[Signal, tuple[str, ...]]] = {
    "spans": ("trace_id",), "logs": ("trace_id",), "calls": tuple(ALIAS_COLUMNS),
}


class EmbeddedRecordStore:
    """See `triage.ports.records`. One process owns the folder; a second one is refused."""

    def __init__(self, folder: Path, *, memory_mib: int = 256, threads: int = 2) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._owner = _own(folder)
        self._files = DuckFiles(folder / "records", memory_mib=memory_mib, threads=threads)
        self._queue: SimpleQueue[tuple[MaskedRecords, Future[Appended]] | None] = SimpleQueue()
        self._exclusive = threading.Lock()  # between the writer and the removal of files
        self._closed = False
        self._writer = threading.Thread(target=self._write_forever, name="store-writer", daemon=True)
        self._writer.start()

    # -- writing ---------------------------------------------------------------------------------------------------

    def append(self, batch: MaskedRecords) -> Appended:
        """Queue the batch for the next group commit and wait for it."""
        if self._closed:
            raise StoreUnavailable("the store is closed")
        done: Future[Appended] = Future()
        self._queue.put((batch, done))
        return done.result()

    def _write_forever(self) -> None:
        while (first := self._queue.get()) is not None:
            group = [first]
            rows = _rows(first[0])
            stop = False
            while rows < _GROUP_ROWS:
                try:
                    item = self._queue.get_nowait()
                except Empty:
                    break
                if item is None:
                    stop = True
                    break
                group.append(item)
                rows += _rows(item[0])
            self._write_group(group)
            if stop:
                return

    def _write_group(self, group: list[tuple[MaskedRecords, Future[Appended]]]) -> None:
        try:
            with self._exclusive:
                results = self._commit([batch for batch, _ in group])
        except duckdb.Error as error:
            for _, done in group:
                done.set_exception(StoreUnavailable(f"cannot write: {first_line(error)}"))
        except Exception as error:  # the writer must live on; the sender is told
            for _, done in group:
                done.set_exception(StoreError(f"cannot write: {error!r}"))
        else:
            for (_, done), result in zip(group, results, strict=True):
                done.set_result(result)

    def _commit(self, batches: list[MaskedRecords]) -> list[Appended]:
        cursor = self._files.cursor()
        results = [Appended({s: 0 for s in SIGNALS}, {s: 0 for s in SIGNALS}) for _ in batches]
        tables: dict[Signal, pa.Table] = {}
        owners: dict[Signal, np.ndarray[Any, Any]] = {}
        days: set[int] = set()
        for signal in SIGNALS:
            parts = [batch.table(signal) for batch in batches]
            tables[signal] = pa.concat_tables(parts)
            owners[signal] = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
            if len(tables[signal]):
                days |= set(np.unique(tables[signal].column("time_ns").to_numpy() // (MINUTE_NS * 1440)).tolist())
        for day in sorted(days):
            self._commit_day(cursor, day, tables, owners, results)
        return results

    def _commit_day(
        self, cursor: duckdb.DuckDBPyConnection, day: int, tables: dict[Signal, pa.Table],
        owners: dict[Signal, np.ndarray[Any, Any]], results: list[Appended],
    ) -> None:
        database = self._files.day(day_of(day * 1440 * MINUTE_NS))
        minutes: set[int] = set()
        cursor.begin()
        try:
            for signal in SIGNALS:
                table, owner = tables[signal], owners[signal]
                if not len(table):
                    continue
                mine = np.flatnonzero(table.column("time_ns").to_numpy() // (MINUTE_NS * 1440) == day)
                if not mine.size:
                    continue
                if mine.size < len(table):
                    table, owner = table.take(mine), owner[mine]
                fresh = self._insert(cursor, database, signal, table, minutes)
                for index, (new, old) in enumerate(_counted(owner, fresh, len(results))):
                    results[index].kept[signal] += new
                    results[index].duplicate[signal] += old
            if minutes:
                receipt = [uuid.uuid4().hex, time.time_ns(), sorted(minutes)]
                cursor.execute(f"INSERT INTO {database}.receipts VALUES (?, ?, ?)", receipt)  # noqa: S608
            cursor.commit()
        except BaseException:
            cursor.rollback()
            raise

    def _insert(
        self, cursor: duckdb.DuckDBPyConnection, database: str, signal: Signal, table: pa.Table, minutes: set[int],
    ) -> np.ndarray[Any, Any]:
        """Insert the rows that are new; returns which of `table` were."""
        times = table.column("time_ns").to_numpy()
        keys = record_keys(signal, table)
        fresh = np.zeros(len(keys), bool)
        fresh[np.unique(keys, return_index=True)[1]] = True
        cursor.register("incoming_keys", pa.table({"key": keys}))
        known = cursor.execute(
            f"SELECT key FROM {database}.{signal} WHERE time_ns BETWEEN ? AND ?"  # noqa: S608
            " AND key IN (SELECT key FROM incoming_keys)",
            [int(times.min()), int(times.max())],
        ).fetchnumpy()["key"]
        if len(known):
            fresh &= ~np.isin(keys, known)
        if not fresh.any():
            return fresh
        if not fresh.all():
            table, keys, times = table.filter(pa.array(fresh)), keys[fresh], times[fresh]
        cursor.register("incoming", table.add_column(0, "key", pa.array(keys)))
        cursor.execute(f"INSERT INTO {database}.{signal} SELECT * FROM incoming")  # noqa: S608
        touched = times // MINUTE_NS
        minutes.update(np.unique(touched).tolist())
        ledger = _ledger(signal, table, touched)
        if len(ledger):
            cursor.register("incoming_ids", ledger)
            cursor.execute(f"INSERT INTO {database}.ids SELECT * FROM incoming_ids")  # noqa: S608
        return fresh

    # -- receipts --------------------------------------------------------------------------------------------------

    def receipts(self, limit: int = 1000) -> list[Receipt]:
        """Receipts of all days, oldest first."""
        rows: list[tuple[str, int, list[int]]] = []
        for database in self._files.databases()[:-1]:
            rows += self._rows(f"SELECT receipt_id, at_ns, minutes FROM {database}.receipts ORDER BY at_ns LIMIT {int(limit)}")
        rows.sort(key=lambda row: row[1])
        return [Receipt(receipt_id, at_ns, tuple(minutes)) for receipt_id, at_ns, minutes in rows[:limit]]

    def settle(self, receipt_ids: Collection[str]) -> None:
        """Delete the receipts."""
        if not receipt_ids:
            return
        with self._exclusive:
            for database in self._files.databases()[:-1]:
                self._rows(f"DELETE FROM {database}.receipts WHERE receipt_id IN (SELECT unnest(?))", [list(receipt_ids)])

    # -- reading ---------------------------------------------------------------------------------------------------

    def scan(
        self, signal: Signal, window: Window, columns: Sequence[str], where: Sequence[Condition] = (),
    ) -> pa.Table:
        """Read the days of the window."""
        self._check(signal, columns)
        conditions, parameters = where_sql(list(COLUMNS[signal]), where)
        picked = list(dict.fromkeys([*columns, "time_ns"]))
        parts = [
            self._arrow(
                f"SELECT {names(picked)} FROM {database}.{signal} WHERE time_ns >= ? AND time_ns < ?{conditions}",
                [window.start_ns, window.end_ns, *parameters],
            )
            for database in self._files.databases(_days_of(window, self._files.days()))
        ]
        table = pa.concat_tables(part.cast(_subschema(signal, picked)) for part in parts)
        return table.sort_by("time_ns").select(list(columns))

    def by_trace(self, signal: Signal, trace_ids: Collection[str]) -> pa.Table:
        """Find the minutes in the ledger, then read just those."""
        wanted = sorted({trace_id for trace_id in trace_ids if trace_id})
        return self._by_ids(signal, "trace_id", wanted, wanted)

    def witnesses(self, witness_ids: Collection[str]) -> pa.Table:
        """Span witnesses are found through their trace; lines by a scan of the days."""
        wanted = sorted({witness_id for witness_id in witness_ids if witness_id})
        return self._by_ids("calls", "witness_id", wanted, [w[:32] for w in wanted if len(w) == 48], len(wanted) > 0 and
                            any(len(w) != 48 for w in wanted))

    def _by_ids(
        self, signal: Signal, column: str, values: list[str], ledger_ids: list[str], everywhere: bool = False,
    ) -> pa.Table:
        hashes = [text_key(value) for value in ledger_ids]
        parts = [arrow_schema(signal).empty_table()]
        for database in self._files.databases() if values else []:
            span: tuple[Any, ...] | None = None
            if database != "pinned" and not everywhere:
                span = self._minutes(database, hashes)
                if span is None:
                    continue
            bounds = "" if span is None else " AND time_ns >= ? AND time_ns < ?"
            parameters = [] if span is None else [span[0] * MINUTE_NS, (span[1] + 1) * MINUTE_NS]
            parts.append(self._arrow(
                f'SELECT {names(list(COLUMNS[signal]))} FROM {database}.{signal} WHERE "{column}" IN (SELECT unnest(?)){bounds}',
                [values, *parameters],
            ).cast(arrow_schema(signal)))
        return _unique(signal, pa.concat_tables(parts)).sort_by([("time_ns", "ascending"), *_tie(signal)])

    def _minutes(self, database: str, hashes: list[int]) -> tuple[int, int] | None:
        low, high = self._rows(
            f"SELECT min(minute), max(minute) FROM {database}.ids WHERE hash IN ({', '.join('?' * len(hashes)) or 'NULL'})",
            hashes,
        )[0]
        return None if low is None else (low, high)

    def find(self, value: str, limit: int = 50) -> list[Found]:
        """Look in the ledger of every day, then in the rows of the minutes that it names; span IDs in the spans themselves."""
        found: list[Found] = []
        for database in reversed(self._files.databases()):
            found += self._find_in(database, value, limit)
        unique = {(f.kind, f.value, f.trace_id, f.witness_id): f for f in found}
        return sorted(unique.values(), key=lambda f: (-f.time_ns, f.kind, f.witness_id))[:limit]

    def _find_in(self, database: str, value: str, limit: int) -> list[Found]:
        span = None if database == "pinned" else self._minutes(database, [text_key(value)])
        if span is None and database != "pinned":
            return self._find_span(database, value)
        bounds = "" if span is None else f" AND time_ns >= {span[0] * MINUTE_NS} AND time_ns < {(span[1] + 1) * MINUTE_NS}"
        found: list[Found] = []
        for column, kind in ALIAS_COLUMNS.items():
            found += [
                Found(kind, value, *row) for row in self._rows(
                    f"SELECT trace_id, witness_id, time_ns FROM {database}.calls WHERE {column} = ?{bounds}"
                    f" ORDER BY time_ns DESC LIMIT {int(limit)}", [value])
            ]
        for signal in ("spans", "logs"):
            rows = self._rows(f"SELECT max(time_ns) FROM {database}.{signal} WHERE trace_id = ?{bounds}", [value])
            if rows[0][0] is not None and not any(f.kind == "trace_id" for f in found):
                found.append(Found("trace_id", value, value, "", rows[0][0]))
        return found or self._find_span(database, value)

    def _find_span(self, database: str, value: str) -> list[Found]:
        if len(value) != 16:
            return []
        rows = self._rows(f"SELECT trace_id, time_ns FROM {database}.spans WHERE span_id = ? LIMIT 5", [value])
        return [Found("span_id", value, trace_id, "", time_ns) for trace_id, time_ns in rows]

    def search(
        self, signal: Signal, where: Sequence[Condition], window: Window | None, limit: int, cursor: str | None = None,
    ) -> RecordPage:
        """Newest day first, until the page is full."""
        conditions, parameters = where_sql(list(COLUMNS[signal]), where)
        tie = _tie_text(signal)
        if window:
            conditions += " AND time_ns >= ? AND time_ns < ?"
            parameters += [window.start_ns, window.end_ns]
        after = decode_cursor(cursor)
        if after:
            conditions += f" AND (time_ns, {tie}) < (?, ?)"
            parameters += [*after]
        days = self._files.days() if window is None else _days_of(window, self._files.days())
        if after:
            days = [day for day in days if day <= day_of(after[0])]
        parts = [arrow_schema(signal).empty_table()]
        rows = 0
        for database in ["pinned", *reversed(self._files.databases(days)[:-1])]:
            part = self._arrow(
                f"SELECT {names(list(COLUMNS[signal]))} FROM {database}.{signal} WHERE true{conditions}"
                f" ORDER BY time_ns DESC, {tie} DESC LIMIT {int(limit) + 1}", parameters,
            ).cast(arrow_schema(signal))
            parts.append(part)
            rows += len(part) if database != "pinned" else 0
            if rows > limit:
                break
        table = _unique(signal, pa.concat_tables(parts)).sort_by([("time_ns", "descending"), *_tie(signal, "descending")])
        page = table.slice(0, limit)
        more = len(table) > limit
        return RecordPage(page, encode_cursor(signal, page) if more else None)

    # -- roll-ups, retention, state --------------------------------------------------------------------------------

    def replace_rollups(self, kind: RollupKind, minutes: Collection[int], rows: pa.Table) -> None:
        """Delete and insert in one transaction."""
        cursor = self._files.cursor()
        with self._exclusive:
            cursor.begin()
            try:
                cursor.execute(f"DELETE FROM rollups.{kind} WHERE minute IN (SELECT unnest(?))", [list(minutes)])  # noqa: S608
                cursor.register("incoming_rollups", rows.cast(SCHEMAS[kind]))
                cursor.execute(f"INSERT INTO rollups.{kind} SELECT * FROM incoming_rollups")  # noqa: S608
                cursor.commit()
            except duckdb.Error as error:
                cursor.rollback()
                raise StoreUnavailable(f"cannot write roll-ups: {first_line(error)}") from error

    def rollups(self, kind: RollupKind, window: Window, where: Sequence[Condition] = ()) -> pa.Table:
        """Rows of whole minutes that begin in the window."""
        schema = SCHEMAS[kind]
        conditions, parameters = where_sql(schema.names, where)
        bounds = [-(-window.start_ns // MINUTE_NS), -(-window.end_ns // MINUTE_NS)]
        return self._arrow(
            f"SELECT * FROM rollups.{kind} WHERE minute >= ? AND minute < ?{conditions} ORDER BY minute",
            [*bounds, *parameters],
        ).cast(schema)

    def pin(self, trace_ids: Collection[str]) -> None:
        """Copy the traces into the file that outlives the days."""
        cursor = self._files.cursor()
        tables = {signal: self.by_trace(signal, trace_ids) for signal in SIGNALS}
        with self._exclusive:
            cursor.begin()
            try:
                for signal in SIGNALS:
                    if len(tables[signal]):
                        self._insert(cursor, "pinned", signal, tables[signal], set())
                cursor.commit()
            except duckdb.Error as error:
                cursor.rollback()
                raise StoreUnavailable(f"cannot pin: {first_line(error)}") from error

    def drop_day(self, signal: Signal, day: str) -> int:
        """Empty the signal's table; the file goes when its last signal does."""
        if day not in self._files.days():
            return 0
        with self._exclusive:
            database = self._files.databases([day])[0]
            removed = int(self._rows(f"SELECT count(*) FROM {database}.{signal}")[0][0])
            self._rows(f"DELETE FROM {database}.{signal}")
            left = sum(int(self._rows(f"SELECT count(*) FROM {database}.{other}")[0][0]) for other in SIGNALS)
            if left == 0:
                self._files.remove_day(day)
            else:
                self._rows(f"CHECKPOINT {database}")
        return removed

    def counts(self) -> Counts:
        """Count the rows of every file; a pinned trace that still lies in its day counts once."""
        kept: dict[Signal, int] = {s: 0 for s in SIGNALS}
        days: dict[Signal, list[str]] = {s: [] for s in SIGNALS}
        bounds: list[int] = []
        for day in self._files.days():
            database = self._files.databases([day])[0]
            for signal in SIGNALS:
                number, low, high = self._rows(f"SELECT count(*), min(time_ns), max(time_ns) FROM {database}.{signal}")[0]
                if number:
                    kept[signal] += number
                    days[signal].append(day)
                    bounds += [low, high]
        for signal in SIGNALS:
            for (time_ns,) in self._rows(f"SELECT time_ns FROM pinned.{signal}"):
                if day_of(time_ns) not in days[signal]:
                    kept[signal] += 1
                    bounds.append(time_ns)
        return Counts(kept, min(bounds, default=None), max(bounds, default=None), days)

    def ping(self) -> None:
        """Answer, and see that the writer lives."""
        if self._closed or not self._writer.is_alive():
            raise StoreUnavailable("the store is closed")
        self._rows("SELECT 1")

    def settle_reads(self) -> None:
        """Every commit is visible at once."""

    def close(self) -> None:
        """Finish what waits, then close the files."""
        if self._closed:
            return
        self._closed = True
        self._queue.put(None)
        self._writer.join()
        self._files.close()
        os.close(self._owner)

    # -- helpers ---------------------------------------------------------------------------------------------------

    def _arrow(self, sql: str, parameters: Sequence[Any] = ()) -> pa.Table:
        try:
            return self._files.cursor().execute(sql, list(parameters)).to_arrow_table()
        except duckdb.Error as error:
            raise StoreUnavailable(f"cannot read: {first_line(error)}") from error

    def _rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
        try:
            return self._files.cursor().execute(sql, list(parameters)).fetchall()
        except duckdb.Error as error:
            raise StoreUnavailable(f"cannot read: {first_line(error)}") from error

    def _check(self, signal: Signal, columns: Sequence[str]) -> None:
        unknown = [name for name in columns if name not in COLUMNS[signal]]
        if unknown:
            raise StoreError(f"{signal} have no column {unknown[0]!r}")


def _own(folder: Path) -> int:
    handle = os.open(folder / "owner.lock", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(handle)
        raise StoreUnavailable(f"{folder} is in use by another process of Gateway Triage; stop that one first") from error
    return handle


def _rows(batch: MaskedRecords) -> int:
    return len(batch.spans) + len(batch.logs) + len(batch.calls)


def _counted(owner: np.ndarray[Any, Any], fresh: np.ndarray[Any, Any], batches: int) -> list[tuple[int, int]]:
    new = np.bincount(owner[fresh], minlength=batches)
    old = np.bincount(owner[~fresh], minlength=batches)
    return list(zip(new.tolist(), old.tolist(), strict=True))


def _ledger(signal: Signal, table: pa.Table, minutes: np.ndarray[Any, Any]) -> pa.Table:
    """(hash, minute) of every ID of these records, each pair once."""
    parts: list[np.ndarray[Any, Any]] = []
    for name in _LEDGER[signal]:
        column = table.column(name)
        present = np.array([value != "" for value in column.to_pylist()], bool)
        if not present.any():
            continue
        if not present.all():
            column = column.filter(pa.array(present))
        parts.append(np.stack([text_keys(column), minutes[present].astype(np.uint64)]))
    if not parts:
        return pa.table({"hash": pa.array([], pa.uint64()), "minute": pa.array([], pa.int32())})
    hashes, at = np.concatenate(parts, axis=1)
    order = np.lexsort((at, hashes))
    hashes, at = hashes[order], at[order]
    first = np.ones(len(hashes), bool)
    first[1:] = (hashes[1:] != hashes[:-1]) | (at[1:] != at[:-1])
    return pa.table({"hash": hashes[first], "minute": at[first].astype(np.int64).astype(np.int32)})


def _days_of(window: Window, days: list[str]) -> list[str]:
    first, last = day_of(max(window.start_ns, 0)), day_of(max(min(window.end_ns - 1, 2**63 - 1), 0))
    return [day for day in days if first <= day <= last]


def _tie(signal: Signal, order: str = "ascending") -> list[tuple[str, str]]:
    return [("trace_id", order), ("span_id", order)] if signal == "spans" else [
        ("log_id" if signal == "logs" else "witness_id", order)]


def _tie_text(signal: Signal) -> str:
    return "trace_id || span_id" if signal == "spans" else ("log_id" if signal == "logs" else "witness_id")


def _unique(signal: Signal, table: pa.Table) -> pa.Table:
    """Without the second copy of a record that is both in its day and pinned."""
    if not len(table):
        return table
    keys = record_keys(signal, table)
    return table.take(np.sort(np.unique(keys, return_index=True)[1]))


def _subschema(signal: Signal, columns: Sequence[str]) -> pa.Schema:
    schema = arrow_schema(signal)
    return cast(pa.Schema, pa.schema([schema.field(name) for name in columns]))
