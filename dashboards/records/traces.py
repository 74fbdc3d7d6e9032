"""One trace: spans and logs in one timeline, the calls of it and the incidents that it belongs to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from flask import Blueprint, request

from dashboards import gate
from dashboards.lookup.ids import candidates
from dashboards.pages import CallRow, TracePage
from dashboards.parts import Parts
from dashboards.records.call_rows import call_rows, calls_of
from dashboards.records.waterfall import trace_view
from dashboards.render import render

pages: Final = Blueprint("traces", __name__)
_ROWS: Final = 400


@dataclass(frozen=True, slots=True)
class Trace:
    """Everything that is kept of a trace; Arrow tables of spans and logs."""

    trace_id: str
    spans: Any
    logs: Any
    calls: tuple[CallRow, ...]
    incidents: tuple[str, ...]


def read_trace(parts: Parts, text: str) -> Trace:
    """The trace of an ID in any spelling. Without records it is empty; raises KeyError for what is no ID."""
    guesses = candidates(text)
    if not guesses:
        raise KeyError(f"trace {text}")
    spellings = [spelling for spelling in guesses[0].spellings if len(spelling) == 32] or [guesses[0].spellings[0]]
    for trace_id in spellings:
        trace = _read(parts, trace_id)
        if len(trace.spans) or len(trace.logs) or trace.calls:
            return trace
    return _read(parts, spellings[0])


def _read(parts: Parts, trace_id: str) -> Trace:
    spans, logs = parts.records.by_trace("spans", [trace_id]), parts.records.by_trace("logs", [trace_id])
    calls = call_rows(parts, calls_of(parts.records.by_trace("calls", [trace_id])))
    incidents = tuple(dict.fromkeys(call.incident_id for call in calls if call.incident_id))
    return Trace(trace_id, spans, logs, calls, incidents)


@pages.get("/traces/<trace_id>")
def show(trace_id: str) -> str:
    """The page."""
    parts = gate.parts()
    trace = read_trace(parts, trace_id)
    everything = "all" in request.args
    view = trace_view(trace.trace_id, trace.spans, trace.logs, limit=100_000 if everything else _ROWS)
    titles = [(incident_id, _title(parts, incident_id)) for incident_id in trace.incidents]
    return render(TracePage(
        trace_id=trace.trace_id, trace=view if view.rows else None, calls=trace.calls, incidents=tuple(titles),
        why_empty=_why_empty(trace), now_ns=parts.clock(),
    ))


def _title(parts: Parts, incident_id: str) -> str:
    doc = parts.state.get("incident", incident_id)
    return str(doc.body.get("title", "")) if doc else ""


def _why_empty(trace: Trace) -> str:
    if trace.calls:
        return "The gateway saw this call, but no spans or logs of it were kept: it was not sampled, or its services send none."
    return ("Nothing with this trace ID is kept: it is older than the retention, was not sampled, was never sent, or is mistyped. "
            "The complaint desk can look for other spellings of it.")
