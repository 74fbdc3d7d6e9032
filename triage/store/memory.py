"""The reference model: both stores as plain dicts, so simple that they are plainly right. For tests; nothing is durable.

The data live apart from the store (`MemoryRecords`, `MemoryDocuments`), so that a store can be closed and opened on them
again.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import uuid4

import orjson
import pyarrow as pa

from triage.domain.columns import COLUMNS, ID_COLUMNS, SIGNALS, Signal
from triage.domain.windows import DAY_NS, MINUTE_NS, Window, day_of
from triage.errors import BadInput, Conflict, StoreError, StoreFormatError, StoreUnavailable
from triage.ports.masked import MaskedRecords, arrow_schema
from triage.ports.records import (
    PRESENCE_SCHEMA,
    PRESENT,
    ROLLUP_KINDS,
    Appended,
    Condition,
    Counts,
    Found,
    Receipt,
    RecordPage,
    RollupKind,
)
from triage.ports.rollups import SCHEMAS
from triage.ports.state import Body, Document, DocumentPage
from triage.store.conditions import check, check_columns, matching, rollup_columns
from triage.store.cursors import decode_cursor, encode_cursor
from triage.store.ledger_ids import ledger_ids
from triage.store.lookup import carried, merged, newest_first

FORMAT: Final = 1

Row = Mapping[str, Any]
Key = tuple[str, str]  # day, identity


@dataclass(slots=True)
class MemoryRecords:
    """What a MemoryRecordStore holds."""

    format: int = FORMAT
    rows: dict[Signal, dict[Key, Row]] = field(default_factory=lambda: {signal: {} for signal in SIGNALS})
    receipts: dict[str, Receipt] = field(default_factory=dict)
    rollups: dict[RollupKind, dict[int, list[Row]]] = field(default_factory=lambda: {kind: {} for kind in ROLLUP_KINDS})
    pinned: set[str] = field(default_factory=set)  # traces
    pinned_witnesses: set[str] = field(default_factory=set)
    dropped: set[tuple[Signal, str]] = field(default_factory=set)  # days of which only pinned records are left
    ledger: dict[str, str] = field(default_factory=dict)  # ID -> the last day that it was seen on
    lock: threading.RLock = field(default_factory=threading.RLock)


class MemoryRecordStore:
    """See `triage.ports.records`."""

    def __init__(self, data: MemoryRecords | None = None) -> None:
        self._data = data or MemoryRecords()
        _refuse_newer(self._data.format)
        self._closed = False

    def submit(self, batch: MaskedRecords) -> Future[Appended]:
        """Append at once."""
        done: Future[Appended] = Future()
        try:
            done.set_result(self.append(batch))
        except StoreError as error:
            done.set_exception(error)
        return done

    def append(self, batch: MaskedRecords) -> Appended:
        """Keep the rows whose key is new, and leave a receipt for them."""
        self.ping()
        kept: dict[Signal, int] = dict.fromkeys(SIGNALS, 0)
        duplicate: dict[Signal, int] = dict.fromkeys(SIGNALS, 0)
        minutes: set[int] = set()
        with self._data.lock:
            for signal in SIGNALS:
                for row in batch.table(signal).to_pylist():
                    key = (day_of(row["time_ns"]), _identity(signal, row))
                    if key in self._data.rows[signal]:
                        duplicate[signal] += 1
                        continue
                    self._data.rows[signal][key] = row
                    self._data.dropped.discard((signal, key[0]))
                    kept[signal] += 1
                    minutes.add(row["time_ns"] // MINUTE_NS)
                    for value in ledger_ids(signal, row):
                        self._data.ledger[value] = max(key[0], self._data.ledger.get(value, ""))
            if minutes:
                receipt_id = uuid4().hex
                self._data.receipts[receipt_id] = Receipt(receipt_id, time.time_ns(), tuple(sorted(minutes)))
        return Appended(kept, duplicate)

    def receipts(self, limit: int = 1000) -> list[Receipt]:
        """In the order in which they were written."""
        self.ping()
        with self._data.lock:
            return list(self._data.receipts.values())[:limit]

    def settle(self, receipt_ids: Collection[str]) -> None:
        """Forget them."""
        self.ping()
        with self._data.lock:
            for receipt_id in receipt_ids:
                self._data.receipts.pop(receipt_id, None)

    def scan(
        self, signal: Signal, window: Window, columns: Sequence[str], where: Sequence[Condition] = (),
    ) -> pa.Table:
        """Filter everything."""
        check_columns(signal, columns)
        return self._select(signal, where, window).select(list(columns))

    def presence(self, window: Window) -> pa.Table:
        """Count everything."""
        found = Counter(
            (row["time_ns"] // MINUTE_NS, row["service"], row["version"])
            for signal in PRESENT for row in self._select(signal, (), window).to_pylist()
        )
        return pa.Table.from_pylist(
            [dict(zip(PRESENCE_SCHEMA.names, (*key, number), strict=True)) for key, number in found.items()], PRESENCE_SCHEMA)

    def by_trace(self, signal: Signal, trace_ids: Collection[str]) -> pa.Table:
        """Filter everything."""
        wanted = set(trace_ids) - {""}
        return _table(signal, [row for row in self._rows(signal) if row["trace_id"] in wanted])

    def witnesses(self, witness_ids: Collection[str]) -> pa.Table:
        """Filter everything."""
        wanted = set(witness_ids)
        return _table("calls", [row for row in self._rows("calls") if row["witness_id"] in wanted])

    def find(self, *values: str, limit: int = 50) -> list[Found]:
        """Look at every ID of every record."""
        rows = [(signal, row) for signal in SIGNALS for row in self._rows(signal)]
        return newest_first(
            found for value in dict.fromkeys(values) if value
            for found in merged((found for signal, row in rows for found in carried(signal, row, value)), limit)
        )

    def last_seen(self, *values: str) -> dict[str, str]:
        """Look into the ledger."""
        self.ping()
        with self._data.lock:
            return {value: self._data.ledger[value] for value in values if value in self._data.ledger}

    def pending(self, *values: str) -> set[str]:
        """Everything can be found at once."""
        self.ping()
        return set()

    def tend(self, now_ns: int, *, ledger_days: int) -> None:
        """Forget old IDs."""
        self.ping()
        oldest = day_of(max(0, now_ns - ledger_days * DAY_NS))
        with self._data.lock:
            self._data.ledger = {value: day for value, day in self._data.ledger.items() if day >= oldest}

    def search(
        self, signal: Signal, where: Sequence[Condition], window: Window | None, limit: int, cursor: str | None = None,
    ) -> RecordPage:
        """Turn everything round and cut out the page."""
        after = decode_cursor(cursor)
        rows = self._select(signal, where, window).to_pylist()[::-1]
        if after is not None:
            rows = [row for row in rows if (row["time_ns"], _identity(signal, row)) < after]
        page = pa.Table.from_pylist(rows[:limit], schema=arrow_schema(signal))
        return RecordPage(page, encode_cursor(signal, page) if len(rows) > limit else None)

    def replace_rollups(self, kind: RollupKind, minutes: Collection[int], rows: pa.Table) -> None:
        """Swap the lists of the minutes."""
        self.ping()
        with self._data.lock:
            for minute in minutes:
                self._data.rollups[kind].pop(minute, None)
            for row in rows.to_pylist():
                self._data.rollups[kind].setdefault(row["minute"], []).append(row)

    def rollups(self, kind: RollupKind, window: Window, where: Sequence[Condition] = ()) -> pa.Table:
        """Rows of the minutes that begin in the window."""
        self.ping()
        check(rollup_columns(kind), where)
        with self._data.lock:
            rows = [
                row for minute in sorted(self._data.rollups[kind])
                if window.start_ns <= minute * MINUTE_NS < window.end_ns for row in self._data.rollups[kind][minute]
            ]
        return matching(pa.Table.from_pylist(rows, schema=SCHEMAS[kind]), where)

    def drop_rollups(self, before_minute: int) -> int:
        """Forget the lists of these minutes."""
        self.ping()
        dropped = 0
        with self._data.lock:
            for rolled in self._data.rollups.values():
                for minute in [minute for minute in rolled if minute < before_minute]:
                    dropped += len(rolled.pop(minute))
        return dropped

    def give_back(self) -> int:
        """Nothing is on a disk."""
        return 0

    def disk_bytes(self) -> int:
        """Nothing is on a disk."""
        self.ping()
        return 0

    def pin(self, trace_ids: Collection[str], witness_ids: Collection[str] = ()) -> None:
        """Remember them."""
        self.ping()
        with self._data.lock:
            self._data.pinned |= set(trace_ids) - {""}
            self._data.pinned_witnesses |= set(witness_ids)

    def drop_day(self, signal: Signal, day: str) -> int:
        """Delete the day's rows that are not pinned."""
        self.ping()
        with self._data.lock:
            rows, traces, witnesses = self._data.rows[signal], self._data.pinned, self._data.pinned_witnesses
            gone = [key for key, row in rows.items()
                    if key[0] == day and row["trace_id"] not in traces and row.get("witness_id") not in witnesses]
            for key in gone:
                del rows[key]
            self._data.dropped.add((signal, day))
        return len(gone)

    def counts(self) -> Counts:
        """Count them."""
        self.ping()
        with self._data.lock:
            kept = {signal: len(self._data.rows[signal]) for signal in SIGNALS}
            times = [row["time_ns"] for rows in self._data.rows.values() for row in rows.values()]
            days = {
                signal: sorted({day for day, _ in self._data.rows[signal] if (signal, day) not in self._data.dropped})
                for signal in SIGNALS
            }
        return Counts(kept, min(times, default=None), max(times, default=None), days)

    def ping(self) -> None:
        """Refuse after close."""
        if self._closed:
            raise StoreUnavailable("the store is closed")

    def settle_reads(self) -> None:
        """Everything can be found at once."""

    def close(self) -> None:
        """Refuse from now on."""
        self._closed = True

    def _rows(self, signal: Signal) -> list[Row]:
        self.ping()
        with self._data.lock:
            return list(self._data.rows[signal].values())

    def _select(self, signal: Signal, where: Sequence[Condition], window: Window | None) -> pa.Table:
        check(COLUMNS[signal], where)
        rows = self._rows(signal)
        if window is not None:
            rows = [row for row in rows if window.start_ns <= row["time_ns"] < window.end_ns]
        return matching(_table(signal, rows), where)


@dataclass(slots=True)
class MemoryDocuments:
    """What a MemoryStateStore holds; bodies as JSON, so that nobody shares them."""

    format: int = FORMAT
    documents: dict[tuple[str, str], tuple[int, bytes, int, tuple[str, ...]]] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)


class MemoryStateStore:
    """See `triage.ports.state`."""

    def __init__(self, data: MemoryDocuments | None = None) -> None:
        self._data = data or MemoryDocuments()
        _refuse_newer(self._data.format)
        self._closed = False

    def get(self, kind: str, doc_id: str) -> Document | None:
        """Look it up."""
        self.ping()
        with self._data.lock:
            stored = self._data.documents.get((kind, doc_id))
        if stored is None:
            return None
        version, body, sort, tags = stored
        return Document(kind, doc_id, version, orjson.loads(body), sort, tags)

    def put(
        self, kind: str, doc_id: str, body: Body, *, version: int | None, sort: int = 0, tags: Sequence[str] = (),
    ) -> Document:
        """Compare and set under the lock."""
        self.ping()
        data, unique = orjson.dumps(dict(body)), tuple(dict.fromkeys(tags))
        with self._data.lock:
            new = (self._expect(kind, doc_id, version) or 0) + 1
            self._data.documents[(kind, doc_id)] = (new, data, sort, unique)
        return Document(kind, doc_id, new, orjson.loads(data), sort, unique)

    def delete(self, kind: str, doc_id: str, *, version: int) -> None:
        """Compare and delete under the lock."""
        self.ping()
        with self._data.lock:
            self._expect(kind, doc_id, version)
            del self._data.documents[(kind, doc_id)]

    def select(
        self, kind: str, where: Sequence[Sequence[str]] = (), *, limit: int = 100, cursor: str | None = None,
    ) -> DocumentPage:
        """Sort everything and cut out the page."""
        found = sorted(self._matching(kind, where), key=lambda document: (-document.sort, document.doc_id))
        if cursor is not None:
            after = _decode(cursor)
            found = [document for document in found if (-document.sort, document.doc_id) > after]
        more = len(found) > limit > 0
        return DocumentPage(found[:limit], f"{found[limit - 1].sort}:{found[limit - 1].doc_id}" if more else None)

    def count(self, kind: str, where: Sequence[Sequence[str]] = ()) -> int:
        """Count what `select` would give."""
        return sum(1 for _ in self._matching(kind, where))

    def purge(self, kind: str, before: int) -> int:
        """Delete them under the lock."""
        self.ping()
        with self._data.lock:
            old = [key for key, (_, _, sort, _) in self._data.documents.items() if key[0] == kind and 0 < sort < before]
            for key in old:
                del self._data.documents[key]
        return len(old)

    def settle_reads(self) -> None:
        """Everything can be selected at once."""

    def ping(self) -> None:
        """Refuse after close."""
        if self._closed:
            raise StoreUnavailable("the store is closed")

    def close(self) -> None:
        """Refuse from now on."""
        self._closed = True

    def _expect(self, kind: str, doc_id: str, version: int | None) -> int | None:
        stored = self._data.documents.get((kind, doc_id))
        found = stored[0] if stored else None
        if found != version:
            raise Conflict(kind, doc_id, version, found)
        return found

    def _matching(self, kind: str, where: Sequence[Sequence[str]]) -> Iterable[Document]:
        with self._data.lock:
            keys = [key for key in self._data.documents if key[0] == kind]
        for document in filter(None, (self.get(*key) for key in keys)):
            if all(set(any_of) & set(document.tags) for any_of in where):
                yield document


def _refuse_newer(found: int) -> None:
    if found > FORMAT:
        raise StoreFormatError(f"the data have format {found}; this version reads up to {FORMAT}")


def _identity(signal: Signal, row: Row) -> str:
    return "".join(row[name] for name in ID_COLUMNS[signal])


def _table(signal: Signal, rows: list[Row]) -> pa.Table:
    ordered = sorted(rows, key=lambda row: (row["time_ns"], _identity(signal, row)))
    return pa.Table.from_pylist(ordered, schema=arrow_schema(signal))


def _decode(cursor: str) -> tuple[int, str]:
    sort, colon, doc_id = cursor.partition(":")
    if not colon or not sort.removeprefix("-").isdecimal():
        raise BadInput("the cursor is damaged; ask for the first page again")
    return -int(sort), doc_id
