"""A causal detector of abnormal points in one metric, with one alert an episode.

Four views of the newest row, each a distance that needs no distribution:

* the *shape* of the last 6, 12 and 24 rows: mean distance to their 5 nearest neighbours among the
  earlier windows of the same length (k-NN discord, as in Burnaev and Ishimtsev, 'Conformalized density- and
  distance-based anomaly detection in time-series data', 2016);
* the *seasonal level*: mean of the last 12 deviations from the median of the same quarter of an hour of the day.

Each distance becomes a tail rank among its own past (a conformal p-value: Laxhammar, 'Conformal anomaly
detection', 2014), so that no view needs a scale, a unit or a setting of its own. The evidence is the mean of
-log10(p) over the views, that is, the geometric mean of the p-values. Median and ranks keep past incidents from
stretching the baseline; the windows are bounded, so cost and memory per row are constant.
"""

from bisect import bisect_left, insort
from collections import deque
from dataclasses import dataclass
from math import isfinite, log10, sqrt
from statistics import fmean, median

import numpy as np
from numpy.typing import NDArray

SHAPE_LENGTHS = (6, 12, 24)
"""Rows in a shape: half an hour, an hour and two hours at the usual five minutes."""

NEIGHBOURS = 5
SHAPE_MEMORY = 3_000
RANK_MEMORY = 8_000
LEARNING_ROWS = 30
LEVEL_ROWS = 12
SEASON_BUCKET_S = 900
SEASON_MEMORY = 40
SEASON_LEAST = 3

ALERT_EVIDENCE = 1.6
"""Mean -log10(p) that opens an episode; it scores 0.5. In the middle of a flat range: docs/detection.md."""

CALM_EVIDENCE = 1.2
CALM_ROWS = 24


@dataclass(frozen=True, slots=True)
class Point:
    """What the detector thinks of one row: `score` 0..1 (0.5 and up is abnormal), `anomaly` at an episode's start."""

    score: float
    anomaly: bool


class TailRank:
    """Surprise of a number among the last `memory` numbers; ties count as no surprise."""

    def __init__(self, memory: int = RANK_MEMORY, learning: int = LEARNING_ROWS) -> None:
        self._memory = memory
        self._learning = learning
        self._order: list[float] = []
        self._age: deque[float] = deque()

    def surprise(self, value: float) -> float:
        """-log10 of the share of the past that was at least as large, itself included; 0 while learning."""
        seen = len(self._order)
        as_large = seen - bisect_left(self._order, value)
        if seen == self._memory:
            oldest = self._age.popleft()
            del self._order[bisect_left(self._order, oldest)]
        insort(self._order, value)
        self._age.append(value)
        return -log10((as_large + 1) / (seen + 1)) if seen >= self._learning else 0.0


class ShapeNovelty:
    """Distance of the newest windows, of each length in SHAPE_LENGTHS, to the nearest earlier ones."""

    def __init__(self, memory: int = SHAPE_MEMORY) -> None:
        self._memory = memory
        self._rows: NDArray[np.float64] = np.empty(2 * memory + max(SHAPE_LENGTHS))
        self._count = 0

    def update(self, value: float) -> list[float]:
        """Adds a row -> one distance a length; 0 where there are too few earlier windows to compare with."""
        if self._count == len(self._rows):
            keep = self._memory + max(SHAPE_LENGTHS)
            self._rows[:keep] = self._rows[self._count - keep : self._count]
            self._count = keep
        self._rows[self._count] = value
        self._count += 1
        return self._distances()

    def _distances(self) -> list[float]:
        longest = max(SHAPE_LENGTHS)
        ends = min(self._count - longest - min(SHAPE_LENGTHS) + 1, self._memory)
        out = [0.0] * len(SHAPE_LENGTHS)
        if ends <= 0:
            return out
        past = self._rows[: self._count]
        first = self._count - 1 - min(SHAPE_LENGTHS) - ends + 1
        squared = np.zeros(ends)
        at = 0
        for lag in range(longest):
            step = past[first - lag : first - lag + ends] - past[-1 - lag]
            squared += step * step
            if lag + 1 == SHAPE_LENGTHS[at]:
                # A window that overlaps the newest one would match itself.
                apart = ends - (SHAPE_LENGTHS[at] - min(SHAPE_LENGTHS))
                if apart >= NEIGHBOURS:
                    nearest = np.partition(squared[:apart], NEIGHBOURS - 1)[:NEIGHBOURS]
                    out[at] = sqrt(float(nearest.mean()))
                at += 1
        return out


class SeasonalLevel:
    """How far the recent rows lie, on average, from what is usual at their time of the day."""

    def __init__(self) -> None:
        self._usual: dict[int, deque[float]] = {}
        self._recent: deque[float] = deque(maxlen=LEVEL_ROWS)

    def update(self, at: float, value: float) -> float:
        """Adds a row at `at` (seconds since 1970) -> absolute mean deviation of the last LEVEL_ROWS rows."""
        past = self._usual.setdefault(int(at % 86_400) // SEASON_BUCKET_S, deque(maxlen=SEASON_MEMORY))
        self._recent.append(value - median(past) if len(past) >= SEASON_LEAST else 0.0)
        past.append(value)
        return abs(fmean(self._recent))


class Episode:
    """Hysteresis: opens at `opens`, stays open until `rows` rows in a row were below `calm`."""

    def __init__(self, opens: float = ALERT_EVIDENCE, calm: float = CALM_EVIDENCE, rows: int = CALM_ROWS) -> None:
        self._opens = opens
        self._calm = calm
        self._rows = rows
        self._quiet: int | None = None

    def update(self, evidence: float) -> bool:
        """-> whether this row starts an episode."""
        if self._quiet is None:
            if evidence < self._opens:
                return False
            self._quiet = 0
            return True
        self._quiet = 0 if evidence >= self._calm else self._quiet + 1
        if self._quiet > self._rows:
            self._quiet = None
        return False


class StreamDetector:
    """Judges rows one by one; what it says of a row never depends on a later one."""

    def __init__(self) -> None:
        self._shape = ShapeNovelty()
        self._level = SeasonalLevel()
        self._ranks = [TailRank() for _ in range(len(SHAPE_LENGTHS) + 1)]
        self._episode = Episode()

    def update(self, at: float, value: float) -> Point:
        """`at`: seconds since 1970. A missing `value` (NaN, infinite) is neither judged nor kept."""
        if not isfinite(value):
            return Point(0.0, False)
        distances = [*self._shape.update(value), self._level.update(at, value)]
        evidence = fmean(rank.surprise(far) for rank, far in zip(self._ranks, distances, strict=True))
        return Point(min(1.0, evidence / (2 * ALERT_EVIDENCE)), self._episode.update(evidence))
