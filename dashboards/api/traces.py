"""Traces as JSON."""

from __future__ import annotations

from typing import Any, Final

from flask import Blueprint

from dashboards import gate
from dashboards.api.common import PREFIX
from dashboards.call_rows import call_json
from dashboards.traces import read_trace
from dashboards.waterfall import as_list, as_object
from triage.domain.windows import rfc3339

api: Final = Blueprint("api_traces", __name__, url_prefix=PREFIX)


@api.get("/traces/<trace_id>")
def show(trace_id: str) -> dict[str, Any]:
    """Spans and logs of a trace, its calls and incidents. Raises KeyError when nothing of it is kept."""
    trace = read_trace(gate.parts(), trace_id)
    if not len(trace.spans) and not len(trace.logs) and not trace.calls:
        raise KeyError(f"trace {trace_id}")
    return {
        "trace_id": trace.trace_id, "spans": [_span(row) for row in trace.spans.to_pylist()],
        "logs": [_log(row) for row in trace.logs.to_pylist()], "calls": [call_json(call) for call in trace.calls],
        "incidents": list(trace.incidents),
    }


def _span(row: dict[str, Any]) -> dict[str, Any]:
    events = [{**event, "at": rfc3339(event.pop("time_ns"))} if "time_ns" in event else event
              for event in as_list(row["events"])]
    return {**_record(row), "at": rfc3339(row["time_ns"]), "duration_ms": round(row["duration_ns"] / 1e6, 6), "events": events,
            "parent_id": row["parent_id"] or None}


def _log(row: dict[str, Any]) -> dict[str, Any]:
    return {**_record(row), "at": rfc3339(row["time_ns"])}


def _record(row: dict[str, Any]) -> dict[str, Any]:
    plain = {name: value for name, value in row.items() if name not in ("time_ns", "duration_ns", "events")}
    return {**plain, "attributes": as_object(row["attributes"]), "resource": as_object(row["resource"])}
