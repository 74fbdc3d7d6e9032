"""From triggers to problems: which failures belong together, and which of them are one and the same problem.

A trigger (a series that left its range, a group that is new or grows) points at rows of the error roll-up: the cells whose group is
more frequent than it used to be. The rows of all triggers are then split by what would have to be mended: a fault of the bank by the
service where the failure began, a caller's own errors by the partner. A code that rises at many partners at once is one problem, not
many. Series that merely slowed down, fell silent or surged join the problem that explains them, or are a problem of their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy.stats import poisson

from triage.analyse.series import SeriesAnomaly
from triage.analyse.triggers import GroupEpisode, stretches
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
SLACK_MINUTES: Final = 5
GAP_MINUTES: Final = 20
"""Failures that are farther apart belong to two episodes."""
MANY_PARTNERS: Final = 4
"""A caller's error that rises at so many partners at once is not theirs alone."""
_P_CELL: Final = 1e-3


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

    def faults(self) -> Mask:
        """Which rows are not the caller's doing."""
        return np.isin(self.outcome, list(FAULT_OUTCOMES))


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


@dataclass(frozen=True, slots=True)
class _Trigger:
    """A reason to look, with the rows that it points at."""

    rows: Mask
    anomaly: SeriesAnomaly | None = None
    episode: GroupEpisode | None = None


def find_problems(
    rows: ErrorRows, anomalies: Sequence[SeriesAnomaly], episodes: Sequence[GroupEpisode], history_from: int,
) -> list[Problem]:
    """Problems, largest first. `history_from`: the first minute of the roll-ups, for what is usual."""
    triggers = [_of_episode(rows, episode) for episode in episodes]
    triggers += [_of_share(rows, anomaly, history_from) for anomaly in anomalies if anomaly.feature in _CLASS_OF_FEATURE]
    triggers = [trigger for trigger in triggers if trigger.rows.any()]
    problems = [problem for mask in _separated(rows, triggers) for problem in _in_time(rows, mask, triggers)]
    calm = [anomaly for anomaly in anomalies if anomaly.feature not in _CLASS_OF_FEATURE]
    problems += _quiet_problems(rows, problems, calm)
    return sorted(problems, key=lambda p: (-int(rows.count[p.rows].sum()), p.since))


def _of_episode(rows: ErrorRows, episode: GroupEpisode) -> _Trigger:
    mask = (rows.group == episode.group_id) & (rows.minute >= episode.since) & (rows.minute <= episode.until)
    if episode.partner:
        mask &= rows.partner == episode.partner
    return _Trigger(mask, episode=episode)


def _of_share(rows: ErrorRows, anomaly: SeriesAnomaly, history_from: int) -> _Trigger:
    """The series' failures in the anomaly's time, as far as they are more frequent than they used to be."""
    class_ = _CLASS_OF_FEATURE[anomaly.feature]
    mine = _class_mask(rows, class_) & key_mask(rows, anomaly.key.kind, anomaly.key.id)
    until = last_minute(anomaly)
    during = mine & (rows.minute >= anomaly.since_minute) & (rows.minute <= until)
    before = mine & (rows.minute < anomaly.since_minute)
    minutes = min(until, int(rows.minute.max())) - anomaly.since_minute + 1
    share = minutes / max(anomaly.since_minute - history_from, minutes)
    cells = np.array([f"{g}\x1f{p}" if class_ != "fault" else g for g, p in zip(rows.group, rows.partner, strict=True)], object)
    return _Trigger(during & _elevated(cells, rows.count, during, before, share), anomaly=anomaly)


def _elevated(cells: npt.NDArray[Any], count: npt.NDArray[np.int64], during: Mask, before: Mask, share: float) -> Mask:
    """Rows of the cells that are at least twice as frequent during the time as before, by more than chance."""
    names, codes = np.unique(cells.astype(str), return_inverse=True)
    now = np.bincount(codes[during], weights=count[during], minlength=len(names))
    usual = np.bincount(codes[before], weights=count[before], minlength=len(names)) * share
    up = (now >= 2 * usual + 2) & (poisson.sf(now - 1, np.maximum(usual, 0.1)) < _P_CELL)
    found: Mask = up[codes]
    return found


def _class_mask(rows: ErrorRows, wanted: Class) -> Mask:
    return rows.faults() if wanted == "fault" else np.isin(rows.outcome, [wanted])


def key_mask(rows: ErrorRows, kind: str, key: str) -> Mask:
    """The rows of a series."""
    if kind == "partner_api":
        partner, _, api = key.partition("\x1f")
        return np.asarray((rows.partner == partner) & (rows.api == api), bool)
    column = {"api": rows.api, "partner": rows.partner, "service": rows.service}.get(kind)
    return np.ones(len(rows.minute), bool) if column is None else np.asarray(column == key, bool)


def last_minute(anomaly: SeriesAnomaly) -> int:
    """The last minute of an anomaly; far ahead while it lasts."""
    return anomaly.until_minute if anomaly.until_minute is not None else 2**40


def _separated(rows: ErrorRows, triggers: Sequence[_Trigger]) -> list[Mask]:
    """The triggers' rows, split by what would have to be mended."""
    if not triggers:
        return []
    evidence = np.logical_or.reduce([trigger.rows for trigger in triggers])
    faults = evidence & rows.faults()
    return _by_service(rows, faults) + _by_partner(rows, evidence & ~faults)


def _by_service(rows: ErrorRows, faults: Mask) -> list[Mask]:
    """Faults by the service where they began. Those whose trace does not say go with the service that fails on the same API."""
    masks = {str(name): faults & (rows.service == name) for name in np.unique(rows.service[faults].astype(str)) if name}
    unknown = faults & (rows.service == "")
    for api in np.unique(rows.api[unknown].astype(str)):
        lost = unknown & (rows.api == api)
        weights = {name: int(rows.count[mask & (rows.api == api)].sum()) for name, mask in masks.items() if name}
        home = max(weights, key=lambda name: (weights[name], name), default="")
        if home and weights[home]:
            masks[home] = masks[home] | lost
        else:
            masks[""] = masks.get("", np.zeros(len(faults), bool)) | lost
    return list(masks.values())


def _by_partner(rows: ErrorRows, theirs: Mask) -> list[Mask]:
    """Callers' errors by partner, but for groups that rise at many partners at once."""
    masks: list[Mask] = []
    wide = np.zeros(len(theirs), bool)
    for group in np.unique(rows.group[theirs].astype(str)):
        mine = theirs & (rows.group == group)
        if len(np.unique(rows.partner[mine].astype(str))) >= MANY_PARTNERS:
            wide |= mine
    if wide.any():
        masks.append(wide)
    theirs = theirs & ~wide
    masks += [theirs & (rows.partner == partner) for partner in np.unique(rows.partner[theirs].astype(str))]
    return masks


def _in_time(rows: ErrorRows, mask: Mask, triggers: Sequence[_Trigger]) -> list[Problem]:
    """One problem for each episode."""
    first = int(rows.minute[mask].min())
    present = np.zeros(int(rows.minute[mask].max()) - first + 1, bool)
    present[rows.minute[mask] - first] = True
    found = []
    for low, high in stretches(present, GAP_MINUTES):
        mine = mask & (rows.minute >= first + low) & (rows.minute <= first + high)
        found.append(Problem(
            "errors", first + low, first + high, mine, groups=_ordered_groups(rows, mine),
            anomalies=[t.anomaly for t in triggers if t.anomaly is not None and (t.rows & mine).any()],
            episodes=[t.episode for t in triggers if t.episode is not None and (t.rows & mine).any()],
        ))
    return found


def _ordered_groups(rows: ErrorRows, mask: Mask) -> list[str]:
    names, codes = np.unique(rows.group[mask].astype(str), return_inverse=True)
    weight = np.bincount(codes, weights=rows.count[mask])
    return [str(names[i]) for i in np.argsort(-weight, kind="stable")]


def _quiet_problems(rows: ErrorRows, problems: list[Problem], anomalies: Iterable[SeriesAnomaly]) -> list[Problem]:
    """Latency, silence and surges: into the failing problem that explains them, else united by kind and time."""
    found: list[Problem] = []
    for anomaly in sorted(anomalies, key=lambda a: -a.score):
        kind = _KIND_OF_FEATURE.get(anomaly.feature)
        if kind is None:
            continue
        until = last_minute(anomaly)
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
    if anomaly.since_minute > problem.until + SLACK_MINUTES or last_minute(anomaly) < problem.since - SLACK_MINUTES:
        return False
    return bool((key_mask(rows, anomaly.key.kind, anomaly.key.id) & problem.rows).any())


def _joins(problem: Problem, anomaly: SeriesAnomaly, until: int) -> bool:
    if anomaly.since_minute > problem.until + SLACK_MINUTES or until < problem.since - SLACK_MINUTES:
        return False
    if problem.kind == "latency":
        return True
    first = problem.anomalies[0].key
    return partner_of(first.kind, first.id) == partner_of(anomaly.key.kind, anomaly.key.id)


def partner_of(kind: str, key: str) -> str:
    """The partner of a series, or ''."""
    return key.partition("\x1f")[0] if kind in ("partner", "partner_api") else ""
