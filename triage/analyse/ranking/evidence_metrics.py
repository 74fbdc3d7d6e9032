"""Evidence from metrics: resources that run hot, and symptoms that the call graph does not explain away.

In: metric tables of an incident and of normal times, the call graph, the complaint. Out: `Evidence` of the kinds
`resource` and `symptom`. A metric's family is told from generic words in its name. A component whose latency or
availability got worse is a suspect for the part that its callees do not carry: excess (seconds or failures times
requests) is compared along the calls, so that victims upstream end up with little of their own.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from triage.analyse.ranking.ranking_stats import beyond, window_means
from triage.analyse.ranking.tables import Complaint, Evidence, Floats, MetricTable, Series, SeriesKey

RESOURCE: Final = "resource"
SYMPTOM: Final = "symptom"

_LEAST_NORMAL: Final = 10  # rows of normal data below which a series says nothing
_DRIFT: Final = 0.7  # share of a shift that is held to be drift when the whole incident shows it
_HOT: Final = 2.0  # times the usual reach from which a resource counts
_TOGETHER: Final = 2.0  # least size of suspect and complaint together; quiet times keep below it
_REPORTED: Final = 2.0  # how much the complaint's own metric counts in that: it is what somebody noticed
_FAMILIES: Final = (
    ("availability", re.compile(r"availab|success|uptime", re.I)),
    ("error", re.compile(r"error|fail|fault|exception|5xx|timeout", re.I)),
    ("resource", re.compile(r"cpu|memory|heap|\bgc\b|disk|thread|throttl|saturat|utili[sz]|queue|pool", re.I)),
    ("latency", re.compile(r"latency|duration|response.?time|elapsed|seconds|_ms\b", re.I)),
    ("volume", re.compile(r"request|call|ops|throughput|count|invocation", re.I)),
)
_SCALED: Final = re.compile(r"percent|utili[sz]|ratio", re.I)
_STATISTICS: Final = ("average", "avg", "mean", "p50", "p90", "p95", "p99", "maximum", "max", "sum", "")


@dataclass(frozen=True, slots=True)
class Shift:
    """How far a series moved in its bad direction. `size` 1 is what 1 in 200 normal windows reaches."""

    key: SeriesKey
    size: float
    excess: float
    before: float
    now: float


def family_of(metric: str) -> str:
    """What a metric measures, from generic words in its name: availability, error, resource, latency, volume or ''."""
    return next((family for family, words in _FAMILIES if words.search(metric)), "")


def resource_evidence(incident: MetricTable, normal: MetricTable) -> list[Evidence]:
    """Components whose CPU, memory or like runs far above its usual reach; the hottest metric of each."""
    scaled = {key[0] for key in incident if family_of(key[1]) == "resource" and _SCALED.search(key[1])}
    shared = Counter(_fingerprint(series) for key, series in incident.items() if family_of(key[1]) == "resource")
    best: dict[str, Evidence] = {}
    for key in incident:
        if family_of(key[1]) != "resource" or (key[0] in scaled and not _SCALED.search(key[1])):
            continue  # how full a resource is says more than how much of it is used
        shift = _shift(key, incident, normal, weights=None)
        if shift is None or shift.size <= _HOT:
            continue
        strength = (1 - _HOT / shift.size) / max(1, shared[_fingerprint(incident[key])])
        if key[0] not in best or strength > best[key[0]].strength:
            told = f"{key[1]} of {key[0]} rose to {shift.now:.4g}, normally {shift.before:.4g} ({_times(shift)})"
            best[key[0]] = Evidence(key[0], RESOURCE, strength, told)
    return list(best.values())


def _fingerprint(series: Series) -> tuple[float, ...]:
    """Equal series are one measurement (of the machine, say) and single out none of their components."""
    return tuple(np.round(series.value, 3).tolist())


def symptom_evidence(
    incident: MetricTable, normal: MetricTable, graph: Sequence[tuple[str, str]], complaint: Complaint | None
) -> list[Evidence]:
    """Components that carry excess latency, failures or errors of their own, reachable from the complaint first."""
    wanted = family_of(complaint.metric) if complaint else ""
    found: list[Evidence] = []
    for family in ("latency", "availability", "error"):
        if wanted in ("latency", "availability", "error") and family != wanted:
            continue
        shifts = _family_shifts(family, incident, normal)
        found += _unexplained(shifts, graph, complaint)
    return found


def _family_shifts(family: str, incident: MetricTable, normal: MetricTable) -> dict[str, Shift]:
    """The shift of each component in one family: of its plainest statistic, of its worst metric."""
    plainest: dict[tuple[str, str], SeriesKey] = {}
    for key in incident:
        if family_of(key[1]) == family:
            known = plainest.get(key[:2])
            if known is None or _plain(key) < _plain(known):
                plainest[key[:2]] = key
    volumes = _volumes(incident)
    shifts: dict[str, Shift] = {}
    for key in plainest.values():
        shift = _shift(key, incident, normal, volumes.get(key[0]))
        if shift is not None and (key[0] not in shifts or shift.size > shifts[key[0]].size):
            shifts[key[0]] = shift
    return shifts


def _plain(key: SeriesKey) -> int:
    statistic = key[2].lower()
    return _STATISTICS.index(statistic) if statistic in _STATISTICS else len(_STATISTICS)


def _volumes(table: MetricTable) -> dict[str, Series]:
    chosen: dict[str, Series] = {}
    for key in sorted(table):
        if family_of(key[1]) == "volume":
            chosen.setdefault(key[0], table[key])
    return chosen


def _shift(key: SeriesKey, incident: MetricTable, normal: MetricTable, weights: Series | None) -> Shift | None:
    now, before = incident.get(key), normal.get(key)
    if now is None or before is None or not len(now.value) or len(before.value) < _LEAST_NORMAL:
        return None
    down = family_of(key[1]) == "availability"
    sign = -1.0 if down else 1.0
    usual, values = sign * before.value, sign * now.value
    middle = float(np.median(usual))
    width = 2 if len(values) > 2 else 1
    windows, peaks = window_means(usual, width), window_means(values, width)
    least = max(_least(key[1], middle), 1e-9)
    drift = max(0.0, beyond(float(values.min()), windows, least))
    size = beyond(float(peaks.max()), windows, least) - _DRIFT * drift
    grown = np.maximum(0.0, values - middle)
    excess = float(np.sum(grown * _weights(now, weights)))
    return Shift(key, max(0.0, size), excess, sign * middle, sign * float(peaks.max()))


def _least(metric: str, middle: float) -> float:
    """The smallest shift that is worth a word."""
    if family_of(metric) == "availability":
        return 0.005 * (100.0 if abs(middle) > 1 else 1.0)
    if _SCALED.search(metric):
        return 10.0 if abs(middle) > 1 or not re.search("ratio", metric, re.I) else 0.1
    return 0.1 * abs(middle)


def _weights(series: Series, volume: Series | None) -> Floats:
    if volume is None:
        return np.ones(len(series.value))
    at = dict(zip(volume.time_s.tolist(), volume.value.tolist(), strict=True))
    return np.array([at.get(time, 0.0) for time in series.time_s.tolist()])


def _unexplained(
    shifts: Mapping[str, Shift], graph: Sequence[tuple[str, str]], complaint: Complaint | None
) -> list[Evidence]:
    callees: dict[str, list[str]] = defaultdict(list)
    for caller, callee in graph:
        callees[caller].append(callee)
    reach = _reachable(complaint.component, callees) if complaint and complaint.component in callees else None
    told = shifts.get(complaint.component) if complaint else None
    largest = max((shift.excess for shift in shifts.values()), default=0.0)
    whole = told.excess if told is not None and told.excess > 0 else largest
    found: list[Evidence] = []
    together = 0.0  # of the strongest suspect: how far it and the complaint's own metric moved
    for component, shift in shifts.items():
        carried = sum(_sure(shifts[c].size) * shifts[c].excess for c in callees[component] if c in shifts)
        own = max(0.0, shift.excess - carried)
        if own <= 0 or whole <= 0:
            continue
        strength = _sure(shift.size) * min(1.0, own / whole)
        if reach is not None and component not in reach:
            strength *= 0.3
        why = f"{shift.key[1]} of {component} went from {shift.before:.4g} to {shift.now:.4g} ({_times(shift)})"
        if graph:
            why += f"; its callees carry {100 * min(1.0, carried / shift.excess):.0f} % of that"
        if not found or strength > max(one.strength for one in found):
            together = shift.size + (_REPORTED * told.size if told is not None else 0.0)
        found.append(Evidence(component, SYMPTOM, strength, why))
    return found if together >= _TOGETHER else []


def _sure(size: float) -> float:
    return size / (size + 1)


def _times(shift: Shift) -> str:
    return f"{shift.size:.1f} times what 1 in 200 normal readings reaches"


def _reachable(start: str, callees: Mapping[str, Iterable[str]]) -> set[str]:
    seen, todo = {start}, [start]
    while todo:
        for callee in callees.get(todo.pop(), ()):
            if callee not in seen:
                seen.add(callee)
                todo.append(callee)
    return seen
