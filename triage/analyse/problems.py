"""From triggers to problems: which failures belong together, and which of them are one and the same problem.

A trigger (an episode of an error family, a series whose failing share left its range) points at rows of the error roll-up. The rows
of all triggers are split by what would have to be mended: a fault of the bank by the service where the failure began, a refusal by
the gateway by its route, a caller's own errors by the partner. A code that rises at many partners at once is one problem, not many.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from scipy.stats import poisson

from triage.analyse.anomalies.series import SeriesAnomaly
from triage.analyse.episodes import CALLER, FAULT, GAP_MINUTES, Episode, Sure, episodes
from triage.analyse.events import GATEWAY
from triage.analyse.rows import CallRows, Counts, ErrorRows, Index, Mask, Numbers, Texts, Traffic, distinct, grouped, sums
from triage.domain.incident import Kind

SLACK_MINUTES: Final = 3
MANY_PARTNERS: Final = 4
"""A caller's error that rises at so many partners at once is not theirs alone."""
MOST_ROUTES: Final = 3
"""Up to so many APIs that the gateway cannot serve are a problem each; more are the gateway's own."""
SETTLE_MINUTES: Final = 3
"""An error log or span without a call waits so long for its call, which may arrive by another way."""
LEAST_FAULTS: Final = 3
LEAST_REFUSED: Final = 5
UNKNOWN: Final = "service:unknown"
FRINGE: Final = 0.3
STRAY: Final = 0.05
MAJORITY: Final = 0.75
"""The service of so many of an API's traced failures has its untraced ones too; with less they are nobody's."""
BURST: Final = 10.0
"""A burst has so many times the failures of the strays before it in its first two minutes."""
ALL_REFUSED: Final = 0.8
ALSO_REFUSED: Final = 0.25
"""An API belongs to a partner's problem when its share of refused calls is at least this part of that of all together."""
_P_CELL: Final = 1e-4


@dataclass(slots=True)
class Problem:
    """One problem: its kind, its time, and the rows that show it. `owner`: what would have to be mended, as '<what>:<name>'."""

    kind: Kind
    since: int  # epoch minutes
    until: int
    rows: Mask  # of the error roll-up; none for problems without failures
    owner: str = ""
    new: bool = False
    grown: bool = False
    anomalies: list[SeriesAnomaly] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    key: str = ""  # of the incident that people made of it, '' for its own
    downs: list[str] = field(default_factory=list)  # what was seen of endpoints that do not answer
    down_traces: list[str] = field(default_factory=list)
    beside: frozenset[str] = frozenset()  # owners of the faults that would explain it, if its traces blamed them too


@dataclass(frozen=True, slots=True)
class Trigger:
    """A reason to look, with the rows that it points at."""

    rows: Mask
    episode: Episode | None = None
    anomaly: SeriesAnomaly | None = None
    wide: str = ""  # the family that rises at many partners


def failing_problems(
    rows: ErrorRows, calls: CallRows, traffic: Traffic, anomalies: Sequence[SeriesAnomaly], ready_from: Mapping[str, int],
    judge_from: int, early: Sequence[Mask] = (), now: int = 0,
) -> list[Problem]:
    """Problems that show failures reaching into the minutes from `judge_from` on. `ready_from`: the minute from which a service is
    no longer learned; `early`: rows that are news without any history (see `triage.analyse.early`); `now`: the wall clock's minute,
    for data that end long before it."""
    settled = ~((rows.api == "") & (rows.minute > max(traffic.start + len(traffic.total) - 1, now) - SETTLE_MINUTES))
    if not settled.any():
        return []
    scan = _Scan(rows, settled, traffic, ready_from, min(ready_from.values(), default=traffic.start), judge_from - GAP_MINUTES)
    triggers = [*_fault_episodes(scan), *_caller_episodes(scan), *map(Trigger, early)]
    triggers += [_of_share(rows, anomaly, traffic.start) for anomaly in anomalies if _tells_failures(anomaly)]
    triggers = [trigger for trigger in triggers if trigger.rows.any()]
    if not triggers:
        return []
    evidence = np.logical_or.reduce([trigger.rows for trigger in triggers]) & settled
    faults = rows.faults()
    found = [*_faults(rows, evidence & faults, triggers), *_refusals(rows, calls, traffic, evidence & ~faults, triggers)]
    return [problem for problem in found if problem.until >= judge_from]


@dataclass(frozen=True, slots=True)
class _Scan:
    """What the search for episodes needs."""

    rows: ErrorRows
    settled: Mask
    traffic: Traffic
    ready_from: Mapping[str, int]
    ready: int  # when nothing better is known
    since: int  # cells without an event from here on are of the past

    def triggers(self, cell: Index, calls: Counts, ready: int, sure: Sure) -> Iterator[Trigger]:
        """Episodes of the rows of one cell."""
        minute, count, start = self.rows.minute[cell], self.rows.count[cell], self.traffic.start
        if count.sum() < sure.events or minute.max() < self.since:
            return
        events = np.bincount(minute - start, weights=count, minlength=len(calls)).astype(float)
        for episode in episodes(events, calls, max(ready - start, 0), sure):
            mask = np.zeros(len(self.rows.minute), bool)
            mask[cell[(minute >= start + episode.first) & (minute <= start + episode.last)]] = True
            yield Trigger(mask, episode)


def _tells_failures(anomaly: SeriesAnomaly) -> bool:
    """Shares of failures; of callers' errors only those of a partner, since what all partners do shows in the families."""
    if anomaly.feature == "error_share":
        return True
    return anomaly.feature in ("partner_error_share", "customer_error_share") and anomaly.key.kind in ("partner", "partner_api")


def _fault_episodes(scan: _Scan) -> Iterator[Trigger]:
    rows = scan.rows
    for cell in grouped(np.flatnonzero(rows.faults() & scan.settled), rows.family).values():
        ready = min(scan.ready_from.get(service, scan.ready) for service in distinct(rows.service[cell]))
        yield from scan.triggers(cell, scan.traffic.total, ready, FAULT)


def _caller_episodes(scan: _Scan) -> Iterator[Trigger]:
    rows = scan.rows
    theirs = np.flatnonzero(~rows.faults() & (rows.partner != ""))
    nobody = np.zeros_like(scan.traffic.total)
    for (partner, _), cell in grouped(theirs, rows.partner, rows.family).items():
        yield from scan.triggers(cell, scan.traffic.of_partner.get(partner, nobody), scan.ready, CALLER)
    for (family,), cell in grouped(theirs, rows.family).items():
        for trigger in scan.triggers(cell, scan.traffic.total, scan.ready, CALLER):
            if _is_wide(rows, trigger.rows, scan.traffic.start):
                yield Trigger(trigger.rows, trigger.episode, wide=family)


def _is_wide(rows: ErrorRows, mask: Mask, start: int) -> bool:
    """Whether many partners contribute, none of them most of it."""
    family = rows.family[mask][0]
    first, last = int(rows.minute[mask].min()), int(rows.minute[mask].max())
    before = (rows.family == family) & (rows.minute < first)
    up = _elevated(rows.partner, rows.count, mask, before, (last - first + 1) / max(first - start, last - first + 1))
    weights = sums(rows.partner[mask & up], rows.count[mask & up])
    return len(weights) >= MANY_PARTNERS and max(weights.values()) <= 0.6 * sum(weights.values())


def _of_share(rows: ErrorRows, anomaly: SeriesAnomaly, start: int) -> Trigger:
    """The series' failures in the anomaly's time, as far as they are more frequent than they used to be."""
    fault = anomaly.feature == "error_share"
    mine = (rows.faults() if fault else rows.outcome == anomaly.feature.removesuffix("_share")) & key_mask(rows, anomaly)
    until = min(last_minute(anomaly), int(rows.minute.max()))
    during = mine & rows.between(anomaly.since_minute, until)
    before = mine & (rows.minute < anomaly.since_minute)
    minutes = until - anomaly.since_minute + 1
    up = _elevated(rows.family, rows.count, during, before, minutes / max(anomaly.since_minute - start, minutes))
    return Trigger(during & up, anomaly=anomaly)


def _elevated(cells: Texts, count: Numbers, during: Mask, before: Mask, share: float) -> Mask:
    """Rows of the cells that are far more frequent during the time than before, by more than chance."""
    now, then = sums(cells[during], count[during]), sums(cells[before], count[before])
    names = list(now)
    seen = np.array([now[name] for name in names], float)
    usual = np.array([then.get(name, 0) for name in names], float) * share
    up = (seen >= 2 * usual + 2) & (poisson.sf(seen - 1, np.maximum(1.5 * usual, 0.1)) < _P_CELL)
    return np.isin(cells, [name for name, is_up in zip(names, up, strict=True) if is_up])


def key_mask(rows: ErrorRows | CallRows, anomaly: SeriesAnomaly) -> Mask:
    """The rows of a series; all of them for an instance, which the error roll-up does not know."""
    kind, key = anomaly.key.kind, anomaly.key.id
    if kind == "partner_api":
        partner, _, api = key.partition("\x1f")
        return np.asarray((rows.partner == partner) & (rows.api == api), bool)
    if kind in ("api", "partner"):
        return np.asarray((rows.api if kind == "api" else rows.partner) == key, bool)
    return np.ones(len(rows.minute), bool)


def last_minute(anomaly: SeriesAnomaly) -> int:
    """The last minute of an anomaly; far ahead while it lasts."""
    return anomaly.until_minute if anomaly.until_minute is not None else 2**40


def _faults(rows: ErrorRows, evidence: Mask, triggers: Sequence[Trigger]) -> list[Problem]:
    """By the service where they began; those whose trace does not say go with the service that fails on the same API then."""
    service = _placed(rows)
    found = []
    for name in distinct(service[evidence]):
        for problem in _in_time(rows, evidence & (service == name), triggers):
            problem.owner = f"service:{name}" if name else UNKNOWN
            grown = _grown_fault(rows, problem, service == name)
            found += _by_route(rows, grown, triggers) if name == GATEWAY else [grown]
    large = [problem for problem in found if rows.count[problem.rows].sum() >= LEAST_FAULTS]
    known = [problem for problem in large if problem.owner != UNKNOWN]
    known = [problem for problem in known if not _is_stray(rows, problem, known)]
    return known + [problem for problem in large if problem.owner == UNKNOWN and not _is_fringe(rows, problem, known)]


def _is_fringe(rows: ErrorRows, problem: Problem, known: Sequence[Problem]) -> bool:
    """Whether failures without a trace lie beside a fault: few, since its traces have not told of all its APIs yet, or on APIs of
    several, since they may be of any of them."""
    near = [other for other in known
            if problem.since <= other.until + SLACK_MINUTES and problem.until >= other.since - SLACK_MINUTES]
    mine, theirs = rows.count[problem.rows].sum(), [set(rows.api[other.rows].tolist()) for other in near]
    if any(mine < max(FRINGE * rows.count[other.rows].sum(), 2 * LEAST_FAULTS) for other in near):
        return True
    return all(sum(api in apis for apis in theirs) > 1 for api in distinct(rows.api[problem.rows]))


def _is_stray(rows: ErrorRows, problem: Problem, known: Sequence[Problem]) -> bool:
    """Whether a handful of failures beside a large fault on the same APIs only lack the spans that would lead to it."""
    mine, apis = int(rows.count[problem.rows].sum()), set(rows.api[problem.rows].tolist())
    return mine < 2 * LEAST_FAULTS and any(
        problem is not other and problem.since <= other.until + SLACK_MINUTES and problem.until >= other.since - SLACK_MINUTES
        and mine <= STRAY * rows.count[other.rows].sum() and apis <= set(rows.api[other.rows].tolist())
        for other in known
    )


def _placed(rows: ErrorRows) -> Texts:
    """Each row's service. Rows that do not say have the one of most failures of their API: of their family and minute, else of
    their minute, else of that time; '' when no service has a clear majority. An API without any goes with the only fault there is."""
    service = rows.service.copy()
    lost = rows.faults() & (rows.service == "")
    known = rows.faults() & (rows.service != "")
    if not lost.any() or not known.any():
        return service
    for minute in np.unique(rows.minute[lost]):
        near = known & rows.between(minute - SLACK_MINUTES, minute + SLACK_MINUTES)
        here = np.flatnonzero(lost & (rows.minute == minute)) if near.any() else np.zeros(0, np.int64)
        for (api, family), mine in grouped(here, rows.api, rows.family).items():
            of_api = rows.api == api
            then = of_api & rows.between(minute - GAP_MINUTES, minute + GAP_MINUTES)
            places = (near & of_api & (rows.family == family), near & of_api, known & then)
            same = next((place for place in places if place.any()), None)
            service[mine] = _only_one(rows, near, lost & then) if same is None else _majority(rows, same)
    return service


def _majority(rows: ErrorRows, mask: Mask) -> str:
    weights = sums(rows.service[mask], rows.count[mask])
    first = next(iter(weights))
    return first if weights[first] >= MAJORITY * sum(weights.values()) else ""


def _only_one(rows: ErrorRows, near: Mask, lost: Mask) -> str:
    """The one service that fails at that time, for an API that shows it by several failures though no trace says so."""
    others = set(rows.service[near].tolist()) - {GATEWAY}
    return others.pop() if len(others) == 1 and rows.count[lost].sum() >= LEAST_FAULTS else ""


def _grown_fault(rows: ErrorRows, problem: Problem, placed: Mask) -> Problem:
    """With the failures of the same service and time that are too few to be a trigger themselves."""
    near = rows.faults() & placed & rows.between(problem.since - 1, problem.until + 1)
    families = set(rows.family[problem.rows].tolist())
    usual = set(rows.family[rows.faults() & (rows.minute < problem.since - 1)].tolist())
    more = near & np.array([family in families or family not in usual for family in rows.family], bool)
    return _with_rows(rows, problem, problem.rows | more)


def _from_onset(rows: ErrorRows, mask: Mask) -> Mask:
    """Without a stray failure or two that came before the burst: so that 'since' is when it began, not a usual failure of before."""
    minutes, place = np.unique(rows.minute[mask], return_inverse=True)
    counts = np.bincount(place, weights=rows.count[mask])
    for gap in np.flatnonzero(np.diff(minutes) > 1)[::-1]:
        before = counts[: gap + 1].sum()
        if before <= LEAST_FAULTS and counts[gap + 1 : gap + 3].sum() >= BURST * before:
            return np.asarray(mask & (rows.minute > minutes[gap]), bool)
    return mask


def _with_rows(rows: ErrorRows, problem: Problem, mask: Mask) -> Problem:
    mask = _from_onset(rows, mask)
    problem.rows = mask
    problem.since, problem.until = int(rows.minute[mask].min()), int(rows.minute[mask].max())
    problem.groups = list(sums(rows.group[mask], rows.count[mask]))
    return problem


def _by_route(rows: ErrorRows, problem: Problem, triggers: Sequence[Trigger]) -> list[Problem]:
    """What the gateway answered itself: a problem for each API while they are few."""
    routes = distinct(rows.api[problem.rows])
    if len(routes) > MOST_ROUTES:
        return [problem]
    found = []
    for route in routes:
        for part in _in_time(rows, problem.rows & (rows.api == route), triggers):
            part.owner = f"api:{route}"
            found.append(part)
    return found


def _refusals(rows: ErrorRows, calls: CallRows, traffic: Traffic, theirs: Mask, triggers: Sequence[Trigger]) -> list[Problem]:
    """Callers' errors by partner, but for families that rise at many partners at once."""
    found: list[Problem] = []
    for trigger in triggers:
        if trigger.wide:
            for problem in _in_time(rows, trigger.rows & theirs, triggers):
                problem.owner = f"family:{trigger.wide}"
                found.append(problem)
            theirs = theirs & ~trigger.rows
    for partner in distinct(rows.partner[theirs]):
        for problem in _in_time(rows, theirs & (rows.partner == partner), triggers):
            problem.owner = f"partner:{partner}"
            found.append(_grown_refusals(rows, calls, traffic, problem, partner))
    return [problem for problem in found if rows.count[problem.rows].sum() >= LEAST_REFUSED]


def _grown_refusals(rows: ErrorRows, calls: CallRows, traffic: Traffic, problem: Problem, partner: str) -> Problem:
    """With the partner's errors of the same kind on other APIs; with all of them when hardly any call succeeds."""
    near = ~rows.faults() & (rows.partner == partner) & rows.between(problem.since - 1, problem.until + 1)
    inside = near & rows.between(problem.since, problem.until)
    if rows.count[inside].sum() >= ALL_REFUSED * traffic.sum_of(partner, problem.since, problem.until):
        return _with_rows(rows, problem, problem.rows | near)
    near = (near & np.isin(rows.family, distinct(rows.family[problem.rows]))) | problem.rows
    of_partner = (calls.partner == partner) & calls.between(problem.since, problem.until)
    refused, asked = sums(rows.api[near], rows.count[near]), sums(calls.api[of_partner], calls.calls[of_partner])
    least = ALSO_REFUSED * sum(refused.values()) / max(sum(asked.get(api, 0) for api in refused), 1)
    touched = [api for api, count in refused.items() if count >= least * asked.get(api, 0)]
    return _with_rows(rows, problem, near & np.isin(rows.api, touched))


def _in_time(rows: ErrorRows, mask: Mask, triggers: Sequence[Trigger]) -> list[Problem]:
    """One problem for each episode."""
    minutes = np.unique(rows.minute[mask])
    found = []
    for run in np.split(minutes, np.flatnonzero(np.diff(minutes) > GAP_MINUTES) + 1):
        if not len(run):
            continue
        mine = mask & rows.between(int(run[0]), int(run[-1]))
        causes = [t for t in triggers if (t.rows & mine).any()]
        found.append(_with_rows(rows, Problem(
            "errors", 0, 0, mine, new=any(t.episode.new for t in causes if t.episode),
            grown=any(not t.episode.new for t in causes if t.episode), anomalies=[t.anomaly for t in causes if t.anomaly],
        ), mine))
    return found


def set_apart(problems: Sequence[Problem], rows: ErrorRows, split: Mapping[str, str]) -> list[Problem]:
    """Problems without the groups that people took out of them, and these as problems of their own. `split`: group -> key."""
    found: list[Problem] = []
    for problem in problems:
        keys = {split[group] for group in problem.groups if group in split}
        key_of = np.array([split.get(group, "") for group in rows.group], object) if keys else rows.group
        for key in sorted(keys):
            mask = problem.rows & (key_of == key)
            if mask.any():
                part = replace(problem, key=key, anomalies=[], downs=[], down_traces=[])
                found.append(_with_rows(rows, part, mask))
        rest = problem.rows & (key_of == "") if keys else problem.rows
        if not keys or rest.any():
            found.append(_with_rows(rows, problem, rest) if keys else problem)
    return found
