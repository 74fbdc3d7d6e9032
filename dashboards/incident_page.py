"""Incident -> its page: a verdict in sentences, numbers, evidence, the trace that shows it, what happened, what was told."""

from __future__ import annotations

from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from dashboards import gate
from dashboards.attempt import attempt
from dashboards.group_model import link_to
from dashboards.incident_rows import select_incidents
from dashboards.pages import Fact, GroupLink, IncidentPage, NoticeRow, TimelineRow, TraceView
from dashboards.parts import Parts
from dashboards.rollup_model import api_id
from dashboards.svg import Curve, curve
from dashboards.telling import incident_notices
from dashboards.waterfall import trace_view
from dashboards.words import count, plural, share, short_time, span_of_time
from triage.domain.columns import Signal
from triage.domain.incident import Incident, TimelineEntry
from triage.incidents import documents

_INLINE_ROWS: Final = 24
_TRACES_TRIED: Final = 8
_SHOWN: Final[tuple[Signal, ...]] = ("spans", "logs")
_TONES: Final = {"opened": "bad", "reopened": "bad", "escalated": "bad", "resolved": "good", "resolve": "good",
                 "first_failure": "bad"}


def incident_page(parts: Parts, incident: Incident) -> IncidentPage:
    """The page. What the record store cannot give now is left out, and said."""
    now = parts.clock()
    trace, trouble = attempt(lambda: _example(parts, incident), None)
    notices = incident_notices(parts, incident)
    others = select_incidents(parts, [("live:yes",)], limit=30).items if gate.may("act") else []
    return IncidentPage(
        incident=incident, verdict=incident.summary or incident.title, scope=incident.scope,
        facts=_facts(incident, now), trace=trace, trace_trouble=trouble or _no_trace(incident, trace),
        curve=_curve(incident), timeline=_timeline(incident, notices, now), notices=notices,
        similar=_similar(parts, incident), groups=_groups(parts, incident),
        apis=tuple((api_id(f"{api.method} {api.route}"), f"{api.method} {api.route}", api.failed, api.total)
                   for api in incident.apis),
        complaints=parts.state.count("complaint", [(f"incident:{incident.id}",)]),
        merge_choices=tuple((other.id, other.title) for other in others if other.id != incident.id),
        can_act=gate.may("act"), assignees=_assignees(incident), now_ns=now,
    )


def _facts(incident: Incident, now_ns: int) -> tuple[Fact, ...]:
    rate = f" ({share(incident.failed_calls, incident.total_calls)})" if incident.total_calls else ""
    what = {"latency": "slow calls", "traffic_drop": "calls missing", "traffic_surge": "calls more than usual",
            "abnormal_use": "unusual calls"}.get(incident.kind, "failed calls")
    end = now_ns if incident.is_live() else incident.last_seen_ns
    began = short_time(incident.first_seen_ns, now_ns)
    facts = [Fact(count(incident.failed_calls), what + rate),
             Fact(count(len(incident.partners)), "partner" if len(incident.partners) == 1 else "partners")]
    if incident.customers:
        facts.append(Fact(count(incident.customers), "customer" if incident.customers == 1 else "customers"))
    places = incident.services or [f"{api.method} {api.route}" for api in incident.apis]
    if places:
        noun = "service" if incident.services else "API"
        facts.append(Fact(count(len(places)), plural(len(places), noun).split(" ", 1)[1]))
    lasted = span_of_time(end - incident.first_seen_ns)
    facts.append(Fact(lasted, f"since {began} UTC" if incident.is_live() else f"from {began} UTC, over"))
    return tuple(facts)


def _example(parts: Parts, incident: Incident) -> TraceView | None:
    """Of the incident's first traces the one that shows most: failing spans, else spans, else logs."""
    wanted = incident.trace_ids[:_TRACES_TRIED]
    if not wanted:
        return None
    spans, logs = (parts.records.by_trace(signal, wanted) for signal in _SHOWN)
    views = [trace_view(trace_id, _of(spans, trace_id), _of(logs, trace_id), limit=_INLINE_ROWS) for trace_id in wanted]
    best = max(views, key=lambda view: (bool(view.origin), view.spans > 0, len(view.rows) > 0))
    return best if best.rows else None


def _of(table: pa.Table, trace_id: str) -> pa.Table:
    return table.filter(pc.equal(table.column("trace_id"), trace_id))


def _no_trace(incident: Incident, trace: TraceView | None) -> str:
    if trace is not None:
        return ""
    if not incident.trace_ids:
        return "No failing call of it carried a trace."
    return "Its example traces are not kept any more, or were not recorded in detail."


def _curve(incident: Incident) -> Curve | None:
    again = max((entry.at_ns for entry in incident.timeline if entry.action == "reopened"), default=0)
    marks = [(again, "reopened")] if again else [(incident.opened_ns, "opened")]
    if incident.resolved_ns:
        marks.append((incident.resolved_ns, "resolved"))
    return curve([(point.minute, point.calls, point.failed) for point in incident.series], marks)


def _timeline(incident: Incident, notices: tuple[NoticeRow, ...], now_ns: int) -> tuple[TimelineRow, ...]:
    rows = [_entry(entry, now_ns) for entry in incident.timeline]
    rows += [TimelineRow(row.at_ns, short_time(row.at_ns, now_ns), f"{row.outcome}: {row.receiver}", row.what, row.tone)
             for row in notices if row.receiver]
    return tuple(sorted(rows, key=lambda row: row.at_ns))


def _entry(entry: TimelineEntry, now_ns: int) -> TimelineRow:
    by_person = entry.actor not in ("analysis", "")
    action = entry.action.replace("_", " ")
    what = f"{entry.actor}: {action}" if by_person else action
    if entry.reason:
        what += f", {entry.reason}"
    tone = _TONES.get(entry.action, "person" if by_person else "")
    return TimelineRow(entry.at_ns, short_time(entry.at_ns, now_ns), what, entry.detail, tone)


def _similar(parts: Parts, incident: Incident) -> tuple[Incident, ...]:
    found = []
    for incident_id in incident.similar[:5]:
        doc = parts.state.get("incident", incident_id)
        if doc is not None and gate.visible(doc.tags):
            found.append(documents.read(doc))
    return tuple(found)


def _groups(parts: Parts, incident: Incident) -> tuple[GroupLink, ...]:
    return tuple(link_to(parts, group_id) for group_id in incident.groups[:10])


def _assignees(incident: Incident) -> tuple[str, ...]:
    mine = gate.person().name
    return tuple(dict.fromkeys(name for name in (mine, incident.assignee) if name))
