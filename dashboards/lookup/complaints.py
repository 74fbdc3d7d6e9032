"""Complaints: a customer's trouble, linked to its calls and its incident. What people type is masked before it is kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from dashboards import gate
from dashboards.lookup.answer import look_up
from dashboards.parts import Kept, Parts
from triage.domain.windows import rfc3339
from triage.errors import BadInput, Conflict

CHANNELS: Final = ("phone", "mail", "chat", "branch", "app", "other")


def register(parts: Parts, sent: Mapping[str, Any], kept: Kept) -> dict[str, Any]:
    """Keep a complaint and the evidence for it, also beyond the retention. Returns it as JSON. Raises BadInput."""
    query, note, channel = (_text(sent, name) for name in ("query", "note", "channel"))
    if not query and not note:
        raise BadInput("A complaint needs a `query` (any ID) or a `note`.")
    if channel and channel not in CHANNELS:
        raise BadInput(f"`channel` is one of {', '.join(CHANNELS)}.")
    result = look_up(parts, query, kept) if query else None
    calls = result.calls if result else ()
    traces = {call.trace_id for call in calls if call.trace_id} | ({result.trace_id} if result and result.trace_id else set())
    call_ids = [call.call_id for call in calls]
    if traces or call_ids:
        parts.records.pin(traces, call_ids)
    incident = result.incident if result else None
    body = {
        "at_ns": parts.clock(), "by": gate.person().name, "note": parts.mask_text(note), "channel": channel or "other",
        "query": result.matched_value if result and result.matched_value else parts.mask_text(query),
        "matched_kind": result.matched_kind if result else "", "matched_value": result.matched_value if result else "",
        "reason": result.reason if result else "", "calls": call_ids,
        "trace_ids": sorted(traces), "incident_id": incident.id if incident else "",
    }
    tags = [f"incident:{incident.id}"] if incident else []
    return complaint_json(_keep(parts, body, tags))


def _keep(parts: Parts, body: dict[str, Any], tags: list[str]) -> dict[str, Any]:
    """Write it under the next number."""
    complaint = {"id": f"CMP-{_next_number(parts)}", **body}
    parts.state.put("complaint", complaint["id"], complaint, version=None, sort=body["at_ns"], tags=tags)
    return complaint


def _next_number(parts: Parts) -> int:
    """The next n of CMP-<n>. Several writers get different numbers."""
    while True:
        doc = parts.state.get("counter", "complaint")
        number = int(doc.body["last"]) + 1 if doc else 1
        try:
            parts.state.put("counter", "complaint", {"last": number}, version=doc.version if doc else None)
        except Conflict:
            continue
        return number


def complaint_json(body: Mapping[str, Any]) -> dict[str, Any]:
    """A complaint in the JSON of the interface."""
    return {
        "id": body["id"], "at": rfc3339(body["at_ns"]), "by": body["by"], "query": body["query"], "note": body["note"],
        "channel": body["channel"], "calls": body["calls"], "trace_ids": body["trace_ids"],
        "incident_id": body["incident_id"] or None, "reason": body["reason"] or None,
    }


def _text(sent: Mapping[str, Any], name: str) -> str:
    value = sent.get(name) or ""
    if not isinstance(value, str) or len(value) > 20_000:
        raise BadInput(f"`{name}` is a text of at most 20,000 characters.")
    return value.strip()
