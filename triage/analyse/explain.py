"""A problem and its samples -> a Finding that a person can read. Pure; runs in the analysis process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from triage.analyse.anomalies.series import SeriesAnomaly
from triage.analyse.changes import ChangeSeen
from triage.analyse.compare import compare
from triage.analyse.impact import ImpactOf
from triage.analyse.problems import Problem
from triage.analyse.samples import UNSAID
from triage.analyse.suspects import Samples, suspects_of
from triage.analyse.titles import title_of
from triage.domain.finding import Finding, FindingKind
from triage.domain.incident import Comparison, Severity, Suspect
from triage.domain.windows import MINUTE_NS

TRACES: Final = 20
MOSTLY: Final = 0.95
ELSEWHERE: Final = 0.6
_PLACE_NAMES: Final = ("cloud.region", "cloud.availability_zone", "service.version", "service.instance.id", "gateway instance")
_SIDE_WORDS: Final = {
    "bank": "The bank's side.", "gateway": "The gateway's side.", "partner": "The partner's side.",
    "customer": "The customers have to act.", "external": "An external provider's side.", "unknown": "Whose side is not known yet.",
}


def explain(
    problem: Problem, impact: ImpactOf, samples: Samples, changes: Sequence[ChangeSeen], titles: Mapping[str, str],
    bank_services: frozenset[str],
) -> Finding:
    """`titles`: group -> its title, for the problem's groups."""
    suspects = suspects_of(problem, impact, samples, changes, bank_services)
    comparison = compare(samples.calls_failing, samples.calls_healthy, unsaid=UNSAID) if problem.kind != "traffic_drop" else []
    scope = narrowed(impact, comparison)
    services = list(dict.fromkeys([*impact.services, *(s.name for s in suspects if s.kind == "service" and s.score >= 0.5)]))
    since_ns, until_ns = problem.since * MINUTE_NS, problem.until * MINUTE_NS + MINUTE_NS - 1
    return Finding(
        key=_key(problem), kinds=_kinds(problem), kind=problem.kind, title=title_of(problem, impact, titles, suspects),
        summary=_summary(problem, impact, suspects, scope), scope=scope, severity=severity(problem, impact),
        whose_side=_side(problem, impact), since_ns=since_ns, until_ns=until_ns, failed_calls=impact.failed,
        total_calls=impact.total, customers=samples.customers, partners=impact.partners, apis=impact.apis,
        services=services[:20], instances=[s.name for s in suspects if s.kind == "instance"], suspects=suspects,
        groups=problem.groups[:50], trace_ids=_traces(problem, impact, samples), series=impact.series,
        comparison=comparison, restricted=problem.kind == "abnormal_use",
    )


def _traces(problem: Problem, impact: ImpactOf, samples: Samples) -> list[str]:
    """Example traces: those of failures, of slowness the slowest that were looked at."""
    slow = samples.failing.trace_id if problem.kind == "latency" else ()
    return list(dict.fromkeys([*problem.down_traces, *impact.traces, *slow]))[:TRACES]


def narrowed(impact: ImpactOf, comparison: Sequence[Comparison]) -> str:
    """The scope, and the one region, zone, version or instance that holds nearly all failures although most healthy calls pass others."""
    if impact.scope_kind in ("partner", "partner_api"):
        return impact.scope
    for ending in _PLACE_NAMES:
        place = next((c for c in comparison if c.attribute.endswith(ending) and c.failing >= MOSTLY and c.healthy <= ELSEWHERE), None)
        if place is not None:
            return f"{impact.scope}, only {place.attribute} {place.value}"
    return impact.scope


def _key(problem: Problem) -> str:
    """Refusals and a storm of the same partner are one problem, and so is everything that slows down at one time."""
    if problem.key:
        return problem.key
    if problem.kind == "latency":
        return f"latency|{problem.owner}"
    return f"{'errors' if problem.rows.any() else problem.kind}|{problem.owner}"


def _kinds(problem: Problem) -> list[FindingKind]:
    kinds: list[FindingKind] = ["endpoint_down"] if problem.downs else []
    if problem.new:
        kinds.append("new_group")
    if problem.grown:
        kinds.append("growing_group")
    if problem.anomalies:
        kinds.append("series_anomaly")
    return kinds


def _side(problem: Problem, impact: ImpactOf) -> str:
    if problem.kind == "latency":
        return "bank"
    if problem.kind in ("traffic_drop", "traffic_surge", "abnormal_use"):
        return "partner" if problem.owner.startswith("partner:") else "unknown"
    return impact.side


def severity(problem: Problem, impact: ImpactOf) -> Severity:
    """Critical: a fault that many partners or a large share of the calls feel; low: few calls, or nobody but a caller itself."""
    share = impact.failed / impact.total if impact.total else 0.0
    if problem.kind in ("latency", "traffic_drop", "traffic_surge"):
        return "medium" if len(impact.partners) > 2 else "low"
    if impact.side in ("bank", "gateway", "external", "unknown"):
        if (len(impact.partners) >= 8 and share >= 0.2) or len(impact.partners) >= 20:
            return "critical"
        return "high" if len(impact.partners) >= 2 or share >= 0.5 or impact.failed >= 100 else "medium"
    if impact.scope_kind in ("partner", "partner_api"):
        return "high" if share >= 0.8 and impact.failed >= 50 else "medium"
    return "medium" if impact.failed >= 50 else "low"


def _summary(problem: Problem, impact: ImpactOf, suspects: Sequence[Suspect], scope: str) -> str:
    share = f" ({impact.failed / impact.total:.0%} of them)" if impact.total and impact.failed else ""
    partners = f"{len(impact.partners)} partners" if len(impact.partners) > 1 else (
        impact.partners[0].name if impact.partners else "no known partner")
    if problem.kind in ("errors", "endpoint_down"):
        first = f"{impact.failed:,} calls{share} of {partners} failed; scope: {scope}."
    else:
        reasons = dict.fromkeys(_reason(a) for a in sorted(problem.anomalies, key=lambda a: -a.score)[:2])
        first = ". ".join([*reasons, f"Scope: {scope}."])
    cause = _cause(suspects[0]) if suspects and suspects[0].score >= 0.5 else ""
    down = "".join(f" {sentence}" for sentence in problem.downs[:2])
    return f"{first}{cause}{down} {_SIDE_WORDS[_side(problem, impact)]}"


def _reason(anomaly: SeriesAnomaly) -> str:
    """What moved, and of what where that is not the one partner of the incident."""
    of = f"{anomaly.key.id}: " if anomaly.key.kind == "api" else ""
    return f"{of}{anomaly.why.rstrip('.')}"


def _cause(first: Suspect) -> str:
    """An API is where it shows, not what causes it."""
    if first.kind == "api":
        return f" No component stands out; {first.why[0] if first.why else 'only the API is known'}."
    return f" Most likely cause: {first.name}."
