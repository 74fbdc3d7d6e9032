"""Incident -> its page: a verdict in sentences, numbers, evidence, the trace that shows it, what happened, what was told."""

from __future__ import annotations

from dataclasses import replace
from statistics import median
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from dashboards import gate
from dashboards.alerts.telling import incident_notices, silenced_words
from dashboards.attempt import attempt
from dashboards.groups.model import link_to
from dashboards.health.rollups import api_id
from dashboards.incidents.rows import failing_until, is_quiet, select_incidents
from dashboards.pages import Fact, GroupLink, IncidentPage, NoticeRow, TimelineRow, TraceView
from dashboards.parts import Parts
from dashboards.records.waterfall import trace_view
from dashboards.svg import Curve, curve
from dashboards.words import count, plural, share, short_time, span_of_time
from triage.domain.columns import Signal
from triage.domain.incident import Incident, TimelineEntry
from triage.domain.windows import MINUTE_NS, Window
from triage.incidents import documents
from triage.ports.records import Condition

_INLINE_ROWS: Final = 24
_TRACES_TRIED: Final = 8
_REFUSED: Final = 400
_GROUPS: Final = 10
_NOBODY: Final = frozenset({"", "unknown"})
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
        silenced=silenced_words(parts, incident) if incident.is_live() else "",
        complaints=parts.state.count("complaint", [(f"incident:{incident.id}",)]),
        merge_choices=tuple((other.id, other.title) for other in others if other.id != incident.id),
        can_act=gate.may("act"), assignees=_assignees(incident), now_ns=now,
    )


def _facts(incident: Incident, now_ns: int) -> tuple[Fact, ...]:
    end = failing_until(incident, now_ns)
    began = short_time(incident.first_seen_ns, now_ns)
    facts = [_calls_fact(incident),
             Fact(count(len(incident.partners)), "partner" if len(incident.partners) == 1 else "partners")]
    if incident.customers:
        facts.append(Fact(count(incident.customers), "customer" if incident.customers == 1 else "customers"))
    places = incident.services or [f"{api.method} {api.route}" for api in incident.apis]
    if places:
        noun = "service" if incident.services else "API"
        facts.append(Fact(count(len(places)), plural(len(places), noun).split(" ", 1)[1]))
    lasted = span_of_time(end - incident.first_seen_ns)
    quiet = is_quiet(incident, now_ns)
    facts.append(Fact(lasted, f"since {began} UTC" if incident.is_live() and not quiet else f"from {began} UTC on" if quiet
                      else f"from {began} UTC, over"))
    if quiet:
        what = "no failure" if incident.kind in ("errors", "endpoint_down") else "as usual"
        facts.append(Fact(span_of_time(now_ns - end), f"{what} since {short_time(end, now_ns)} UTC"))
    return tuple(facts)


def _calls_fact(incident: Incident) -> Fact:
    """The calls that it is about: failed ones, or what moved where nothing fails."""
    failed = share(incident.failed_calls, incident.total_calls)
    match incident.kind:
        case "traffic_drop":
            return Fact(f"about {count(_missing(incident))}", "calls missing")
        case "latency":
            return Fact(count(incident.total_calls), "calls in that time")
        case "traffic_surge":
            return Fact(count(incident.total_calls), f"calls, {failed} failed" if incident.total_calls else "calls")
        case "abnormal_use":
            return Fact(count(incident.failed_calls), f"refused calls ({failed})" if incident.total_calls else "refused calls")
    return Fact(count(incident.failed_calls), f"failed calls ({failed})" if incident.total_calls else "failed calls")


def _missing(incident: Incident) -> int:
    """Calls that did not come, as many as came a minute before (median)."""
    first, last = incident.first_seen_ns // MINUTE_NS, incident.last_seen_ns // MINUTE_NS
    usual = [point.calls for point in incident.series if point.minute < first]
    came = sum(point.calls for point in incident.series if first <= point.minute <= last)
    return max(round(median(usual) * (last - first + 1)) - came, 0) if usual else 0


def _example(parts: Parts, incident: Incident) -> TraceView | None:
    """Of the incident's first traces the one that shows most: failing spans, else a refusal's status, else spans, else logs."""
    wanted = incident.trace_ids[:_TRACES_TRIED]
    if not wanted:
        return None
    spans, logs = (parts.records.by_trace(signal, wanted) for signal in _SHOWN)
    views = [trace_view(trace_id, _of(spans, trace_id), _of(logs, trace_id), limit=_INLINE_ROWS) for trace_id in wanted]
    refused = set(spans.filter(pc.greater_equal(spans.column("http_status"), _REFUSED)).column("trace_id").to_pylist())
    best = max(views, key=lambda view: (bool(view.origin), view.trace_id in refused, view.spans > 0, len(view.rows) > 0))
    return best if best.rows else None


def _of(table: pa.Table, trace_id: str) -> pa.Table:
    return table.filter(pc.equal(table.column("trace_id"), trace_id))


def _no_trace(incident: Incident, trace: TraceView | None) -> str:
    if trace is not None:
        return ""
    if not incident.trace_ids:
        return "Calls that do not come leave no trace." if incident.kind == "traffic_drop" else "No failing call of it carried a trace."
    return "Its example traces are not kept any more, or were not recorded in detail."


def _curve(incident: Incident) -> Curve | None:
    again = max((entry.at_ns for entry in incident.timeline if entry.action == "reopened"), default=0)
    marks = [(again, "reopened")] if again else [(incident.opened_ns, "opened")]
    if incident.resolved_ns:
        marks.append((incident.resolved_ns, "resolved"))
    return curve([(point.minute, point.calls, point.failed) for point in incident.series], marks)


def _timeline(incident: Incident, notices: tuple[NoticeRow, ...], now_ns: int) -> tuple[TimelineRow, ...]:
    rows = [_entry(incident, entry, now_ns) for entry in incident.timeline]
    rows += [TimelineRow(row.at_ns, short_time(row.at_ns, now_ns), f"{row.outcome}: {row.receiver}", row.what, row.tone)
             for row in notices if row.receiver]
    return tuple(sorted(rows, key=lambda row: row.at_ns))


def _entry(incident: Incident, entry: TimelineEntry, now_ns: int) -> TimelineRow:
    by_person = entry.actor not in ("analysis", "")
    action = entry.action.replace("_", " ")
    if action == "first failure" and incident.kind not in ("errors", "endpoint_down"):
        action = "began"
    what = f"{entry.actor}: {action}" if by_person else action
    reason, detail = entry.reason, entry.detail
    if entry.action == "escalated" and reason.startswith("severity raised"):  # the reason says it whole
        what, _, scope = reason.partition(": ")
        reason, detail = "", detail or scope
    if reason:
        what += f", {reason}"
    tone = _TONES.get(entry.action, "person" if by_person else "")
    return TimelineRow(entry.at_ns, short_time(entry.at_ns, now_ns), what, detail, tone)


def _similar(parts: Parts, incident: Incident) -> tuple[Incident, ...]:
    found = []
    for incident_id in incident.similar[:5]:
        doc = parts.state.get("incident", incident_id)
        if doc is not None and gate.visible(doc.tags) and (past := _before(documents.read(doc), incident.first_seen_ns)):
            found.append(past)
    return tuple(found)


def _before(other: Incident, at_ns: int) -> Incident | None:
    """Another incident as it was at its last episode that had ended before; None when it had none."""
    if not other.is_live() and other.last_seen_ns < at_ns:
        return other
    ended = [episode for episode in other.earlier if episode.until_ns < at_ns]
    return replace(other, first_seen_ns=ended[-1].since_ns, last_seen_ns=ended[-1].until_ns) if ended else None


def _groups(parts: Parts, incident: Incident) -> tuple[GroupLink, ...]:
    """Its groups, those with most errors in its time first. Without the record store: as they come, without numbers."""
    errors, _ = attempt(lambda: _errors_in(parts, incident), {})
    first = sorted(incident.groups, key=lambda group_id: -errors.get(group_id, 0))[:_GROUPS]
    return tuple(replace(link_to(parts, group_id), count=errors.get(group_id, 0)) for group_id in first)


def _errors_in(parts: Parts, incident: Incident) -> dict[str, int]:
    """Group -> its errors between the first and the last failure of the incident, of the partners that it affects.

    Errors of spans and logs that name no partner are counted, too.
    """
    if not incident.groups:
        return {}
    window = Window(incident.first_seen_ns // MINUTE_NS * MINUTE_NS, (incident.last_seen_ns // MINUTE_NS + 1) * MINUTE_NS)
    rows = parts.records.rollups("errors", window, [Condition("group_id", "in", tuple(incident.groups))])
    partners = {partner.id for partner in incident.partners} | _NOBODY
    errors: dict[str, int] = {}
    for row in rows.select(["group_id", "partner", "count"]).to_pylist():
        if len(partners) == len(_NOBODY) or row["partner"] in partners:
            errors[row["group_id"]] = errors.get(row["group_id"], 0) + row["count"]
    return errors


def _assignees(incident: Incident) -> tuple[str, ...]:
    mine = gate.person().name
    return tuple(dict.fromkeys(name for name in (mine, incident.assignee) if name))
