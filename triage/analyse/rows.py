"""The two roll-ups as columns that masks can be laid over; shape (rows,) each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from triage.domain.calls import FAULT_OUTCOMES

Mask = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.int64]
Texts = npt.NDArray[Any]
Index = npt.NDArray[np.int64]
Counts = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ErrorRows:
    """The error roll-up. `family`: the group, or all groups of the same error code."""

    minute: Numbers
    count: Numbers
    group: Texts
    family: Texts
    partner: Texts
    api: Texts
    service: Texts
    outcome: Texts
    trace: Texts

    @classmethod
    def of(cls, table: pa.Table, families: Mapping[str, str]) -> ErrorRows:
        """From a table of `ERRORS_SCHEMA`."""
        group, partner, api, service, outcome, trace = (
            texts(table, name) for name in ("group_id", "partner", "api", "service", "outcome", "sample_trace"))
        family = np.array([families.get(each, each) for each in group], object)
        minute, count = table.column("minute").to_numpy(), table.column("count").to_numpy()
        return cls(minute, count, group, family, partner, api, service, outcome, trace)

    def faults(self) -> Mask:
        """Which rows are not the caller's doing."""
        return np.isin(self.outcome, list(FAULT_OUTCOMES))

    def between(self, first: int, last: int) -> Mask:
        """Which rows lie in these minutes, inclusive."""
        return np.asarray((self.minute >= first) & (self.minute <= last), bool)


@dataclass(frozen=True, slots=True)
class CallRows:
    """The call roll-up."""

    minute: Numbers
    calls: Numbers
    partner: Texts
    api: Texts

    @classmethod
    def of(cls, table: pa.Table) -> CallRows:
        """From a table of `CALLS_SCHEMA`."""
        minute, calls = table.column("minute").to_numpy(), table.column("calls").to_numpy()
        return cls(minute, calls, texts(table, "partner"), texts(table, "api"))

    def between(self, first: int, last: int) -> Mask:
        """Which rows lie in these minutes, inclusive."""
        return np.asarray((self.minute >= first) & (self.minute <= last), bool)


@dataclass(frozen=True, slots=True)
class Traffic:
    """Calls by the minute from `start` on: of everybody, shape (minutes,), and of each partner."""

    start: int
    total: Counts
    of_partner: Mapping[str, Counts]

    @classmethod
    def of(cls, table: pa.Table, start: int, end: int) -> Traffic:
        """From a table of `CALLS_SCHEMA`; minutes [start, end)."""
        size = end - start
        encoded = pc.dictionary_encode(table.column("partner").combine_chunks())
        names = encoded.dictionary.to_pylist()
        cells = encoded.indices.to_numpy().astype(np.int64) * size + (table.column("minute").to_numpy() - start)
        grid = np.bincount(cells, weights=table.column("calls").to_numpy(), minlength=len(names) * size).astype(float)
        by_name = dict(zip(names, grid.reshape(len(names), size), strict=True))
        return cls(start, grid.reshape(-1, size).sum(axis=0), by_name)

    def sum_of(self, partner: str, first: int, last: int) -> float:
        """A partner's calls in these minutes, inclusive."""
        mine = self.of_partner.get(partner)
        return 0.0 if mine is None else float(mine[max(first - self.start, 0) : last + 1 - self.start].sum())


def grouped(index: Index, *columns: Texts) -> dict[tuple[str, ...], Index]:
    """The rows of `index` by their values in some columns."""
    found: dict[tuple[str, ...], list[int]] = {}
    for row, *key in zip(index.tolist(), *(column[index].tolist() for column in columns), strict=True):
        found.setdefault(tuple(key), []).append(row)
    return {key: np.array(rows, np.int64) for key, rows in found.items()}


def texts(table: pa.Table, column: str) -> Texts:
    """A text column as an array of objects."""
    return np.array(table.column(column).to_pylist(), object)


def distinct(values: Texts) -> list[str]:
    """The different texts, sorted."""
    return sorted(set(values.tolist()))


def sums(names: Texts, weights: Numbers) -> dict[str, int]:
    """Name -> sum of its weights, largest first."""
    total: dict[str, int] = {}
    for name, weight in zip(names.tolist(), weights.tolist(), strict=True):
        total[name] = total.get(name, 0) + weight
    return dict(sorted(total.items(), key=lambda item: (-item[1], item[0])))
