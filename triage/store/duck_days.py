"""The DuckDB files of the embedded store: one a UTC day, and two that outlive the days (pinned traces, roll-ups).

A file holds the three signals of its day, the ledger of their IDs and the receipts of what was appended to it, so that one
transaction (DuckDB writes to one file a transaction) makes a batch and its receipt durable together.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import duckdb

from triage.domain.columns import SIGNALS
from triage.errors import StoreFormatError, StoreUnavailable
from triage.ports.rollups import SCHEMAS
from triage.store.duck_sql import arrow_ddl, signal_ddl

FORMAT: Final = 1
PINNED: Final = "pinned"
_DAY_TABLES: Final = [
    *(f"CREATE TABLE IF NOT EXISTS {{db}}.{signal} ({signal_ddl(signal)})" for signal in SIGNALS),
    "CREATE TABLE IF NOT EXISTS {db}.ids (hash UBIGINT, minute INTEGER)",
    "CREATE TABLE IF NOT EXISTS {db}.receipts (receipt_id VARCHAR, at_ns BIGINT, minutes BIGINT[])",
]
_PINNED_TABLES: Final = [*_DAY_TABLES, "CREATE TABLE IF NOT EXISTS {db}.pins (trace_id VARCHAR)"]
_ROLLUP_TABLES: Final = [
    f"CREATE TABLE IF NOT EXISTS {{db}}.{kind} ({arrow_ddl(schema)})" for kind, schema in SCHEMAS.items()
]


class DuckFiles:
    """Opens, creates and removes the files. Every thread works on its own cursor of one shared DuckDB instance."""

    def __init__(self, folder: Path, *, memory_mib: int, threads: int) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._root = duckdb.connect(config={
            "memory_limit": f"{memory_mib}MiB", "threads": threads, "temp_directory": str(folder / "tmp"),
            "autoinstall_known_extensions": "false", "autoload_known_extensions": "false",
        })
        self._root.execute("SET checkpoint_threshold = '64MiB'")
        self._lock = threading.Lock()
        self._cursors: dict[int, duckdb.DuckDBPyConnection] = {}
        self._days: set[str] = set()
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

    def close(self) -> None:
        """Write everything back and close the files."""
        with self._lock:
            for cursor in self._cursors.values():
                cursor.close()
            self._cursors.clear()
        self._root.close()
        del self._root  # a connection that outlives the interpreter's modules is reported as a leak

    def _attach(self, file: Path, name: str, tables: list[str]) -> None:
        cursor = self.cursor()
        try:
            cursor.execute(f"ATTACH '{str(file).replace(chr(39), chr(39) * 2)}' AS {name}")
        except duckdb.IOException as error:
            raise StoreUnavailable(f"{file.name} cannot be opened: {first_line(error)}") from error
        cursor.execute(f"CREATE TABLE IF NOT EXISTS {name}.format (version INTEGER)")
        found = cursor.execute(f"SELECT max(version) FROM {name}.format").fetchall()[0][0]
        if found is None:
            cursor.execute(f"INSERT INTO {name}.format VALUES ({FORMAT})")
        elif found > FORMAT:
            raise StoreFormatError(
                f"{file.name} has format {found}; this version reads up to {FORMAT}. Start the newer version again."
            )
        for table in tables:
            cursor.execute(table.format(db=name))


def _name_of_day(day: str) -> str:
    return "d" + day.replace("-", "")


def first_line(error: Any) -> str:
    """The first line of a driver's error: enough to act on, without its stack."""
    return str(error).splitlines()[0]
