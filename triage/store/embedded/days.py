"""The DuckDB files of the embedded store: one a UTC day, and two that outlive the days (pinned traces, roll-ups).

A file holds the three signals of its day, the ledger of their IDs and the receipts of what was appended to it, so that one
transaction (DuckDB writes to one file a transaction) makes a batch and its receipt durable together.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import duckdb

from triage.domain.columns import SIGNALS, Signal
from triage.errors import StoreFormatError, StoreUnavailable
from triage.ports.rollups import SCHEMAS
from triage.store.embedded.sql import arrow_ddl, signal_ddl

FORMAT: Final = 2
PINNED: Final = "pinned"
_READERS_S: Final = 60  # the longest that a read may take
_DAY_TABLES: Final = [
    *(f"CREATE TABLE IF NOT EXISTS {{db}}.{signal} ({signal_ddl(signal)})" for signal in SIGNALS),
    "CREATE TABLE IF NOT EXISTS {db}.ids (hash UBIGINT, mark INTEGER)",  # mark: epoch minute * 8 + signal bits
    "CREATE TABLE IF NOT EXISTS {db}.receipts (receipt_id VARCHAR, at_ns BIGINT, minutes BIGINT[])",
]
_PINNED_TABLES: Final = [
    *_DAY_TABLES, "CREATE TABLE IF NOT EXISTS {db}.pins (trace_id VARCHAR)",
    "CREATE TABLE IF NOT EXISTS {db}.pinned_witnesses (witness_id VARCHAR)",
]
_ROLLUP_TABLES: Final = [
    f"CREATE TABLE IF NOT EXISTS {{db}}.{kind} ({arrow_ddl(schema)})" for kind, schema in SCHEMAS.items()
]


def is_pinned(signal: Signal) -> str:
    """The SQL condition that a row of a signal's table outlives its day."""
    of_trace = f"trace_id IN (SELECT trace_id FROM {PINNED}.pins)"
    of_witness = f" OR witness_id IN (SELECT witness_id FROM {PINNED}.pinned_witnesses)"
    return f"({of_trace}{of_witness if signal == 'calls' else ''})"


class DuckFiles:
    """Opens, creates and removes the files. Every thread works on its own cursor of one shared DuckDB instance."""

    def __init__(self, folder: Path, *, memory_mib: int, threads: int, reserve_mib: int) -> None:
        self.folder, self._reserve = folder, reserve_mib << 20
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._root = duckdb.connect(config={
            "memory_limit": f"{memory_mib}MiB", "threads": threads, "temp_directory": str(folder / "tmp"),
            "autoinstall_known_extensions": "false", "autoload_known_extensions": "false",
        })
        # What no checkpoint has packed yet is held in memory too: 64 MiB took 27 MiB more at most, and no less time.
        self._root.execute("SET checkpoint_threshold = '32MiB'")
        self._lock = threading.Lock()
        self._cursors: dict[int, duckdb.DuckDBPyConnection] = {}
        self._days: set[str] = set()
        self._given_up: set[str] = set()  # database names
        for file in sorted(folder.glob("day-*.duckdb")):
            self._attach(file, _name_of_day(file.stem.removeprefix("day-")), _DAY_TABLES)
            self._days.add(file.stem.removeprefix("day-"))
        self._attach(folder / "pinned.duckdb", PINNED, _PINNED_TABLES)
        self._attach(folder / "rollups.duckdb", "rollups", _ROLLUP_TABLES)

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """This thread's cursor. A thread that takes over the number of an ended one takes over its cursor."""
        number = threading.get_ident()
        cursor = self._cursors.get(number)
        if cursor is None:
            cursor = self._cursors[number] = self._root.cursor()
        return cursor

    def days(self) -> list[str]:
        """The days that have a file, oldest first."""
        with self._lock:
            return sorted(self._days)

    def databases(self, days: Iterable[str] | None = None) -> list[str]:
        """Database names to read: the given days (all by default) and the pinned traces."""
        return [*(_name_of_day(day) for day in (self.days() if days is None else days)), "pinned"]

    def database(self, day: str) -> str:
        """The database name of a day that has a file, or of `PINNED`."""
        return day if day == PINNED else _name_of_day(day)

    def day(self, day: str) -> str:
        """The database name of a day; its file is made if it is not there."""
        with self._lock:
            if day not in self._days:
                self._attach(self.folder / f"day-{day}.duckdb", _name_of_day(day), _DAY_TABLES)
                self._days.add(day)
        return _name_of_day(day)

    def remove_day(self, day: str) -> None:
        """Detach a day's file and delete it."""
        with self._lock:
            self._days.discard(day)
            self.cursor().execute(f"DETACH {_name_of_day(day)}")
            for file in self.folder.glob(f"day-{day}.duckdb*"):
                file.unlink()

    def replace_day(self, day: str, file: Path) -> None:
        """Put another file in the place of a day's. Whoever reads the day waits (`settled`)."""
        own = self.folder / f"day-{day}.duckdb"
        with self._lock:
            self.cursor().execute(f"CHECKPOINT {_name_of_day(day)}")
            self.cursor().execute(f"DETACH {_name_of_day(day)}")
            file.replace(own)
            self._attach_when_free(own, _name_of_day(day), _DAY_TABLES)

    def check_room(self) -> None:
        """Raise StoreUnavailable while there is less room than the reserve, which checkpoints and the state go on using."""
        free = shutil.disk_usage(self.folder).free
        if free < self._reserve:
            raise StoreUnavailable(f"the disk of {self.folder} is full: {free >> 20} MiB are free and {self._reserve >> 20} MiB must be; "
                                   "make room", 15)

    def note(self, error: duckdb.Error) -> None:
        """Remember a file that DuckDB gives up: it does when a checkpoint finds no room."""
        found = re.search(r'database "(\w+)"', str(error), re.IGNORECASE)
        if found and "has been invalidated" in str(error):
            self._given_up.add(found[1])

    def mend(self) -> None:
        """Open anew what DuckDB has given up; what was committed stands in the file's log. Raises StoreUnavailable."""
        with self._lock:
            for name in sorted(self._given_up):
                with contextlib.suppress(duckdb.Error):  # it is not attached when the last try ended here
                    self.cursor().execute(f"DETACH {name}")
                file, tables = self._home_of(name)
                try:
                    self._attach_when_free(file, name, tables)
                except duckdb.Error as error:
                    raise StoreUnavailable(f"{file.name} cannot be opened again: {first_line(error)}") from error
                self._given_up.discard(name)

    def _home_of(self, name: str) -> tuple[Path, list[str]]:
        """File and tables of a database."""
        for day in self._days:
            if _name_of_day(day) == name:
                return self.folder / f"day-{day}.duckdb", _DAY_TABLES
        return self.folder / f"{name}.duckdb", _PINNED_TABLES if name == PINNED else _ROLLUP_TABLES

    def settled(self) -> None:
        """Return when no file is being replaced."""
        with self._lock:
            return

    def disk_bytes(self) -> int:
        """Bytes of all files."""
        return sum(file.stat().st_size for file in self.folder.glob("*.duckdb*"))

    def close(self) -> None:
        """Write everything back and close the files."""
        with self._lock:
            for cursor in self._cursors.values():
                cursor.close()
            self._cursors.clear()
        self._root.close()
        del self._root  # a connection that outlives the interpreter's modules is reported as a leak

    def _attach_when_free(self, file: Path, name: str, tables: list[str]) -> None:
        end = time.monotonic() + _READERS_S
        while True:
            try:
                return self._attach(file, name, tables)
            except (duckdb.BinderException, StoreUnavailable):
                if time.monotonic() > end:  # a reader that began before still holds the old file
                    raise
                time.sleep(0.02)

    def _attach(self, file: Path, name: str, tables: list[str]) -> None:
        cursor = self.cursor()
        try:
            cursor.execute(f"ATTACH '{str(file).replace(chr(39), chr(39) * 2)}' AS {name}")
        except duckdb.IOException as error:
            raise StoreUnavailable(f"{file.name} cannot be opened: {first_line(error)}") from error
        try:
            self._prepare(cursor, file, name, tables)
        except BaseException:
            with contextlib.suppress(duckdb.Error):
                cursor.execute(f"DETACH {name}")  # so that the next try finds it as it was
            raise

    def _prepare(self, cursor: duckdb.DuckDBPyConnection, file: Path, name: str, tables: list[str]) -> None:
        cursor.execute(f"CREATE TABLE IF NOT EXISTS {name}.format (version INTEGER)")
        found = cursor.execute(f"SELECT max(version) FROM {name}.format").fetchall()[0][0]
        if found is None:
            cursor.execute(f"INSERT INTO {name}.format VALUES ({FORMAT})")
        elif found > FORMAT:
            raise StoreFormatError(
                f"{file.name} has format {found}; this version reads up to {FORMAT}. Start the newer version again."
            )
        elif found < FORMAT:
            _upgrade(cursor, name)
        for table in tables:
            cursor.execute(table.format(db=name))
        if tables is not _ROLLUP_TABLES:  # files of before this column was kept
            cursor.execute(f"ALTER TABLE {name}.calls ADD COLUMN IF NOT EXISTS network VARCHAR DEFAULT ''")


def _upgrade(cursor: duckdb.DuckDBPyConnection, name: str) -> None:
    """From format 1: the ledger did not know which signals carry an ID, so all are assumed to."""
    cursor.begin()
    if cursor.execute("SELECT 1 FROM duckdb_tables() WHERE database_name = ? AND table_name = 'ids'", [name]).fetchall():
        cursor.execute(f"ALTER TABLE {name}.ids RENAME COLUMN minute TO mark")
        cursor.execute(f"UPDATE {name}.ids SET mark = mark * 8 + 7")
    cursor.execute(f"UPDATE {name}.format SET version = {FORMAT}")
    cursor.commit()


def _name_of_day(day: str) -> str:
    return "d" + day.replace("-", "")


def first_line(error: Any) -> str:
    """The first line of a driver's error: enough to act on, without its stack."""
    return str(error).splitlines()[0]
