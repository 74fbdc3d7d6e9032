"""Which IDs of a record the ledger remembers, and as what: the same on every adapter. Span IDs are not among them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from triage.domain.columns import ALIAS_COLUMNS, SIGNALS, Signal
from triage.domain.windows import MINUTE_NS
from triage.store.keys import Keys, text_keys, text_lengths

Marks = npt.NDArray[np.int32]  # epoch minute and signal bits
Entries = tuple[Keys, Marks]

LEDGER_COLUMNS: Final[dict[Signal, tuple[str, ...]]] = {
    "spans": ("trace_id",), "logs": ("trace_id",), "calls": (*ALIAS_COLUMNS, "witness_id"),
}
BITS: Final[dict[Signal, int]] = {signal: 1 << place for place, signal in enumerate(SIGNALS)}
SIGNAL_BITS: Final = 3
_LINE_ID_LENGTH: Final = 16  # the witness ID of a span is found through its trace


def ledger_ids(signal: Signal, row: Mapping[str, Any]) -> Iterator[str]:
    """The IDs of one record that are remembered."""
    for name in LEDGER_COLUMNS[signal]:
        value = row[name]
        if value and (name != "witness_id" or len(value) == _LINE_ID_LENGTH):
            yield value


def id_hashes(table: pa.Table, columns: Iterable[str]) -> Iterator[tuple[Keys, npt.NDArray[np.bool_]]]:
    """The hashes of each of these columns of IDs, and the rows that have one."""
    for name in columns:
        column = table.column(name)
        lengths = text_lengths(column)
        present = lengths == _LINE_ID_LENGTH if name == "witness_id" else lengths > 0
        if present.any():
            yield text_keys(column if present.all() else column.filter(pa.array(present))), present


def entries_of(signal: Signal, table: pa.Table) -> Entries:
    """(hash, mark) of every ID of these records, each pair once."""
    minutes = (table.column("time_ns").to_numpy() // MINUTE_NS).astype(np.uint64)
    parts = [np.stack([hashes, minutes[present]]) for hashes, present in id_hashes(table, LEDGER_COLUMNS[signal])]
    if not parts:
        return np.zeros(0, np.uint64), np.zeros(0, np.int32)
    hashes, at = np.concatenate(parts, axis=1)
    order = np.lexsort((at, hashes))
    hashes, at = hashes[order], at[order]
    first = np.ones(len(hashes), bool)
    first[1:] = (hashes[1:] != hashes[:-1]) | (at[1:] != at[:-1])
    return hashes[first], (at[first].astype(np.int32) << SIGNAL_BITS) | BITS[signal]
