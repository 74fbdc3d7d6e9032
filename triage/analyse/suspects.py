"""Who may have caused a problem, with the evidence for and against: partner, API, instance, service, provider, change. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from triage.analyse.changes import ChangeSeen, Scene, judge_changes
from triage.analyse.compare import Attributes
from triage.analyse.impact import ImpactOf
from triage.analyse.problems import Problem
from triage.analyse.ranking.rank import rank_spans
from triage.analyse.ranking.tables import LogTable, SpanTable
from triage.domain.incident import Suspect, SuspectKind
from triage.domain.windows import MINUTE_NS

Places = Sequence[tuple[str, str]]
"""(service, instance) that calls passed, or where they failed."""
MOST: Final = 8
GUILTY: Final = 0.6
"""A change with this score explains the problem and comes first."""
ON_ONE_INSTANCE: Final = 0.9
ONLY_CALLS: Final = 0.5
"""The score of a service whose only failures are calls to the first suspect, as a part of that one's."""
LEAST_FAILURES: Final = 5
_CHANCE: Final = 1e-3


@dataclass(frozen=True, slots=True)
class Samples:
    """Spans and logs of failing and of healthy traces, the calls among them as attributes, and distinct customers."""

    failing: SpanTable
    healthy: SpanTable
    logs_failing: LogTable
    logs_healthy: LogTable
    calls_failing: Sequence[Attributes]
    calls_healthy: Sequence[Attributes]
    customers: int
    failed_at: Places = ()
    passed: Places = ()


def suspects_of(
    problem: Problem, impact: ImpactOf, samples: Samples, changes: Sequence[ChangeSeen], bank_services: frozenset[str],
) -> list[Suspect]:
    """Best first. A change that explains the problem comes before what it broke."""
    what, _, owner = problem.owner.partition(":")
    mine: list[Suspect] = []
    if what == "partner":
        mine.append(_partner(impact, owner))
    elif what == "api":
        why = (f"the gateway cannot reach the upstream of {owner} and answers itself" if problem.rows.any()
               else "the calls of this API changed, whoever makes them")
        mine.append(Suspect("api", owner, 0.8, [why]))
    elif what == "service":
        mine += _components(impact, samples, bank_services)
        mine = [*_instance(samples, mine[0].name if mine else ""), *mine]
    scene = Scene(
        since_ns=problem.since * MINUTE_NS, services=[s.name for s in mine if s.kind in ("service", "external")][:1],
        apis=[f"{a.method} {a.route}" for a in impact.apis] if what in ("api", "service") else [],
        partners=[p.id for p in impact.partners], one_partner=what == "partner", side=impact.side,
        failing=samples.failing, healthy=samples.healthy, series=impact.series,
    )
    if mine and problem.downs:
        mine[0].why += problem.downs[:3]
    verdicts = judge_changes(changes, scene)
    ranked = [*(v for v in verdicts if v.score >= GUILTY), *mine, *(v for v in verdicts if v.score < GUILTY)][:MOST]
    for later, earlier in zip(reversed(ranked), list(reversed(ranked))[1:], strict=False):
        earlier.score = max(earlier.score, later.score)  # a change explains the service that it made fail, and is as sure
    return ranked


def _partner(impact: ImpactOf, owner: str) -> Suspect:
    name = impact.partners[0].name if impact.partners else owner
    why = (f"all {impact.failed:,} failures are calls of {name}; others call the same APIs unharmed" if impact.failed
           else f"only the traffic of {name} changed")
    return Suspect("partner", name, 0.9, [why])


def _components(impact: ImpactOf, samples: Samples, bank_services: frozenset[str]) -> list[Suspect]:
    """Services and providers by the traces; where failures begin comes first, which is stronger evidence than slowness."""
    tables = samples.failing, samples.healthy, samples.logs_failing, samples.logs_healthy
    ranked = rank_spans(*tables) if len(samples.failing) else []
    suspects = [
        Suspect(_kind_of(s.component, bank_services), s.component, round(float(s.score), 2), list(s.why), list(s.why_not))
        for s in ranked[:5]
    ]
    if not impact.services:
        return suspects
    name = impact.services[0]
    first = next((s for s in suspects if s.name == name), None) or Suspect(_kind_of(name, bank_services), name, 0.7)
    first.score = max(0.7, first.score, *(s.score for s in suspects))
    first.why.insert(0, f"the first component that fails in {impact.failed:,} failed calls")
    others = [s for s in suspects if s.name != name]
    if _unreached(samples, name):
        for other in others:
            other.why = [why for why in other.why if not why.startswith(f"errors begin in {other.name} ")]
            other.why_not.append(f"its failing calls are those that {name} does not answer")
            other.score = min(other.score, round(first.score * ONLY_CALLS, 2))
    return [first, *others]


def _unreached(samples: Samples, service: str) -> bool:
    """Whether the failing traces end in calls to a service that has no span of its own in them."""
    places = Counter(place for place, _ in samples.failed_at)
    silent = service not in {name for name, bad in zip(samples.failing.service, samples.failing.error, strict=True) if bad}
    return silent and places[service] >= ON_ONE_INSTANCE * max(sum(places.values()), 1)


def _kind_of(component: str, bank_services: frozenset[str]) -> SuspectKind:
    return "service" if component in bank_services else "external"


def _instance(samples: Samples, service: str) -> list[Suspect]:
    """The one instance that nearly all failures name although calls pass others too."""
    failed = Counter(place for place in samples.failed_at if place[0] == service and place[1])
    passed = Counter(place for place in samples.passed if place[0] == service and place[1])
    count, all_passed = sum(failed.values()), sum(passed.values())
    if count < LEAST_FAILURES or not all_passed:
        return []
    place, most = failed.most_common(1)[0]
    usual = (passed[place] + 0.5) / (all_passed + 1)
    if most < ON_ONE_INSTANCE * count or usual ** most > _CHANCE or len(passed.keys() | {place}) < 2:
        return []
    share = passed[place] / all_passed
    why = f"{most / count:.0%} of the failures are on this instance, which {share:.0%} of the healthy calls pass"
    return [Suspect("instance", place[1], 0.85, [why])]
