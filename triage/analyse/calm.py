"""Problems of traffic and time: partners that fall silent or storm, APIs that slow down, where no failing problem explains it.

Pure. Silence is judged by the partner's own gaps, since a caller with a batch every quarter of an hour is not silent in between.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt

from triage.analyse.anomalies.series import SeriesAnomaly, SeriesKey, SeriesWindow
from triage.analyse.problems import SLACK_MINUTES, Problem, key_mask, last_minute
from triage.analyse.rows import CallRows, Counts, ErrorRows, Mask, Traffic
from triage.domain.incident import Kind

_KIND_OF_FEATURE: Final[dict[str, Kind]] = {
    "latency": "latency", "rate_drop": "traffic_drop", "rate_surge": "traffic_surge", "bytes": "abnormal_use",
}
_TELLING: Final[dict[str, tuple[str, ...]]] = {
    "latency": ("api", "service"), "rate_drop": ("partner", "api"), "rate_surge": ("partner", "partner_api", "api"),
    "bytes": ("partner",),
}
"""Series that may open a problem. A partner's response times follow what it asks for, and its calls on one API how it works."""
SURGE_OF_REFUSED: Final = 0.8
"""A partner whose calls surge while fewer than this share are refused has a surge problem, not an error problem."""
SURGE: Final = 3.0
KNOWN_MINUTES: Final = 30
"""Minutes of a partner's life before its silence can be told."""
QUIET_GAPS: Final = 3
"""Silence is a gap so many times as long as the longest one of history."""
HEIR: Final = (0.4, 2.5)
"""The calls of a partner's new name, in parts of those under its old one."""
MISSED_CALLS: Final = 20.0
"""Calls that should have come in a silence."""
OUTLASTS: Final = 2
"""Minutes that a slow stretch must go on behind a fault on the same API to be asked whether it has a cause of its own."""
SLOWER: Final = 2.0
STEADY: Final = 0.7
"""Slow there: so many times as long as usual in this share of the minutes."""
LOW: Final = 0.5
"""A drop is a drop below this part of the usual number."""


def calm_problems(
    rows: ErrorRows, calls: CallRows, traffic: Traffic, failing: list[Problem], anomalies: Iterable[SeriesAnomaly],
    series: Mapping[SeriesKey, SeriesWindow],
) -> list[Problem]:
    """New problems. A failing problem whose partner storms becomes one of traffic."""
    found: list[Problem] = []
    for problem in failing:
        _storm(rows, traffic, problem)
    order = {"partner": 0, "partner_api": 1, "api": 2}
    told = [*silences(traffic), *(a for a in anomalies if a.key.kind in _TELLING.get(a.feature, ()))]
    for anomaly in sorted(told, key=lambda a: (order.get(a.key.kind, 3), -a.score)):
        kind = _KIND_OF_FEATURE[anomaly.feature]
        if kind == "traffic_drop" and not _is_low(calls, traffic, anomaly):
            continue
        if kind == "traffic_surge" and any(_same_partner(problem, anomaly) for problem in failing):
            continue
        causes = [problem for problem in failing if _explains(rows, problem, anomaly)] if kind != "abnormal_use" else []
        left = _outlasting(anomaly, causes, series) if kind == "latency" else None if causes else anomaly
        if left is not None:
            _put(found, kind, calls, left, len(rows.minute), frozenset(problem.owner for problem in causes))
    return found


def _outlasting(anomaly: SeriesAnomaly, causes: Sequence[Problem], series: Mapping[SeriesKey, SeriesWindow]) -> SeriesAnomaly | None:
    """The part of a slow stretch behind the faults that would explain it, if it is slow there; all of it without any."""
    if not causes:
        return anomaly
    window = series[anomaly.key]
    start, end = int(window.minutes[0]), int(window.minutes[-1])
    first = max(anomaly.since_minute, max(problem.until for problem in causes) + 1)
    usual, after = window.p95_ms[: anomaly.since_minute - start], window.p95_ms[first - start : min(last_minute(anomaly), end) - start + 1]
    usual, after = usual[np.isfinite(usual)], after[np.isfinite(after)]
    if len(after) < OUTLASTS or not len(usual) or (after >= SLOWER * np.median(usual)).mean() < STEADY:
        return None
    return replace(anomaly, since_minute=first)


def _put(found: list[Problem], kind: Kind, calls: CallRows, anomaly: SeriesAnomaly, size: int, beside: frozenset[str]) -> None:
    home = next((p for p in found if p.kind == kind and _joins(calls, p, anomaly)), None)
    if home is None:
        since, until = anomaly.since_minute, last_minute(anomaly)
        found.append(Problem(kind, since, until, np.zeros(size, bool), _owner(anomaly), anomalies=[anomaly], beside=beside))
        return
    home.beside |= beside
    home.anomalies.append(anomaly)
    home.since, home.until = min(home.since, anomaly.since_minute), max(home.until, last_minute(anomaly))


def silences(traffic: Traffic) -> Iterator[SeriesAnomaly]:
    """Partners of whom no call came for far longer than ever before, although other calls came."""
    for partner, series in traffic.of_partner.items():
        for silence in _silence(partner, series, traffic.total > 0, traffic.start):
            if not _has_heir(traffic, partner, silence):
                yield silence


def _has_heir(traffic: Traffic, partner: str, silence: SeriesAnomaly) -> bool:
    """Whether a partner that was never there before goes on where this one stopped: it only has a new name."""
    at = silence.since_minute - traffic.start
    last = min(last_minute(silence) - traffic.start, len(traffic.total) - 1)
    for name, series in traffic.of_partner.items():
        first = int(np.argmax(series > 0))
        if name == partner or abs(first - at) > SLACK_MINUTES or first < KNOWN_MINUTES:
            continue
        if HEIR[0] * silence.usual <= float(series[first : last + 1].mean()) <= HEIR[1] * silence.usual:
            return True
    return False


def _silence(partner: str, series: Counts, alive: npt.NDArray[np.bool_], start: int) -> Iterator[SeriesAnomaly]:
    busy = np.flatnonzero(series > 0)
    if not partner or len(busy) < KNOWN_MINUTES // 2:
        return
    edges = np.r_[busy, len(series)]
    gaps = np.diff(edges) - 1
    for place in np.flatnonzero(gaps >= SLACK_MINUTES):
        first, last = int(edges[place]) + 1, int(edges[place + 1]) - 1
        lasts = edges[place + 1] == len(series)
        length = int(alive[first : last + 1].sum()) - (1 if lasts else 0)  # the newest minute is still filling
        history = series[int(busy[0]) : first][alive[int(busy[0]) : first]]
        longest = int(gaps[:place].max(initial=0))
        rate = float(np.median(np.convolve(history, np.ones(10), "valid")) / 10) if len(history) >= KNOWN_MINUTES else 0.0
        if length >= max(SLACK_MINUTES, QUIET_GAPS * longest + 1) and rate * length >= MISSED_CALLS:
            yield SeriesAnomaly(
                SeriesKey("partner", partner), "rate_drop", start + first, None if lasts else start + last, rate, 0.0, 0.9,
                float(np.exp(-rate * length)), f"No call came for {length} min, where {rate:.3g} a minute are usual.",
            )


def _is_low(calls: CallRows, traffic: Traffic, anomaly: SeriesAnomaly) -> bool:
    """Whether calls are few for some minutes, beside the whole history and not only beside a surge right before."""
    first, end = anomaly.since_minute - traffic.start, len(traffic.total)
    last = min(last_minute(anomaly) - traffic.start, end - 2)
    if last - first + 1 < SLACK_MINUTES:
        return False
    series = traffic.of_partner.get(anomaly.key.id) if anomaly.key.kind == "partner" else None
    if series is None:
        mine = key_mask(calls, anomaly)
        series = np.bincount(calls.minute[mine] - traffic.start, weights=calls.calls[mine], minlength=end).astype(float)
    return bool(series[first : last + 1].mean() <= LOW * _usual(series[:first]))


def _usual(before: Counts) -> float:
    """The median from the first call on."""
    known = before[int(np.argmax(before > 0)) :]
    return float(np.median(known)) if len(known) else 0.0


def _owner(anomaly: SeriesAnomaly) -> str:
    if anomaly.feature == "latency":
        return "service:"
    partner = partner_of(anomaly)
    return f"partner:{partner}" if partner else f"{anomaly.key.kind}:{anomaly.key.id}"


def _storm(rows: ErrorRows, traffic: Traffic, problem: Problem) -> None:
    """Turn a partner's refused calls into a surge, when it calls far more than usual and much of it still succeeds."""
    what, _, partner = problem.owner.partition(":")
    series = traffic.of_partner.get(partner)
    if what != "partner" or series is None:
        return
    usual = _usual(series[: problem.since - traffic.start])
    made = traffic.sum_of(partner, problem.since, problem.until)
    seen = made / (problem.until - problem.since + 1)
    if seen >= SURGE * max(usual, 1.0) and rows.count[problem.rows].sum() < SURGE_OF_REFUSED * made:
        problem.kind = "traffic_surge"
        problem.anomalies.insert(0, SeriesAnomaly(
            SeriesKey("partner", partner), "rate_surge", problem.since, problem.until, usual, seen, 0.9, 0.0,
            f"Calls rose from {usual:.3g} to {seen:.3g} a minute.",
        ))


def _total(calls: CallRows, mask: Mask) -> float:
    return float(calls.calls[mask].sum())


def _near(problem: Problem, anomaly: SeriesAnomaly) -> bool:
    return anomaly.since_minute <= problem.until + SLACK_MINUTES and last_minute(anomaly) >= problem.since - SLACK_MINUTES


def _same_partner(problem: Problem, anomaly: SeriesAnomaly) -> bool:
    partner = partner_of(anomaly)
    return bool(partner) and problem.owner == f"partner:{partner}" and _near(problem, anomaly)


def _explains(rows: ErrorRows, problem: Problem, anomaly: SeriesAnomaly) -> bool:
    """Whether a failing problem on the same API or partner may be why; that callers are refused makes no other call slow."""
    mine = key_mask(rows, anomaly) & problem.rows
    if anomaly.feature == "latency":
        mine &= rows.faults()
    return _near(problem, anomaly) and bool(mine.any())


def _joins(calls: CallRows, problem: Problem, anomaly: SeriesAnomaly) -> bool:
    """Slow APIs of one time are one problem; a partner's series too, and an API that only this partner moved."""
    if not _near(problem, anomaly):
        return False
    if problem.kind == "latency":
        return True
    partner = partner_of(anomaly)
    if partner or not problem.owner.startswith("partner:"):
        return problem.owner == f"partner:{partner}"
    mine = key_mask(calls, anomaly) & calls.between(problem.since - 60, problem.until)
    theirs = mine & (calls.partner == problem.owner.partition(":")[2])
    return _total(calls, theirs) >= 0.3 * max(_total(calls, mine), 1.0)


def partner_of(anomaly: SeriesAnomaly) -> str:
    """The partner of a series, or ''."""
    return anomaly.key.id.partition("\x1f")[0] if anomaly.key.kind in ("partner", "partner_api") else ""
