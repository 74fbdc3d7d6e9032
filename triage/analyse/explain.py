"""A problem and its samples -> a Finding that a person can read. Pure; runs in the analysis process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from triage.analyse.changes import ChangeSeen, Scene, judge_changes
from triage.analyse.compare import Attributes, compare
from triage.analyse.impact import ImpactOf
from triage.analyse.problems import Problem
from triage.analyse.rank import rank_spans
from triage.analyse.tables import LogTable, SpanTable
from triage.domain.finding import Finding, FindingKind
from triage.domain.incident import Severity, Suspect, SuspectKind
from triage.domain.windows import MINUTE_NS

TRACES: Final = 20
_SIDE_WORDS: Final = {
    "bank": "The bank's side.", "gateway": "The gateway's side.", "partner": "The partner's side.",
    "customer": "The customers have to act.", "external": "An external provider's side.", "unknown": "Whose side is not known yet.",
}


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


def explain(
    problem: Problem, impact: ImpactOf, samples: Samples, changes: Sequence[ChangeSeen], titles: Mapping[str, str],
    bank_services: frozenset[str],
) -> Finding:
    """`titles`: group -> its title, for the problem's groups."""
    suspects = _suspects(problem, impact, samples, changes, bank_services)
    services = list(dict.fromkeys([*impact.services, *(s.name for s in suspects if s.kind == "service" and s.score >= 0.3)]))
    since_ns, until_ns = problem.since * MINUTE_NS, problem.until * MINUTE_NS + MINUTE_NS - 1
    return Finding(
        key=_key(problem, impact), kinds=_kinds(problem), kind=problem.kind, title=_title(problem, impact, titles, suspects),
        summary=_summary(problem, impact, suspects), scope=impact.scope, severity=severity(problem, impact),
        whose_side=_side(problem, impact), since_ns=since_ns, until_ns=until_ns, failed_calls=impact.failed,
        total_calls=impact.total, customers=samples.customers, partners=impact.partners, apis=impact.apis,
        services=services[:20], instances=_instances(samples), suspects=suspects, groups=problem.groups[:50],
        trace_ids=impact.traces[:TRACES], comparison=compare(samples.calls_failing, samples.calls_healthy),
        series=impact.series,
    )


def _key(problem: Problem, impact: ImpactOf) -> str:
    if problem.groups:
        return f"{problem.kind}|{problem.groups[0]}"
    first = min(problem.anomalies, key=lambda a: (a.since_minute, a.key.kind, a.key.id))
    if problem.kind == "latency":
        return f"latency|{impact.services[0] if impact.services else first.key.id}"
    return f"{problem.kind}|{first.key.kind}|{first.key.id}"


def _kinds(problem: Problem) -> list[FindingKind]:
    kinds: list[FindingKind] = []
    if any(episode.new for episode in problem.episodes):
        kinds.append("new_group")
    if any(not episode.new for episode in problem.episodes):
        kinds.append("growing_group")
    if problem.anomalies:
        kinds.append("series_anomaly")
    return kinds


def _side(problem: Problem, impact: ImpactOf) -> str:
    if problem.kind == "latency":
        return "bank"
    if problem.kind in ("traffic_drop", "traffic_surge", "abnormal_use"):
        return "partner" if len(impact.partners) == 1 else "unknown"
    return impact.side


def severity(problem: Problem, impact: ImpactOf) -> Severity:
    """Critical: a fault that many partners or a large share of the calls feel; low: few calls, or nobody but a caller itself."""
    share = impact.failed / impact.total if impact.total else 0.0
    if problem.kind in ("latency", "traffic_drop", "traffic_surge"):
        return "medium" if len(impact.partners) > 2 else "low"
    if impact.side in ("bank", "gateway", "external", "unknown"):
        if len(impact.partners) >= 8 and share >= 0.2 or len(impact.partners) >= 20:
            return "critical"
        return "high" if len(impact.partners) >= 2 or share >= 0.5 or impact.failed >= 100 else "medium"
    if impact.scope_kind in ("partner", "partner_api"):
        return "high" if share >= 0.8 and impact.failed >= 50 else "medium"
    return "medium" if impact.failed >= 50 else "low"


def _suspects(
    problem: Problem, impact: ImpactOf, samples: Samples, changes: Sequence[ChangeSeen], bank_services: frozenset[str],
) -> list[Suspect]:
    ranked = rank_spans(samples.failing, samples.healthy, samples.logs_failing, samples.logs_healthy) if len(samples.failing) else []
    names = [s.component for s in ranked]
    services = [*impact.services, *(n for n in names if n not in impact.services)]
    one_partner = impact.scope_kind in ("partner", "partner_api")
    suspects = [
        Suspect(_kind_of(s.component, bank_services), s.component, round(float(s.score), 2), list(s.why), list(s.why_not))
        for s in ranked[:5]
    ]
    if impact.services and problem.rows.any() and impact.side in ("bank", "gateway", "external"):
        _raise_origin(suspects, impact, bank_services)
    if one_partner and impact.side in ("partner", "customer", "unknown"):
        partner = impact.partners[0]
        suspects.insert(0, Suspect("partner", partner.name, 0.9, [
            f"{partner.failed:,} of the {impact.failed:,} failures are {partner.name}'s; others call the same APIs unharmed"
            if impact.failed else f"only the traffic of {partner.name} changed"]))
    scene = Scene(
        since_ns=problem.since * MINUTE_NS, services=services, apis=[f"{a.method} {a.route}" for a in impact.apis],
        partners=[p.id for p in impact.partners], one_partner=one_partner, side=impact.side,
        failing=samples.failing, healthy=samples.healthy,
    )
    verdicts = judge_changes(changes, scene)
    best = [v for v in verdicts if v.score >= 0.6]
    return [*best, *suspects, *(v for v in verdicts if v.score < 0.6)][:8]


def _raise_origin(suspects: list[Suspect], impact: ImpactOf, bank_services: frozenset[str]) -> None:
    """The service where most failures begin comes first: the deepest failing span is stronger evidence than slowness."""
    name = impact.services[0]
    known = next((s for s in suspects if s.name == name), None)
    if known is None:
        known = Suspect(_kind_of(name, bank_services), name, 0.7)
    else:
        suspects.remove(known)
    known.score = max(known.score, 0.7)
    known.why.insert(0, f"the first component that fails in {impact.failed:,} failures" if len(impact.services) == 1
                     else "the first component that fails in most of the failures")
    suspects.insert(0, known)


def _kind_of(component: str, bank_services: frozenset[str]) -> SuspectKind:
    return "service" if component in bank_services else "external"


def _instances(samples: Samples) -> list[str]:
    """Instances that hold nearly all failing spans although healthy traffic passes others too."""
    failing = [i for i, error in zip(samples.failing.instance, samples.failing.error, strict=True) if error and i]
    if not failing:
        return []
    names = list(dict.fromkeys(failing))
    others = {i for i in samples.healthy.instance if i} - set(names)
    return names[:5] if len(names) <= 2 and others else []


def _title(problem: Problem, impact: ImpactOf, titles: Mapping[str, str], suspects: Sequence[Suspect]) -> str:
    who = impact.partners[0].name if len(impact.partners) == 1 or impact.scope_kind.startswith("partner") else ""
    if problem.kind == "latency":
        where = impact.services[0] if impact.services else next((s.name for s in suspects if s.kind == "service"), "")
        return f"{where or impact.scope} answers slower than usual"
    if problem.kind == "traffic_drop":
        return f"{who or impact.scope}: calls fell far below the usual number"
    if problem.kind == "traffic_surge":
        return f"{who or impact.scope}: far more calls than usual"
    what = titles.get(problem.groups[0], "calls fail") if problem.groups else "calls fail"
    if impact.scope_kind.startswith("partner") and impact.partners:
        return f"{impact.partners[0].name}: {what}"
    where = impact.services[0] if impact.services else ""
    return f"{where}: {what}" if where and where not in what else what


def _summary(problem: Problem, impact: ImpactOf, suspects: Sequence[Suspect]) -> str:
    share = f" ({impact.failed / impact.total:.0%} of them)" if impact.total and impact.failed else ""
    partners = f"{len(impact.partners)} partners" if len(impact.partners) > 1 else (
        impact.partners[0].name if impact.partners else "no known partner")
    if problem.kind == "errors":
        first = f"{impact.failed:,} calls{share} of {partners} failed; scope: {impact.scope}."
    else:
        reasons = "; ".join(dict.fromkeys(a.why for a in sorted(problem.anomalies, key=lambda a: -a.score)[:2]))
        first = f"{reasons}. Scope: {impact.scope}." if reasons else f"Scope: {impact.scope}."
    cause = f" Most likely cause: {suspects[0].name}." if suspects and suspects[0].score >= 0.5 else ""
    return f"{first}{cause} {_SIDE_WORDS[_side(problem, impact)]}"
