"""Shorthands of the RecordStore contract."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import pyarrow as pa

from triage.domain.columns import COLUMNS, Signal
from triage.domain.windows import Window
from triage.ports.masked import MaskedRecords
from triage.ports.records import Condition, Receipt, RecordStore

Reopen = Callable[[RecordStore], RecordStore]

ALWAYS: Final = Window(0, 2**63 - 1)


def keep(store: RecordStore, batch: MaskedRecords) -> None:
    """Append and make it findable."""
    store.append(batch)
    store.settle_reads()


def ids(rows: pa.Table) -> list[Any]:
    """The last identity column of every row, in order."""
    for name in ("witness_id", "log_id", "span_id"):
        if name in rows.column_names:
            return list(rows.column(name).to_pylist())
    raise AssertionError(rows.column_names)


def numbers(rows: pa.Table) -> list[int]:
    """The small numbers that the IDs of these rows were made from."""
    return [int(value[-16:], 16) for value in ids(rows)]


def scan(store: RecordStore, signal: Signal, *where: Condition) -> list[int]:
    """The numbers of all records that meet the conditions, sorted; search must agree with scan."""
    found = sorted(numbers(store.scan(signal, ALWAYS, list(COLUMNS[signal]), where)))
    assert sorted(numbers(store.search(signal, where, None, 100).rows)) == found
    return found


def minutes(receipts: Sequence[Receipt]) -> set[int]:
    """All minutes that these receipts name."""
    return {minute for receipt in receipts for minute in receipt.minutes}
