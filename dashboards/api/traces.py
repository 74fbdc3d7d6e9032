"""Traces as JSON."""

from __future__ import annotations

from typing import Any, Final

from flask import Blueprint

from dashboards import gate
from dashboards.api.common import PREFIX
from dashboards.records.call_rows import call_json
from dashboards.records.record_json import log_json, span_json
from dashboards.records.traces import read_trace

api: Final = Blueprint("api_traces", __name__, url_prefix=PREFIX)


@api.get("/traces/<trace_id>")
def show(trace_id: str) -> dict[str, Any]:
    """Spans and logs of a trace, its calls and incidents. Raises KeyError when nothing of it is kept."""
    trace = read_trace(gate.parts(), trace_id)
    if not len(trace.spans) and not len(trace.logs) and not trace.calls:
        raise KeyError(f"trace {trace_id}")
    return {
        "trace_id": trace.trace_id, "spans": [span_json(row) for row in trace.spans.to_pylist()],
        "logs": [log_json(row) for row in trace.logs.to_pylist()], "calls": [call_json(call) for call in trace.calls],
        "incidents": list(trace.incidents),
    }
