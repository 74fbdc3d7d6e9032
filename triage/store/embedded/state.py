"""The embedded StateStore: documents in one SQLite file (WAL), compare-and-set by a version column."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

import orjson

from triage.errors import Conflict, StoreError, StoreFormatError, StoreUnavailable
from triage.ports.state import Body, Document, DocumentPage

FORMAT: Final = 1
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS documents (
  kind TEXT NOT NULL, doc_id TEXT NOT NULL, version INTEGER NOT NULL, sort INTEGER NOT NULL, tags TEXT NOT NULL,
  body BLOB NOT NULL, PRIMARY KEY (kind, doc_id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tags (
  kind TEXT NOT NULL, tag TEXT NOT NULL, sort INTEGER NOT NULL, doc_id TEXT NOT NULL,
  PRIMARY KEY (kind, tag, sort, doc_id)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS documents_sort ON documents (kind, sort DESC, doc_id);
"""


class EmbeddedStateStore:
    """See `triage.ports.state`."""

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._file = file
        self._local = threading.local()
        self._lock = threading.Lock()
        self._connections: list[sqlite3.Connection] = []
        with self._transaction() as connection:
            found = connection.execute("PRAGMA user_version").fetchone()[0]
            if found > FORMAT:
                raise StoreFormatError(
                    f"{file.name} has format {found}; this version reads up to {FORMAT}. Start the newer version again."
                )
            for statement in _SCHEMA.split(";"):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {FORMAT}")

    def get(self, kind: str, doc_id: str) -> Document | None:
        """Read by primary key."""
        row = self._read("SELECT version, sort, tags, body FROM documents WHERE kind = ? AND doc_id = ?", (kind, doc_id))
        return _document(kind, doc_id, *row[0]) if row else None

    def put(
        self, kind: str, doc_id: str, body: Body, *, version: int | None, sort: int = 0, tags: Sequence[str] = (),
    ) -> Document:
        """Compare, then write document and tags in one transaction."""
        data = orjson.dumps(body)
        unique = tuple(dict.fromkeys(tags))
        with self._transaction() as connection:
            found = _expect(connection, kind, doc_id, version)
            new = (found or 0) + 1
            connection.execute(
                "INSERT INTO documents VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (kind, doc_id) DO UPDATE SET"
                " version = excluded.version, sort = excluded.sort, tags = excluded.tags, body = excluded.body",
                (kind, doc_id, new, sort, "\n".join(unique), data),
            )
            connection.executemany(
                "INSERT INTO tags VALUES (?, ?, ?, ?)", [(kind, tag, sort, doc_id) for tag in unique]
            )
        return Document(kind, doc_id, new, orjson.loads(data), sort, unique)

    def delete(self, kind: str, doc_id: str, *, version: int) -> None:
        """Compare, then delete."""
        with self._transaction() as connection:
            _expect(connection, kind, doc_id, version)
            connection.execute("DELETE FROM documents WHERE kind = ? AND doc_id = ?", (kind, doc_id))

    def select(
        self, kind: str, where: Sequence[Sequence[str]] = (), *, limit: int = 100, cursor: str | None = None,
    ) -> DocumentPage:
        """Largest sort first; the cursor is the last row's sort and ID."""
        condition, parameters = _conditions(kind, where)
        if cursor is not None:
            sort, _, doc_id = cursor.partition(":")
            if not sort.lstrip("-").isdigit():
                raise StoreError("the cursor is malformed; ask for the first page again")
            condition += " AND (sort < ? OR (sort = ? AND doc_id > ?))"
            parameters += [int(sort), int(sort), doc_id]
        rows = self._read(
            f"SELECT doc_id, version, sort, tags, body FROM documents WHERE {condition}"
            " ORDER BY sort DESC, doc_id LIMIT ?", [*parameters, limit + 1],
        )
        items = [_document(kind, *row) for row in rows[:limit]]
        more = len(rows) > limit and items
        return DocumentPage(items, f"{items[-1].sort}:{items[-1].doc_id}" if more else None)

    def count(self, kind: str, where: Sequence[Sequence[str]] = ()) -> int:
        """Count the rows that `select` would give."""
        condition, parameters = _conditions(kind, where)
        return int(self._read(f"SELECT count(*) FROM documents WHERE {condition}", parameters)[0][0])

    def purge(self, kind: str, before: int) -> int:
        """Delete documents and tags in one transaction."""
        old = "kind = ? AND sort > 0 AND sort < ?"
        with self._transaction() as connection:
            connection.execute(f"DELETE FROM tags WHERE {old}", (kind, before))
            return connection.execute(f"DELETE FROM documents WHERE {old}", (kind, before)).rowcount

    def settle_reads(self) -> None:
        """Every commit is visible at once."""

    def copy_to(self, target: Path) -> None:
        """Copy the file as it is at one moment (SQLite's backup API); writers go on."""
        try:
            with closing(sqlite3.connect(target)) as copy:
                self._connection().backup(copy)
        except sqlite3.Error as error:
            raise StoreUnavailable(f"the backup of {self._file.name} failed: {error}") from error

    def ping(self) -> None:
        """Read something."""
        self._read("SELECT 1", ())

    def close(self) -> None:
        """Close every thread's connection."""
        with self._lock:
            for connection in self._connections:
                connection.close()
            self._connections.clear()
            self._local = threading.local()

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = sqlite3.connect(self._file, isolation_level=None, timeout=30, check_same_thread=False)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            self._local.connection = connection
            with self._lock:
                self._connections.append(connection)
        return connection

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        try:
            connection = self._connection()
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            raise StoreUnavailable(f"cannot write {self._file.name}: {error}") from error
        try:
            yield connection
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            _roll_back(connection)
            raise StoreUnavailable(f"cannot write {self._file.name}: {error}") from error
        except BaseException:
            _roll_back(connection)
            raise

    def _read(self, sql: str, parameters: Sequence[Any]) -> list[Any]:
        try:
            return self._connection().execute(sql, parameters).fetchall()
        except sqlite3.Error as error:
            raise StoreUnavailable(f"cannot read {self._file.name}: {error}") from error


def _roll_back(connection: sqlite3.Connection) -> None:
    if connection.in_transaction:  # SQLite has done it already where the disk was full
        connection.execute("ROLLBACK")


def _expect(connection: sqlite3.Connection, kind: str, doc_id: str, version: int | None) -> int | None:
    """Raise Conflict unless the document is at the version; forget its tags, which its next version brings anew."""
    row = connection.execute(
        "SELECT version, sort, tags FROM documents WHERE kind = ? AND doc_id = ?", (kind, doc_id)
    ).fetchone()
    found: int | None = row[0] if row else None
    if found != version:
        raise Conflict(kind, doc_id, version, found)
    if row and row[2]:
        connection.executemany(
            "DELETE FROM tags WHERE kind = ? AND tag = ? AND sort = ? AND doc_id = ?",
            [(kind, tag, row[1], doc_id) for tag in row[2].split("\n")],
        )
    return found


def _conditions(kind: str, where: Sequence[Sequence[str]]) -> tuple[str, list[Any]]:
    text, parameters = "kind = ?", [kind]
    for any_of in where:
        marks = ", ".join("?" * len(any_of)) or "NULL"
        text += f" AND doc_id IN (SELECT doc_id FROM tags WHERE kind = ? AND tag IN ({marks}))"
        parameters += [kind, *any_of]
    return text, parameters


def _document(kind: str, doc_id: str, version: int, sort: int, tags: str, body: bytes) -> Document:
    return Document(kind, doc_id, version, orjson.loads(body), sort, tuple(tags.split("\n")) if tags else ())
