"""Incidents against a scenario's truth: which are right, complete, rightly explained and early."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from bench.catalogue_play import Played

from triage.domain.incident import Incident
from triage.domain.windows import MINUTE_NS, NS
from triage.simulator.catalogue import ExpectedIncident, Scenario
from triage.simulator.traffic import Emitted, Simulator

LATE_NS: Final = 3 * MINUTE_NS
"""Failures may trail so far behind the fault: calls in flight, counted by the minute."""
BLAMED: Final = 0.5


@dataclass(frozen=True, slots=True)
class Wanted:
    """A true incident with the partners and APIs that it really touched."""

    truth: ExpectedIncident
    partners: frozenset[str]
    apis: frozenset[str]


@dataclass(slots=True)
class Hit:
    """How well an incident answers for a true one."""

    kind: str
    detect_s: float
    partners: bool
    apis: bool
    root: bool
    side: bool
    same_kind: bool


@dataclass(slots=True)
class Score:
    """The result of one scenario."""

    name: str
    seed: int
    wanted: int
    hits: list[Hit] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
    extra: list[str] = field(default_factory=list)
    blamed: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    incidents: int = 0
    runs: int = 0
    seconds: float = 0.0
    longest_s: float = 0.0


def score(scenario: Scenario, seed: int, played: Played, seconds: float) -> Score:
    """Match by time, side and scope, each true incident once; what is left over is missed or extra."""
    result = Score(scenario.name, seed, len(scenario.truth), runs=played.runs, seconds=seconds, longest_s=played.longest_s)
    result.incidents = len(played.incidents)
    left = sorted(played.incidents, key=lambda i: played.found_at[i.id])
    for wanted in wanted_of(scenario, seed):
        fits = [i for i in left if _fits(i, wanted)]
        if not fits:
            result.missed.append(f"{wanted.truth.kind} of {wanted.truth.root}")
            continue
        best = max(fits, key=lambda i: (i.kind == wanted.truth.kind, _overlap(i, wanted), i.failed_calls))
        left.remove(best)
        result.hits.append(_hit(best, wanted, played.found_at[best.id], result))
    result.extra = [_say(incident) for incident in left]
    blames = {(s.name, i.id) for i in played.incidents for s in i.suspects if s.kind == "change" and s.score >= BLAMED}
    right = {truth.change for truth in scenario.truth if truth.change}
    result.blamed = [f"{name} for {incident}" for name, incident in sorted(blames) if name not in right]
    return result


def wanted_of(scenario: Scenario, seed: int) -> list[Wanted]:
    """The truth with the sets that the simulator emitted."""
    simulator = scenario.simulator(seed)
    effects = simulator.emitted(scenario.begin_ns, scenario.end_ns)
    return [_wanted(scenario, simulator, t, e) for t, e in zip(scenario.truth, effects, strict=True)]


def _wanted(scenario: Scenario, simulator: Simulator, truth: ExpectedIncident, effect: Emitted) -> Wanted:
    if effect.failed and truth.kind not in ("latency", "traffic_drop"):
        return Wanted(truth, frozenset(effect.partners), frozenset(scenario.bank.routes(tuple(effect.apis))))
    begin, end = (scenario.begin_ns, truth.begin_ns) if truth.kind == "traffic_drop" else (
        truth.begin_ns, truth.end_ns)
    calls = [
        (scenario.bank.partners[call.partner_place].id, f"{call.api.method} {call.api.route}")
        for call in simulator.calls(begin, end)
    ]
    mine = [(p, a) for p, a in calls if a in truth.apis and (not truth.partners or p in truth.partners)]
    return Wanted(truth, frozenset(p for p, _ in mine), frozenset(a for _, a in mine))


def apis_of(incident: Incident) -> frozenset[str]:
    """As 'METHOD route'."""
    return frozenset(f"{api.method} {api.route}".strip() for api in incident.apis)


def partners_of(incident: Incident) -> frozenset[str]:
    """By ID."""
    return frozenset(partner.id for partner in incident.partners)


def _overlap(incident: Incident, wanted: Wanted) -> float:
    mine = {*partners_of(incident), *apis_of(incident)}
    theirs = {*wanted.partners, *wanted.apis}
    return len(mine & theirs) / max(len(mine | theirs), 1)


def _fits(incident: Incident, wanted: Wanted) -> bool:
    truth = wanted.truth
    in_time = incident.first_seen_ns < truth.end_ns + LATE_NS and incident.last_seen_ns >= truth.begin_ns
    if not in_time or (incident.kind == "abnormal_use") != (truth.kind == "abnormal_use"):
        return False
    if truth.partners and not set(truth.partners) & partners_of(incident):
        return False
    return incident.whose_side == truth.side and bool(apis_of(incident) & wanted.apis)


def _hit(incident: Incident, wanted: Wanted, found_ns: int, result: Score) -> Hit:
    truth = wanted.truth
    hit = Hit(
        truth.kind, (found_ns - truth.begin_ns) / NS, partners_of(incident) == wanted.partners,
        apis_of(incident) == wanted.apis, _root_first(incident, truth), incident.whose_side == truth.side,
        incident.kind == truth.kind,
    )
    if not hit.partners:
        result.notes.append(_difference("partners", partners_of(incident), wanted.partners))
    if not hit.apis:
        result.notes.append(_difference("APIs", apis_of(incident), wanted.apis))
    if not hit.root:
        first = [f"{s.kind} {s.name} {s.score}" for s in incident.suspects[:3]]
        result.notes.append(f"first {first}, wanted {truth.root_kind} {truth.root}")
    if not hit.same_kind:
        result.notes.append(f"kind {incident.kind}, wanted {truth.kind}")
    result.notes.append(f"{hit.detect_s:.0f} s: {_say(incident)}")
    return hit


def _difference(what: str, mine: frozenset[str], wanted: frozenset[str]) -> str:
    return f"{what}: of {len(wanted)} missing {sorted(wanted - mine)[:4]}, beside them {sorted(mine - wanted)[:4]}"


def _root_first(incident: Incident, truth: ExpectedIncident) -> bool:
    if not incident.suspects:
        return False
    first = incident.suspects[0]
    names = {first.name, *(p.id for p in incident.partners if p.name == first.name)}
    return first.kind == truth.root_kind and truth.root in names


def _say(incident: Incident) -> str:
    return (
        f"{incident.id} {incident.kind} {incident.state} {incident.severity} {incident.whose_side} '{incident.title}' "
        f"({incident.scope}; {incident.failed_calls} failed, {len(incident.partners)} partners, {len(incident.apis)} APIs, "
        f"{(incident.last_seen_ns - incident.first_seen_ns) / MINUTE_NS:.0f} min)"
    )


@dataclass(frozen=True, slots=True)
class Total:
    """The figures over many scenarios; shares 0 to 1, NaN where nothing was to be judged."""

    scenarios: int
    precision: float
    recall: float
    exact_sets: float
    root_first: float
    false_blame: float
    median_detect_s: float
    quiet_incidents: int
    same_kind: float


def total(scores: Sequence[Score]) -> Total:
    """All scenarios together."""
    hits = [hit for one in scores for hit in one.hits]
    found = sum(one.incidents for one in scores)
    wanted = sum(one.wanted for one in scores)
    times = sorted(hit.detect_s for hit in hits)
    return Total(
        len(scores), _share(len(hits), found), _share(len(hits), wanted),
        _share(sum(hit.partners and hit.apis for hit in hits), len(hits)), _share(sum(hit.root for hit in hits), len(hits)),
        _share(len({blame.rpartition(" ")[2] + one.name for one in scores for blame in one.blamed}), found),
        times[len(times) // 2] if times else float("nan"),
        sum(one.incidents for one in scores if not one.wanted), _share(sum(hit.same_kind for hit in hits), len(hits)),
    )


def _share(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")
