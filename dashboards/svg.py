"""Charts as SVG, drawn by the server: numbers in, path data out. Templates hold the elements, so that everything is escaped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Spark:
    """A small line: path data in a box of `width` x `height`, and what it says in words."""

    path: str
    width: int
    height: int
    label: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A vertical line in a chart, `x` in its units."""

    x: float
    label: str


@dataclass(frozen=True, slots=True)
class Curve:
    """Calls and failed calls over time in a box of 720 x 160, to be stretched to any width."""

    calls: str
    failed: str
    marks: tuple[Mark, ...]
    peak: int
    start_ns: int
    end_ns: int
    failed_total: int


def spark(values: Sequence[float], label: str, *, width: int = 120, height: int = 28) -> Spark:
    """A line of values from left to right; the biggest reaches the top, nothing lies on the base."""
    top = max(values, default=0) or 1
    step = width / max(1, len(values) - 1)
    floor, room = height - 2, height - 5
    points = [f"{_n(i * step)} {_n(floor - room * value / top)}" for i, value in enumerate(values)]
    if len(points) == 1:
        points.append(f"{width} {points[0].split()[1]}")
    return Spark("M" + " L".join(points) if points else "", width, height, label)


def curve(points: Sequence[tuple[int, int, int]], marks: Sequence[tuple[int, str]]) -> Curve | None:
    """A curve of (minute, calls, failed), with marks at (time in ns, words). None without points."""
    if not points:
        return None
    first, last = points[0][0], points[-1][0] + 1
    by_minute = {minute: (calls, failed) for minute, calls, failed in points}
    peak = max(max(calls, failed) for _, calls, failed in points) or 1
    width, height, span = 720.0, 160.0, last - first
    stride = max(1, span // 720)
    upper, lower = [], []
    for minute in range(first, last, stride):
        cells = [by_minute.get(m, (0, 0)) for m in range(minute, min(minute + stride, last))]
        x = _n(width * (minute - first) / max(1, span - 1)) if span > 1 else _n(width / 2)
        upper.append(f"{x} {_n(height - 150 * max(c[0] for c in cells) / peak)}")
        lower.append(f"{x} {_n(height - 150 * max(c[1] for c in cells) / peak)}")
    placed = tuple(
        Mark(round(width * (at / 60e9 - first) / max(1, span), 1), words)
        for at, words in marks if first <= at / 60e9 <= last
    )
    return Curve(_area(upper, height), _area(lower, height), placed, peak, first * 60_000_000_000,
                 last * 60_000_000_000, sum(failed for _, _, failed in points))


def _area(points: list[str], height: float) -> str:
    if len(points) == 1:  # one minute: a block about it
        y = points[0].split()[1]
        points = [f"340 {y}", f"380 {y}"]
    start, end = points[0].split()[0], points[-1].split()[0]
    return f"M{start} {height:g} L" + " L".join(points) + f" L{end} {height:g} Z"


def _n(number: float) -> str:
    return f"{number:.1f}".rstrip("0").rstrip(".")
