"""The embedded RecordStore: DuckDB files in one process, no server. Reading and writing are two parts; this joins them."""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from triage.domain.columns import SIGNALS, Signal
from triage.domain.windows import Window
from triage.errors import StoreUnavailable
from triage.ports.masked import MaskedRecords, arrow_schema
from triage.ports.records import ROLLUP_KINDS, Appended, Condition, Counts, Found, Receipt, RecordPage, RollupKind
from triage.ports.rollups import SCHEMAS
from triage.store.embedded.compact import compacted, mark
from triage.store.embedded.days import PINNED, DuckFiles, is_pinned
from triage.store.embedded.ledger import LedgerKeeper
from triage.store.embedded.lookup import DuckLookup
from triage.store.embedded.reads import DuckReader
from triage.store.embedded.span_index import SpanIndex
from triage.store.embedded.writes import DuckWriter, insert
from triage.store.keys import record_keys
from triage.store.ledger import Ledger
from triage.store.ledger_ids import Entries


class EmbeddedRecordStore:
    """See `triage.ports.records`. One process owns the folder; a second one is refused.

    Nothing is appended while less than `reserve_mib` of the disk are free.
    """

    def __init__(self, folder: Path, *, memory_mib: int = 256, threads: int = 1, reserve_mib: int = 256) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._owner = _own(folder)
        try:
            ledger, spans = Ledger(folder / "records"), SpanIndex(folder / "records")
            self._files = DuckFiles(folder / "records", memory_mib=memory_mib, threads=threads, reserve_mib=reserve_mib)
        except BaseException:
            os.close(self._owner)
            raise
        self._reader = DuckReader(self._files)
        self._lookup = DuckLookup(self._files, self._reader, ledger, spans)
        self._writer = DuckWriter(self._files, self._files.folder, ledger, spans)
        self._keeper = LedgerKeeper(self._files, self._reader, self._writer, ledger, spans)
        self._ledger, self._spans = ledger, spans
        self._keeper.load()
        self._upkeep = threading.Lock()  # one of: dropping, compacting, backing up
        self._closed = False

    def append(self, batch: MaskedRecords) -> Appended:
        """Queue the batch for the next group commit and wait for it."""
        return self.submit(batch).result()

    def submit(self, batch: MaskedRecords) -> Future[Appended]:
        """Queue the batch for the next group commit."""
        self._refuse_closed()
        return self._writer.group.submit(batch)

    def receipts(self, limit: int = 1000) -> list[Receipt]:
        """See the port."""
        self._refuse_closed()
        return self._reader.receipts(limit)

    def settle(self, receipt_ids: Collection[str]) -> None:
        """See the port."""
        for database in self._files.databases()[:-1] if receipt_ids else []:
            self._writer.change(partial(_execute, f"DELETE FROM {database}.receipts WHERE receipt_id IN (SELECT unnest(?))",
                                        [list(receipt_ids)]))

    def scan(
        self, signal: Signal, window: Window, columns: Sequence[str], where: Sequence[Condition] = (),
    ) -> pa.Table:
        """See the port."""
        self._refuse_closed()
        return self._reader.scan(signal, window, columns, where)

    def presence(self, window: Window) -> pa.Table:
        """See the port."""
        self._refuse_closed()
        return self._reader.presence(window)

    def by_trace(self, signal: Signal, trace_ids: Collection[str]) -> pa.Table:
        """See the port."""
        self._refuse_closed()
        wanted = sorted({trace_id for trace_id in trace_ids if trace_id})
        return self._lookup.by_ids(signal, "trace_id", wanted, wanted)

    def witnesses(self, witness_ids: Collection[str]) -> pa.Table:
        """Span witnesses are found through their trace, lines by their own ID."""
        self._refuse_closed()
        wanted = sorted({witness_id for witness_id in witness_ids if witness_id})
        return self._lookup.by_ids("calls", "witness_id", wanted, [*wanted, *(w[:32] for w in wanted if len(w) > 32)])

    def find(self, *values: str, limit: int = 50) -> list[Found]:
        """See the port."""
        self._refuse_closed()
        return self._lookup.find(values, limit)

    def last_seen(self, *values: str) -> dict[str, str]:
        """See the port."""
        self._refuse_closed()
        return self._lookup.last_seen(values)

    def pending(self, *values: str) -> set[str]:
        """Every commit is visible at once."""
        self._refuse_closed()
        return set()

    def tend(self, now_ns: int, *, ledger_days: int) -> None:
        """Seal the ledger; see `LedgerKeeper`."""
        self._refuse_closed()
        with self._upkeep:
            self._keeper.tend(now_ns, ledger_days)

    def search(
        self, signal: Signal, where: Sequence[Condition], window: Window | None, limit: int, cursor: str | None = None,
    ) -> RecordPage:
        """See the port."""
        self._refuse_closed()
        return self._reader.search(signal, where, window, limit, cursor)

    def replace_rollups(self, kind: RollupKind, minutes: Collection[int], rows: pa.Table) -> None:
        """Delete and insert in one transaction."""
        def work(cursor: duckdb.DuckDBPyConnection) -> None:
            cursor.execute(f"DELETE FROM rollups.{kind} WHERE minute IN (SELECT unnest(?))", [list(minutes)])
            cursor.register("incoming_rollups", rows.cast(SCHEMAS[kind]))
            cursor.execute(f"INSERT INTO rollups.{kind} SELECT * FROM incoming_rollups")

        self._writer.change(work)

    def rollups(self, kind: RollupKind, window: Window, where: Sequence[Condition] = ()) -> pa.Table:
        """See the port."""
        self._refuse_closed()
        return self._reader.rollups(kind, window, where)

    def drop_rollups(self, before_minute: int) -> int:
        """Delete them; their blocks in the file are used again."""
        def work(cursor: duckdb.DuckDBPyConnection) -> int:
            deleted = [cursor.execute(f"DELETE FROM rollups.{kind} WHERE minute < ?", [before_minute]).fetchall() for kind in ROLLUP_KINDS]
            return sum(int(rows[0][0]) for rows in deleted)

        self._refuse_closed()
        return int(self._writer.change(work))

    def give_back(self) -> int:
        """Write anew the files in which much is free."""
        self._refuse_closed()
        with self._upkeep:
            return sum(compacted(self._files, self._writer, day) for day in self._files.days())

    def copy_to(self, target: Path, copy: Callable[[DuckFiles, Path, AbstractContextManager[Any]], None]) -> None:
        """Copy all files into a new folder while nothing is dropped, compacted or sealed; appends go on."""
        self._refuse_closed()
        with self._upkeep:
            copy(self._files, target, self._writer.exclusive)

    def disk_bytes(self) -> int:
        """All files of the folder."""
        self._refuse_closed()
        return self._files.disk_bytes() + self._ledger.disk_bytes() + self._spans.disk_bytes()

    def pin(self, trace_ids: Collection[str], witness_ids: Collection[str] = ()) -> None:
        """Note them; their records move to the file that outlives the days when their day is dropped."""
        for table, column, ids in (("pins", "trace_id", trace_ids), ("pinned_witnesses", "witness_id", witness_ids)):
            if wanted := sorted(set(ids) - {""}):
                self._writer.change(partial(_execute, (
                    f"INSERT INTO {PINNED}.{table} SELECT t FROM (SELECT unnest(?) AS t)"
                    f" WHERE t NOT IN (SELECT {column} FROM {PINNED}.{table})"), [wanted]))

    def drop_day(self, signal: Signal, day: str) -> int:
        """Move what is pinned, drop the rest; the file goes when its last signal does."""
        with self._upkeep:
            return self._drop_day(signal, day)

    def _drop_day(self, signal: Signal, day: str) -> int:
        if day not in self._files.days():
            return 0
        database = self._files.databases([day])[0]
        sql = f"SELECT * EXCLUDE (key) FROM {database}.{signal} WHERE {is_pinned(signal)}"
        pinned = self._reader.arrow(sql).cast(arrow_schema(signal))
        total = int(self._reader.rows(f"SELECT count(*) FROM {database}.{signal}")[0][0])
        if len(pinned):
            self._ledger.add(PINNED, [self._writer.change(lambda cursor: _move(cursor, signal, pinned))])
        self._writer.change(lambda cursor: cursor.execute(f"DELETE FROM {database}.{signal}"))
        self._writer.forget(day)
        self._spans.stale(day)
        left = sum(int(self._reader.rows(f"SELECT count(*) FROM {database}.{other}")[0][0]) for other in SIGNALS)
        if left == 0:
            self._keeper.seal(day)
        with self._writer.exclusive:
            if left == 0:
                self._files.remove_day(day)
            else:
                mark(self._files, day)
        return total - len(pinned)

    def counts(self) -> Counts:
        """See the port."""
        self._refuse_closed()
        return self._reader.counts()

    def ping(self) -> None:
        """Answer, and see that the writer lives and has room."""
        self._refuse_closed()
        self._files.check_room()
        if not self._writer.group.alive():
            raise StoreUnavailable("the store's writer has ended; restart the service")
        self._reader.rows("SELECT 1")

    def settle_reads(self) -> None:
        """Every commit is visible at once."""

    def close(self) -> None:
        """Finish what waits, then close the files."""
        if self._closed:
            return
        self._closed = True
        self._writer.close()
        self._files.close()
        os.close(self._owner)

    def _refuse_closed(self) -> None:
        if self._closed:
            raise StoreUnavailable("the store is closed")


def _execute(sql: str, parameters: list[Any], cursor: duckdb.DuckDBPyConnection) -> None:
    cursor.execute(sql, parameters)


def _move(cursor: duckdb.DuckDBPyConnection, signal: Signal, rows: pa.Table) -> Entries:
    """Into the pinned file. A crash before the day is emptied leaves both copies; the move is then done again, without doubling."""
    keys = record_keys(signal, rows)
    cursor.register("moving_keys", pa.table({"key": keys}))
    cursor.execute(f"DELETE FROM {PINNED}.{signal} WHERE key IN (SELECT key FROM moving_keys)")
    return insert(cursor, PINNED, signal, rows, keys)


def _own(folder: Path) -> int:
    handle = os.open(folder / "owner.lock", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(handle)
        raise StoreUnavailable(f"{folder} is in use by another process of Gateway Triage; stop that one first") from error
    return handle
