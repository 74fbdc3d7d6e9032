"""Call series by the minute: one (`SeriesWindow`) or many over the same minutes (`SeriesBatch`)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]
SeriesKind = Literal["api", "partner", "partner_api", "service", "instance"]


@dataclass(frozen=True, slots=True)
class SeriesKey:
    """What a series is about."""

    kind: SeriesKind
    id: str


@dataclass(frozen=True, slots=True)
class SeriesWindow:
    """One series over a stretch of time; all arrays have one entry a minute.

    `minutes`: whole minutes since 1970 (UTC), contiguous. `failed`: calls that failed on the bank's, the
    gateway's or an external side. `p50_ms`, `p95_ms`: NaN in a minute without calls. The last `judge_last`
    minutes are new.
    """

    key: SeriesKey
    minutes: NDArray[np.int64]
    calls: NDArray[np.float64]
    failed: NDArray[np.float64]
    partner_errors: NDArray[np.float64]
    customer_errors: NDArray[np.float64]
    p50_ms: NDArray[np.float64]
    p95_ms: NDArray[np.float64]
    bytes_out: NDArray[np.float64]
    judge_last: int


@dataclass(frozen=True, slots=True)
class SeriesBatch:
    """Series over the same minutes: arrays of shape (series, minutes), else as in `SeriesWindow`."""

    keys: Sequence[SeriesKey]
    minutes: NDArray[np.int64]
    calls: Matrix
    failed: Matrix
    partner_errors: Matrix
    customer_errors: Matrix
    p50_ms: Matrix
    p95_ms: Matrix
    bytes_out: Matrix
    judge_last: int

    def rows(self, index: slice | NDArray[np.intp]) -> "SeriesBatch":
        """The same minutes of some of the series."""
        chosen = np.arange(len(self.keys))[index]
        return SeriesBatch(
            [self.keys[i] for i in chosen], self.minutes,
            self.calls[index], self.failed[index], self.partner_errors[index], self.customer_errors[index],
            self.p50_ms[index], self.p95_ms[index], self.bytes_out[index], self.judge_last,
        )


def stack(windows: Iterable[SeriesWindow]) -> list[SeriesBatch]:
    """Windows over the same minutes become one batch. Raises ValueError as `find_anomalies` does."""
    def grid(window: SeriesWindow) -> tuple[int, int, int]:
        return (int(window.minutes[0]) if len(window.minutes) else 0, len(window.minutes), window.judge_last)

    batches = []
    for (first, length, judge_last), group in groupby(sorted(windows, key=grid), key=grid):
        same = list(group)
        minutes = np.arange(first, first + length, dtype=np.int64)
        for window in same:
            if not np.array_equal(window.minutes, minutes):
                raise ValueError(f"the minutes of {window.key} are not contiguous")
        batches.append(SeriesBatch(
            [w.key for w in same], minutes,
            _matrix(w.calls for w in same), _matrix(w.failed for w in same),
            _matrix(w.partner_errors for w in same), _matrix(w.customer_errors for w in same),
            _matrix(w.p50_ms for w in same), _matrix(w.p95_ms for w in same),
            _matrix(w.bytes_out for w in same), judge_last,
        ))
    return batches


def _matrix(rows: Iterable[NDArray[np.float64]]) -> Matrix:
    return np.stack([np.asarray(row, dtype=np.float64) for row in rows])
