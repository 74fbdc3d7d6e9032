"""Evidence from durations: which service's own time, or the way to it, makes traces slower than normal.

In: two forests. Out: `Evidence` of kind `time`. The time of a span that its children do not cover is its service's
own; where the only child runs in another service, that gap is the way to the callee and back, and is charged to the
callee (a delayed network or a queue in front of it shows there and nowhere else).
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Final

import numpy as np

from triage.analyse.ranking.forest import Forest
from triage.analyse.ranking.ranking_stats import emphasised, share_at_least, share_at_most
from triage.analyse.ranking.tables import CLIENT, PRODUCER, Evidence, Floats

KIND: Final = "time"
_LEAST_SEEN: Final = 5  # normal samples of a segment below which nothing is said about it
_LEAST_RISE: Final = 0.3  # a segment that grew by less than this share of its median is as usual

_PRIOR: Final = 30  # weight, in traces, of the system's habits beside a component's own
_NOTICED: Final = 3.0  # deviations of a trace's duration that a component must add before it counts as slow

_WAY: Final = "call of "
_ANY: Final = "*"

Segment = tuple[str, str, str]  # component charged, what, below what


@dataclass(slots=True)
class Charge:
    """Time above normal that one component is charged with, by trace, and where most of it lies (ms)."""

    traces: dict[str, float]
    segments: dict[Segment, tuple[float, float, float]]  # normal median, median now, total above normal


def time_evidence(incident: Forest, normal: Forest) -> list[Evidence]:
    """Components whose segments add more to a trace than normal traces vary by."""
    usual = {key: _limits(values) for key, values in _samples(normal).items() if len(values) >= _LEAST_SEEN}
    charges = _charges(incident, usual)
    habit = _charges(normal, usual)
    matters = _NOTICED * _trace_deviation(normal)
    rarity = _rarity(habit, matters)
    total = sum(sum(x for x in charge.traces.values() if x > matters) for charge in charges.values())
    found = []
    for component, charge in charges.items():
        slow = [x for x in charge.traces.values() if x > matters]
        usually = habit[component].traces.values() if component in habit else ()
        certain = share_at_least(len(slow), len(charge.traces)) - share_at_most(
            sum(x > matters for x in usually) + _PRIOR * rarity, len(usually) + _PRIOR
        )
        if certain > 0:
            strength = emphasised(certain) * (sum(slow) / total)
            found.append(Evidence(component, KIND, strength, _told(component, charge, slow)))
    return found


def _rarity(habit: dict[str, Charge], matters: float) -> float:
    """How often normal traces lose that much time anywhere: what is expected where little was seen."""
    losses = [x > matters for charge in habit.values() for x in charge.traces.values()]
    return sum(losses) / len(losses) if losses else 0.0


def _told(component: str, charge: Charge, slow: list[float]) -> str:
    (_, what, below), (before, now, _) = max(charge.segments.items(), key=lambda one: one[1][2])
    return (
        f"{len(slow)} of {len(charge.traces)} traces through {component} lose {np.median(slow):.0f} ms there; "
        f"most in {what!r} under {below!r}: median {now:.1f} ms, normally {before:.1f} ms"
    )


def segment_of(forest: Forest, row: int) -> Segment:
    """Which component a span's own time is charged to, and a name for that piece of work."""
    spans = forest.spans
    below = forest.children[row]
    callees = {spans.service[child] for child in below}
    only_calls = len(below) == 1 or int(spans.kind[row]) in (CLIENT, PRODUCER)
    if only_calls and len(callees) == 1 and spans.service[row] not in callees:
        return spans.service[below[0]], f"{_WAY}{spans.name[below[0]]}", spans.service[row]
    above = int(forest.parent[row])
    return spans.service[row], spans.name[row], spans.name[above] if above >= 0 else ""


def _wider(key: Segment) -> list[Segment]:
    """The segment, then groups that stand in for it when normal times hardly know it: any caller, any call."""
    if not key[1].startswith(_WAY):
        return [key]
    return [key, (key[0], key[1], _ANY), (key[0], _ANY, _ANY), (_ANY, _ANY, _ANY)]


def _samples(forest: Forest) -> dict[Segment, Floats]:
    samples: dict[Segment, list[float]] = defaultdict(list)
    for row in range(len(forest.spans)):
        for key in _wider(segment_of(forest, row)):
            samples[key].append(forest.self_ns[row] / 1e6)
    return {key: np.array(values) for key, values in samples.items()}


def _charges(forest: Forest, limits: dict[Segment, tuple[float, float]]) -> dict[str, Charge]:
    """Per component and trace, the milliseconds above the segment's median, where they exceed its usual reach."""
    charges: dict[str, Charge] = {}
    seen: dict[Segment, list[float]] = defaultdict(list)
    for row in range(len(forest.spans)):
        key = segment_of(forest, row)
        limit = next((limits[wider] for wider in _wider(key) if wider in limits), None)
        if limit is None:
            continue
        median, reach = limit
        value = float(forest.self_ns[row]) / 1e6
        charge = charges.setdefault(key[0], Charge({}, {}))
        over = value - median if value > reach else 0.0
        trace = forest.spans.trace_id[row]
        charge.traces[trace] = charge.traces.get(trace, 0.0) + over
        seen[key].append(value)
        before, _, grown = charge.segments.get(key, (median, 0.0, 0.0))
        charge.segments[key] = (before, float(len(seen[key])), grown + over)
    for key, values in seen.items():
        before, _, grown = charges[key[0]].segments[key]
        charges[key[0]].segments[key] = (before, float(np.median(values)), grown)
    return charges


def _limits(values: Floats) -> tuple[float, float]:
    median = float(np.median(values))
    return median, float(np.quantile(values, 0.95)) + _LEAST_RISE * median


def _trace_deviation(normal: Forest) -> float:
    """How much normal traces vary in duration, ms (robust standard deviation, at least a tenth of the median)."""
    roots = [row for row in normal.order if normal.parent[row] < 0]
    durations = np.array([normal.spans.duration_ns[row] / 1e6 for row in roots])
    if not len(durations):
        return 0.0
    median = float(np.median(durations))
    deviation = 1.4826 * float(np.median(np.abs(durations - median)))
    return max(deviation, 0.1 * median)
