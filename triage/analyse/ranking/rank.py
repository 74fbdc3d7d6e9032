"""The ranking of suspects: what each kind of evidence says, put together per component.

In: tables of an incident and of normal times, the call graph and the complaint, each as far as it is known.
Out: `Suspect`s, best first, none when nothing stands out. Method and figures: docs/ranking.md.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from triage.analyse.ranking.evidence_errors import (
    ERROR_LOG,
    ORIGIN,
    error_log_evidence,
    origin_evidence,
    passed_on,
)
from triage.analyse.ranking.evidence_flow import KIND as FLOW
from triage.analyse.ranking.evidence_flow import collect_visits, flow_evidence, spans_of_logs
from triage.analyse.ranking.evidence_metrics import RESOURCE, SYMPTOM, resource_evidence, symptom_evidence
from triage.analyse.ranking.evidence_time import KIND as TIME
from triage.analyse.ranking.evidence_time import time_evidence
from triage.analyse.ranking.forest import Forest, grow
from triage.analyse.ranking.log_shape import shape
from triage.analyse.ranking.tables import (
    Complaint,
    Evidence,
    LogTable,
    MetricTable,
    SpanTable,
    Suspect,
    Template,
    no_logs,
)

WEIGHTS: Final[Mapping[str, float]] = {
    ORIGIN: 0.9, FLOW: 0.9, TIME: 0.9, RESOURCE: 0.9, SYMPTOM: 0.9, ERROR_LOG: 0.45,
}
SYMPTOM_BESIDE_TRACES: Final = 0.2  # traces show the same latency with its cause; the metric then adds little
STANDS_OUT: Final = 0.25  # a best score below this is within what quiet times show
MENTIONED: Final = 0.02  # suspects with less are left out


@dataclass(frozen=True, slots=True)
class Scene:
    """What is known of one period."""

    spans: SpanTable
    logs: LogTable
    metrics: MetricTable


def rank(
    incident: Scene,
    normal: Scene,
    graph: Sequence[tuple[str, str]] = (),
    complaint: Complaint | None = None,
    *,
    template: Template = shape,
    weights: Mapping[str, float] = WEIGHTS,
) -> list[Suspect]:
    """Suspects for an incident, best first; [] when nothing stands out. `template` makes log lines comparable."""
    return combine(gather(incident, normal, graph, complaint, template), weights)


def rank_spans(
    failing: SpanTable,
    healthy: SpanTable,
    logs_failing: LogTable | None = None,
    logs_healthy: LogTable | None = None,
    *,
    template: Template = shape,
) -> list[Suspect]:
    """Suspects from live traces: failing against healthy ones, with their logs where there are any.

    Services that only pass errors on are named too, at the end, with that reason in `why_not`.
    """
    incident = Scene(failing, logs_failing or no_logs(), {})
    normal = Scene(healthy, logs_healthy or no_logs(), {})
    suspects = rank(incident, normal, template=template)
    against = passed_on(grow(failing))
    for suspect in suspects:
        if suspect.component in against:
            suspect.why_not.append(against.pop(suspect.component))
    if suspects:
        suspects += [Suspect(service, 0.0, [], [told]) for service, told in sorted(against.items())]
    return suspects


def gather(
    incident: Scene,
    normal: Scene,
    graph: Sequence[tuple[str, str]],
    complaint: Complaint | None,
    template: Template,
) -> list[Evidence]:
    """All evidence of all kinds that the data allow."""
    found = error_log_evidence(incident.logs, normal.logs, template)
    if len(incident.spans):
        now, before = grow(incident.spans), grow(normal.spans)
        found += origin_evidence(now, before)
        found += time_evidence(now, before)
        graph = list(dict.fromkeys([*graph, *calls_of(now)]))
    else:
        now = grow(spans_of_logs(incident.logs, template))
        before = grow(spans_of_logs(normal.logs, template))
    found += flow_evidence(
        now, collect_visits(now, incident.logs, template), collect_visits(before, normal.logs, template)
    )
    found += resource_evidence(incident.metrics, normal.metrics)
    worth = SYMPTOM_BESIDE_TRACES if len(incident.spans) else 1.0
    for one in symptom_evidence(incident.metrics, normal.metrics, graph, complaint):
        found.append(Evidence(one.component, one.kind, one.strength * worth, one.why))
    return found


def calls_of(forest: Forest) -> list[tuple[str, str]]:
    """Call edges (caller, callee) between services that the traces show."""
    service = forest.spans.service
    edges = {(service[above], service[row]) for row, above in enumerate(forest.parent) if above >= 0}
    return sorted((caller, callee) for caller, callee in edges if caller != callee)


def combine(evidence: Sequence[Evidence], weights: Mapping[str, float] = WEIGHTS) -> list[Suspect]:
    """One score per component: the chance that not every piece of evidence against it is an accident (noisy or)."""
    by_component: dict[str, list[Evidence]] = defaultdict(list)
    for one in evidence:
        if one.component and weights.get(one.kind, 0.0) * one.strength >= MENTIONED:
            by_component[one.component].append(one)
    suspects = []
    for component, pieces in by_component.items():
        accident = 1.0
        for kind in {one.kind for one in pieces}:
            accident *= 1 - weights[kind] * max(one.strength for one in pieces if one.kind == kind)
        pieces.sort(key=lambda one: -weights[one.kind] * one.strength)
        suspects.append(Suspect(component, round(1 - accident, 4), [one.why for one in pieces]))
    suspects.sort(key=lambda suspect: (-suspect.score, suspect.component))
    if not suspects or suspects[0].score < STANDS_OUT:
        return []
    return suspects
