"""Batches of raw records, as a collector decodes them: columns of Python lists, not yet masked.

In: nothing. Out: `Records`, which only `triage.mask` may turn into `MaskedRecords`; the stores accept nothing else.
In `Records` the JSON columns (`attributes`, `resource`, `events`) hold Python objects, since masking looks into them.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from triage.domain.columns import COLUMNS, Signal

Columns = dict[str, list[Any]]


def empty_columns(signal: Signal) -> Columns:
    """Fresh, empty lists for every column of a signal."""
    return {name: [] for name in COLUMNS[signal]}


@dataclass(frozen=True, slots=True)
class Rejection:
    """One record that was refused beside good ones. `line` counts from 1, 0 where there are no lines."""

    line: int
    reason: str
    ids: tuple[str, ...] = ()  # that it may be asked for by


@dataclass(slots=True)
class Records:
    """One decoded request or piece of a file. Every list of a signal has the same length."""

    spans: Columns = field(default_factory=lambda: empty_columns("spans"))
    logs: Columns = field(default_factory=lambda: empty_columns("logs"))
    calls: Columns = field(default_factory=lambda: empty_columns("calls"))
    rejected: list[Rejection] = field(default_factory=list)
    rejected_by: Counter[str] = field(default_factory=Counter)  # signal of the rejected records
    cut: int = 0  # attributes that were shortened or left out because of the limits

    def reject(self, signal: Signal, reason: str, line: int = 0, ids: tuple[str, ...] = ()) -> None:
        """Count one refused record, with a reason that its sender can act on."""
        self.rejected.append(Rejection(line, reason, ids))
        self.rejected_by[signal] += 1

    def size(self, signal: Signal) -> int:
        """Number of records of a signal."""
        columns: Columns = getattr(self, signal)
        return len(columns["time_ns"])
