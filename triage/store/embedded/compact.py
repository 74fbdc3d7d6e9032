"""Giving space back: DuckDB keeps the blocks of deleted rows in the file, so a day of which one signal was dropped is copied into
a new file that takes its place. The copy is made beside the writer; only the exchange waits for it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import duckdb

from triage.errors import StoreUnavailable
from triage.store.embedded.days import DuckFiles, first_line
from triage.store.embedded.writes import DuckWriter

_COPY: Final = "compacting"


def compacted(files: DuckFiles, writer: DuckWriter, day: str) -> int:
    """Compact a day's file if a signal of it was dropped; the bytes that were given back. Raises StoreUnavailable."""
    if not _marker(files, day).exists():
        return 0
    database, file = files.databases([day])[0], files.folder / f"day-{day}.duckdb"
    try:
        before = file.stat().st_size
        new = files.folder / f"compact-{day}.new"
        seen = _copied(files, database, new)
        with writer.exclusive:
            if seen != _rows(files, database):  # something came while the copy was made
                _copied(files, database, new)
            files.replace_day(day, new)
            _marker(files, day).unlink()
    except duckdb.Error as error:
        raise StoreUnavailable(f"cannot compact {file.name}: {first_line(error)}") from error
    return before - file.stat().st_size


def _copied(files: DuckFiles, database: str, new: Path) -> list[tuple[str, int]]:
    """Copy all tables; the number of rows of each when the copy began."""
    cursor = files.cursor()
    for old in files.folder.glob(f"{new.name}*"):
        old.unlink()
    cursor.execute(f"ATTACH '{str(new).replace(chr(39), chr(39) * 2)}' AS {_COPY}")
    try:
        seen = _rows(files, database)
        cursor.execute(f"COPY FROM DATABASE {database} TO {_COPY}")
    finally:
        cursor.execute(f"DETACH {_COPY}")
    return seen


def _rows(files: DuckFiles, database: str) -> list[tuple[str, int]]:
    cursor = files.cursor()
    tables = [row[0] for row in cursor.execute(
        "SELECT table_name FROM duckdb_tables() WHERE database_name = ? ORDER BY table_name", [database]).fetchall()]
    return [(table, cursor.execute(f"SELECT count(*) FROM {database}.{table}").fetchall()[0][0]) for table in tables]


def mark(files: DuckFiles, day: str) -> None:
    """Note that a signal of a day was dropped while others stay. The note goes with the day's file."""
    _marker(files, day).touch()


def _marker(files: DuckFiles, day: str) -> Path:
    return files.folder / f"day-{day}.duckdb.dropped"
