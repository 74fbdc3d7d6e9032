"""From triggers to problems: which of them are one and the same, and how far it reaches.

A trigger points at rows of the error roll-up (its failing evidence). Triggers are one problem when they overlap in time and share
most of their evidence, began at the same failing service, or hit the same single partner by its own doing. Series that merely
slowed down, fell silent or surged carry no failing rows; they join the problem that explains them, or are a problem of their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from triage.analyse.series import SeriesAnomaly
from triage.analyse.triggers import GroupEpisode
from triage.domain.calls import FAULT_OUTCOMES
from triage.domain.incident import Kind

Mask = npt.NDArray[np.bool_]
Class = Literal["fault", "partner_error", "customer_error"]
_CLASS_OF_FEATURE: Final[dict[str, Class]] = {
    "error_share": "fault", "partner_error_share": "partner_error", "customer_error_share": "customer_error",
}
_KIND_OF_FEATURE: Final[dict[str, Kind]] = {
    "latency": "latency", "rate_drop": "traffic_drop", "rate_surge": "traffic_surge", "bytes": "abnormal_use",
}
SAME_EVIDENCE: Final = 0.5
SLACK_MINUTES: Final = 5
ONE_PARTNER: Final = 0.8
"""Share of the failures from which a problem is called one partner's."""


@dataclass(frozen=True, slots=True)
class ErrorRows:
    """The error roll-up as columns; shape (rows,) each."""

    minute: npt.NDArray[np.int64]
    count: npt.NDArray[np.int64]
    group: npt.NDArray[Any]
    partner: npt.NDArray[Any]
    api: npt.NDArray[Any]
    service: npt.NDArray[Any]
    outcome: npt.NDArray[Any]
    trace: npt.NDArray[Any]

    @classmethod
    def of(cls, table: pa.Table) -> ErrorRows:
        """From a table of `ERRORS_SCHEMA`."""
        texts = [np.array(table.column(n).to_pylist(), object)
                 for n in ("group_id", "partner", "api", "service", "outcome", "sample_trace")]
        return cls(table.column("minute").to_numpy(), table.column("count").to_numpy(), *texts)


@dataclass(slots=True)
class Problem:
    """One problem: its kind, its time, and the rows that show it."""

    kind: Kind
    since: int  # epoch minutes
    until: int
    rows: Mask  # of the error roll-up; none for problems without failures
    anomalies: list[SeriesAnomaly] = field(default_factory=list)
    episodes: list[GroupEpisode] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    new_group: bool = False


def find_problems(
    rows: ErrorRows, anomalies: Sequence[SeriesAnomaly], episodes: Sequence[GroupEpisode], history_from: int,
) -> list[Problem]:
    """Problems, largest first. `history_from`: the first minute of the roll-ups, for what is usual."""
    triggers = [_of_episode(rows, episode) for episode in episodes]
    calm: list[SeriesAnomaly] = []
    for anomaly in anomalies:
        if anomaly.feature in _CLASS_OF_FEATURE:
            triggers.append(_of_share(rows, anomaly, history_from))
        else:
            calm.append(anomaly)
    problems = _united(rows, [trigger for trigger in triggers if trigger.rows.any()])
    problems += _quiet_problems(rows, problems, calm)
    return sorted(problems, key=lambda p: (-int(rows.count[p.rows].sum()), p.since))


def _of_episode(rows: ErrorRows, episode: GroupEpisode) -> Problem:
    mask = (rows.group == episode.group_id) & (rows.minute >= episode.since) & (rows.minute <= episode.until)
    if episode.partner:
        mask &= rows.partner == episode.partner
    return Problem("errors", episode.since, episode.until, mask, episodes=[episode], new_group=episode.new)


def _of_share(rows: ErrorRows, anomaly: SeriesAnomaly, history_from: int) -> Problem:
    """The rows of the series' failures in the anomaly's time whose group is more frequent than it used to be."""
    of_class = _class_mask(rows, _CLASS_OF_FEATURE[anomaly.feature])
    key = _key_mask(rows, anomaly.key.kind, anomaly.key.id)
    until = _until(anomaly)
    during = (rows.minute >= anomaly.since_minute) & (rows.minute <= until)
    mask = of_class & key & during
    before = of_class & key & (rows.minute < anomaly.since_minute)
    elevated = _elevated(rows, mask, before, until - anomaly.since_minute + 1, anomaly.since_minute - history_from)
    return Problem("errors", anomaly.since_minute, until, mask & np.isin(rows.group, elevated), anomalies=[anomaly])


def _elevated(rows: ErrorRows, during: Mask, before: Mask, minutes: int, history: int) -> list[str]:
    """Groups that are at least twice as frequent during the time as before it."""
    found = []
    for group in np.unique(rows.group[during].astype(str)):
        now = int(rows.count[during & (rows.group == group)].sum())
        usual = int(rows.count[before & (rows.group == group)].sum()) * minutes / max(history, minutes)
        if now >= 2 * usual + 2 or (usual == 0 and now > 0):
            found.append(str(group))
    return found


def _class_mask(rows: ErrorRows, wanted: Class) -> Mask:
    names = list(FAULT_OUTCOMES) if wanted == "fault" else [wanted]
    return np.isin(rows.outcome, names)


def _key_mask(rows: ErrorRows, kind: str, key: str) -> Mask:
    if kind == "partner_api":
        partner, _, api = key.partition("\x1f")
        return (rows.partner == partner) & (rows.api == api)
    column = {"api": rows.api, "partner": rows.partner, "service": rows.service}.get(kind)
    return np.ones(len(rows.minute), bool) if column is None else column == key


def _until(anomaly: SeriesAnomaly) -> int:
    return anomaly.until_minute if anomaly.until_minute is not None else 2**40


def _united(rows: ErrorRows, triggers: list[Problem]) -> list[Problem]:
    """Join triggers until none belong together any more."""
    problems: list[Problem] = []
    for trigger in sorted(triggers, key=lambda t: (-int(rows.count[t.rows].sum()), t.since)):
        home = next((p for p in problems if _same(rows, p, trigger)), None)
        if home is None:
            problems.append(trigger)
        else:
            _absorb(home, trigger)
    merged = True
    while merged:
        merged = False
        for i, first in enumerate(problems):
            for second in problems[i + 1 :]:
                if _same(rows, first, second):
                    _absorb(first, second)
                    problems.remove(second)
                    merged = True
                    break
            if merged:
                break
    for problem in problems:
        _settle_bounds(rows, problem)
    return problems


def _absorb(home: Problem, other: Problem) -> None:
    home.rows = home.rows | other.rows
    home.since, home.until = min(home.since, other.since), max(home.until, other.until)
    home.anomalies += other.anomalies
    home.episodes += other.episodes
    home.new_group = home.new_group or other.new_group


def _settle_bounds(rows: ErrorRows, problem: Problem) -> None:
    problem.since, problem.until = int(rows.minute[problem.rows].min()), int(rows.minute[problem.rows].max())
    names, first = np.unique(rows.group[problem.rows].astype(str), return_inverse=True)
    weight = np.bincount(first, weights=rows.count[problem.rows])
    problem.groups = [str(names[i]) for i in np.argsort(-weight, kind="stable")]


def _same(rows: ErrorRows, a: Problem, b: Problem) -> bool:
    if a.since > b.until + SLACK_MINUTES or b.since > a.until + SLACK_MINUTES:
        return False
    size_a, size_b = rows.count[a.rows].sum(), rows.count[b.rows].sum()
    if rows.count[a.rows & b.rows].sum() >= SAME_EVIDENCE * min(size_a, size_b):
        return True
    side_a, side_b = _side(rows, a.rows), _side(rows, b.rows)
    if side_a != side_b:
        return False
    if side_a == "fault":
        return _main(rows, a.rows, rows.service) == _main(rows, b.rows, rows.service)
    partner_a, partner_b = _main(rows, a.rows, rows.partner), _main(rows, b.rows, rows.partner)
    return partner_a is not None and partner_a == partner_b


def _side(rows: ErrorRows, mask: Mask) -> str:
    faults = rows.count[mask & np.isin(rows.outcome, list(FAULT_OUTCOMES))].sum()
    return "fault" if faults * 2 >= rows.count[mask].sum() else "theirs"


def _main(rows: ErrorRows, mask: Mask, column: npt.NDArray[Any]) -> str | None:
    """The value that holds most of the failures, if one does."""
    names, codes = np.unique(column[mask].astype(str), return_inverse=True)
    weight = np.bincount(codes, weights=rows.count[mask])
    best = int(np.argmax(weight))
    return str(names[best]) if weight[best] >= ONE_PARTNER * weight.sum() else None


def _quiet_problems(rows: ErrorRows, problems: list[Problem], anomalies: Iterable[SeriesAnomaly]) -> list[Problem]:
    """Latency, silence and surges: into the failing problem that explains them, else united by kind and time."""
    found: list[Problem] = []
    for anomaly in sorted(anomalies, key=lambda a: -a.score):
        kind = _KIND_OF_FEATURE.get(anomaly.feature)
        if kind is None:
            continue
        until = _until(anomaly)
        if kind != "abnormal_use" and any(_explains(rows, problem, anomaly) for problem in problems):
            continue
        home = next((p for p in found if p.kind == kind and _joins(p, anomaly, until)), None)
        if home is None:
            found.append(Problem(kind, anomaly.since_minute, until, np.zeros(len(rows.minute), bool), anomalies=[anomaly]))
        else:
            home.anomalies.append(anomaly)
            home.since, home.until = min(home.since, anomaly.since_minute), max(home.until, until)
    return found


def _explains(rows: ErrorRows, problem: Problem, anomaly: SeriesAnomaly) -> bool:
    if anomaly.since_minute > problem.until + SLACK_MINUTES or _until(anomaly) < problem.since - SLACK_MINUTES:
        return False
    return bool((_key_mask(rows, anomaly.key.kind, anomaly.key.id) & problem.rows).any())


def _joins(problem: Problem, anomaly: SeriesAnomaly, until: int) -> bool:
    if anomaly.since_minute > problem.until + SLACK_MINUTES or until < problem.since - SLACK_MINUTES:
        return False
    if problem.kind == "latency":
        return True
    first = problem.anomalies[0].key
    return _partner_of(first.kind, first.id) == _partner_of(anomaly.key.kind, anomaly.key.id)


def _partner_of(kind: str, key: str) -> str:
    return key.partition("\x1f")[0] if kind in ("partner", "partner_api") else ""
