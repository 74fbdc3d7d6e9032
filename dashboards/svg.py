"""Charts as SVG, drawn by the server: numbers in, path data out. Templates hold the elements, so that everything is escaped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from triage.domain.windows import MINUTE_NS

_STEPS: Final = (1, 2, 5, 10, 15, 30, 60, 120, 360, 1440)
_MOST_STEPS: Final = 200


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
    step: str  # what a step of the line stands for: 'a minute', 'in 10 minutes'
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
    """A curve of (minute, calls, failed), with marks at (time in ns, words). None without points.

    A long stretch is drawn in steps of some minutes, each the sum of its minutes, so that a comb becomes a line.
    """
    if not points:
        return None
    first, last = points[0][0], points[-1][0] + 1
    step = next((step for step in _STEPS if (last - first) / step <= _MOST_STEPS), _STEPS[-1])
    steps = -(-(last - first) // step)
    calls, failed = [0] * steps, [0] * steps
    for minute, n, bad in points:
        calls[(minute - first) // step] += n
        failed[(minute - first) // step] += bad
    peak = max(*calls, *failed, 1)
    width, height = 720.0, 160.0
    xs = [_n(width * i / (steps - 1)) if steps > 1 else "360" for i in range(steps)]
    placed = tuple(
        Mark(round(width * (at / 60e9 - first) / (last - first), 1), words)
        for at, words in marks if first <= at / 60e9 <= last
    )
    return Curve(
        calls=_area([f"{x} {_n(height - 150 * n / peak)}" for x, n in zip(xs, calls, strict=True)], height),
        failed=_area([f"{x} {_n(height - 150 * n / peak)}" for x, n in zip(xs, failed, strict=True)], height),
        marks=placed, peak=peak, step="a minute" if step == 1 else f"in {step} minutes", start_ns=first * MINUTE_NS,
        end_ns=last * MINUTE_NS, failed_total=sum(failed),
    )


def _area(points: list[str], height: float) -> str:
    if len(points) == 1:  # one minute: a block about it
        y = points[0].split()[1]
        points = [f"340 {y}", f"380 {y}"]
    start, end = points[0].split()[0], points[-1].split()[0]
    return f"M{start} {height:g} L" + " L".join(points) + f" L{end} {height:g} Z"


def _n(number: float) -> str:
    return f"{number:.1f}".rstrip("0").rstrip(".")
