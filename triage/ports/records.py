"""RecordStore: keeps spans, logs and call witnesses, and answers for them.

Promises of every adapter (one contract suite, `tests/contracts/record_store_contract.py`, runs on each):

1. `append` MUST return only after the batch is durable: it survives kill -9, and is found by any of its IDs within 1 s.
2. Appending a record again MUST change nothing; it is counted as a duplicate. Identity is `ID_COLUMNS` (and the record's own
   time, which decides its day), never the time of arrival.
3. The same data MUST give the same answers on every adapter.
4. `drop_day` MUST remove a whole day of a signal and free its space; what is pinned outlives it. Its IDs MUST stay known
   (`last_seen`), but for span IDs, until `tend` forgets them.
5. What cannot be answered MUST raise (`StoreUnavailable`, `StoreError`), never be answered as empty.
6. Each durable append MUST leave a receipt with the minutes it touched, before `append` returns. A receipt stays until
   `settle`; the reader consumes receipts idempotently.
7. The stored format carries a version; a newer one MUST be refused with `StoreFormatError`.
8. Returned tables belong to the caller.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol

import pyarrow as pa

from triage.domain.columns import Signal
from triage.domain.windows import Window
from triage.ports.masked import MaskedRecords

Operator = Literal["=", "in", ">=", "<=", "prefix", "contains"]


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition on a column, or on an attribute where `column` is `attributes.<name>` (`=` and `prefix` only).

    `contains` looks for text without regard to case. `in` takes a tuple.
    """

    column: str
    operator: Operator
    value: str | int | bool | tuple[str, ...] | tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Appended:
    """What became of a batch: records kept and duplicates, by signal."""

    kept: dict[Signal, int]
    duplicate: dict[Signal, int]


@dataclass(frozen=True, slots=True)
class Receipt:
    """The trace of one durable append: the epoch minutes (UTC) of the records that were new in it."""

    receipt_id: str
    at_ns: int  # wall clock of the append
    minutes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """One ID that is known: what kind of ID it is, and where it leads."""

    kind: str  # matched.kind of the interface, or 'witness_id'
    value: str
    trace_id: str  # may be empty
    witness_id: str  # of the call witness that carries it; empty when only spans or logs do
    time_ns: int


@dataclass(frozen=True, slots=True)
class RecordPage:
    """Rows newest first, and the cursor of the next page (None: no more)."""

    rows: pa.Table
    next: str | None


@dataclass(frozen=True, slots=True)
class Counts:
    """What is held: records by signal, and the bounds of event time (None when empty)."""

    kept: dict[Signal, int]
    oldest_ns: int | None
    newest_ns: int | None
    days: dict[Signal, list[str]] = field(default_factory=dict)


PRESENCE_SCHEMA: Final = pa.schema([
    ("minute", pa.int64()),  # epoch minutes, UTC
    ("service", pa.string()),
    ("version", pa.string()),
    ("records", pa.int64()),  # spans and logs
])
PRESENT: Final[tuple[Signal, ...]] = ("spans", "logs")
"""The signals whose records tell who was there."""

RollupKind = Literal["calls", "errors", "use", "customers"]
"""Rows by minute (customers: by hour) that outlive the records; schemas in `triage.ports.rollups`."""
ROLLUP_KINDS: Final[tuple[RollupKind, ...]] = ("calls", "errors", "use", "customers")


class RecordStore(Protocol):
    """See the module's promises."""

    def append(self, batch: MaskedRecords) -> Appended:
        """Keep a batch durably. Raises StoreUnavailable when it cannot; then nothing was acknowledged."""
        ...

    def submit(self, batch: MaskedRecords) -> Future[Appended]:
        """The same without waiting: the future gives what `append` returns, or raises what it raises."""
        ...

    def receipts(self, limit: int = 1000) -> list[Receipt]:
        """Receipts that are not settled yet, oldest first."""
        ...

    def settle(self, receipt_ids: Collection[str]) -> None:
        """Forget receipts whose minutes were analysed. Unknown IDs are ignored."""
        ...

    def scan(
        self, signal: Signal, window: Window, columns: Sequence[str], where: Sequence[Condition] = (),
    ) -> pa.Table:
        """All records of a window that meet every condition, in order of time, with the columns asked for."""
        ...

    def presence(self, window: Window) -> pa.Table:
        """Who sent spans or logs in a window: rows of `PRESENCE_SCHEMA` in no order, one for every minute, service and version."""
        ...

    def by_trace(self, signal: Signal, trace_ids: Collection[str]) -> pa.Table:
        """All records of these traces, all columns, in order of time. No time range needed. Unknown IDs: no rows."""
        ...

    def witnesses(self, witness_ids: Collection[str]) -> pa.Table:
        """Call witnesses by their IDs, all columns."""
        ...

    def find(self, *values: str, limit: int = 50) -> list[Found]:
        """Whatever carries exactly one of these IDs (already brought to their kept spelling), newest first, at most `limit` each."""
        ...

    def last_seen(self, *values: str) -> dict[str, str]:
        """The last day (YYYY-MM-DD) of the dropped records that carried each ID; asked of IDs that `find` does not know any more."""
        ...

    def pending(self, *values: str) -> set[str]:
        """Which of these IDs belong to records that were accepted and cannot be found yet."""
        ...

    def tend(self, now_ns: int, *, ledger_days: int) -> None:
        """Housekeeping in a bounded step: IDs last seen before so many days are forgotten, for good."""
        ...

    def search(
        self, signal: Signal, where: Sequence[Condition], window: Window | None, limit: int, cursor: str | None = None,
    ) -> RecordPage:
        """A page of records that meet every condition, newest first, in a stable order."""
        ...

    def replace_rollups(self, kind: RollupKind, minutes: Collection[int], rows: pa.Table) -> None:
        """Replace all roll-up rows of these epoch minutes by `rows`, as one change."""
        ...

    def rollups(self, kind: RollupKind, window: Window, where: Sequence[Condition] = ()) -> pa.Table:
        """Roll-up rows of a window, in order of the minute."""
        ...

    def drop_rollups(self, before_minute: int) -> int:
        """Remove the roll-up rows of every kind of the minutes before one. Returns the number of rows removed."""
        ...

    def give_back(self) -> int:
        """Give the space of what was dropped back to the disk, where dropping alone does not. Returns the number of bytes."""
        ...

    def disk_bytes(self) -> int:
        """Bytes that the records and roll-ups take on disk (0 where there is none)."""
        ...

    def pin(self, trace_ids: Collection[str], witness_ids: Collection[str] = ()) -> None:
        """Keep these traces (spans, logs, witnesses), and these call witnesses, beyond retention. Idempotent."""
        ...

    def drop_day(self, signal: Signal, day: str) -> int:
        """Remove a day (YYYY-MM-DD) of a signal, but for pinned traces. Returns the number of records removed."""
        ...

    def counts(self) -> Counts:
        """What is held now."""
        ...

    def ping(self) -> None:
        """Return if the store can answer and write; raise StoreUnavailable with the reason if not."""
        ...

    def settle_reads(self) -> None:
        """Return when everything acknowledged can be found (Elasticsearch: a refresh). For tests and for the analysis."""
        ...

    def close(self) -> None:
        """Finish what was accepted and free the files or connections."""
        ...
