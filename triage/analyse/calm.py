"""Problems without failures: what slowed down, fell silent or surged, as far as no failing problem explains it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np

from triage.analyse.problems import SLACK_MINUTES, Problem, key_mask, last_minute
from triage.analyse.rows import CallRows, ErrorRows
from triage.analyse.series import SeriesAnomaly
from triage.domain.incident import Kind

_KIND_OF_FEATURE: Final[dict[str, Kind]] = {
    "latency": "latency", "rate_drop": "traffic_drop", "rate_surge": "traffic_surge", "bytes": "abnormal_use",
}
_TELLING: Final[dict[str, tuple[str, ...]]] = {
    "latency": ("api", "service"), "rate_drop": ("partner", "api"), "rate_surge": ("partner", "partner_api", "api"), "bytes": ("partner",),
}
"""Series that may open a problem. A single partner's response times follow what it asks for, and its calls on one API how it works."""
SURGE_OF_REFUSED: Final = 0.8
"""A partner whose calls surge while fewer than this share are refused has a surge problem, not an error problem."""


def calm_problems(rows: ErrorRows, calls: CallRows, failing: list[Problem], anomalies: Iterable[SeriesAnomaly]) -> list[Problem]:
    """New problems; a surge that a partner's refused calls belong to turns the failing problem into one of traffic instead."""
    found: list[Problem] = []
    order = {"partner": 0, "partner_api": 1, "api": 2}
    for anomaly in sorted(anomalies, key=lambda a: (order.get(a.key.kind, 3), -a.score)):
        if anomaly.key.kind not in _TELLING.get(anomaly.feature, ()):
            continue
        kind = _KIND_OF_FEATURE[anomaly.feature]
        if kind == "traffic_surge" and _turned(rows, calls, failing, anomaly):
            continue
        if kind != "abnormal_use" and any(_explains(rows, problem, anomaly) for problem in failing):
            continue
        home = next((p for p in found if p.kind == kind and _joins(calls, p, anomaly)), None)
        if home is None:
            until = last_minute(anomaly)
            found.append(Problem(kind, anomaly.since_minute, until, np.zeros(len(rows.minute), bool), _owner(anomaly), anomalies=[anomaly]))
        else:
            home.anomalies.append(anomaly)
            home.since, home.until = min(home.since, anomaly.since_minute), max(home.until, last_minute(anomaly))
    return found


def _owner(anomaly: SeriesAnomaly) -> str:
    if anomaly.feature == "latency":
        return "service:"
    partner = partner_of(anomaly)
    return f"partner:{partner}" if partner else f"{anomaly.key.kind}:{anomaly.key.id}"


def _turned(rows: ErrorRows, calls: CallRows, failing: Sequence[Problem], anomaly: SeriesAnomaly) -> bool:
    """Whether the surge belongs to a failing problem of the same partner, which then becomes a surge."""
    owner = f"partner:{partner_of(anomaly)}"
    for problem in failing:
        if problem.owner != owner or not _near(problem, anomaly):
            continue
        during = (calls.partner == partner_of(anomaly)) & calls.between(problem.since, problem.until)
        if rows.count[problem.rows].sum() < SURGE_OF_REFUSED * calls.calls[during].sum():
            problem.kind = "traffic_surge"
        problem.anomalies.append(anomaly)
        return True
    return False


def _near(problem: Problem, anomaly: SeriesAnomaly) -> bool:
    return anomaly.since_minute <= problem.until + SLACK_MINUTES and last_minute(anomaly) >= problem.since - SLACK_MINUTES


def _explains(rows: ErrorRows, problem: Problem, anomaly: SeriesAnomaly) -> bool:
    return _near(problem, anomaly) and bool((key_mask(rows, anomaly) & problem.rows).any())


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
    return bool(calls.calls[theirs].sum() >= 0.3 * max(calls.calls[mine].sum(), 1))


def partner_of(anomaly: SeriesAnomaly) -> str:
    """The partner of a series, or ''."""
    return anomaly.key.id.partition("\x1f")[0] if anomaly.key.kind in ("partner", "partner_api") else ""
