"""The complaint desk as JSON: lookups and complaints."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Final

from flask import Blueprint, request

from dashboards import gate
from dashboards.api.common import PREFIX, body, cursor, limit, listed
from dashboards.lookup.answer import look_up
from dashboards.lookup.complaints import complaint_json, register
from dashboards.lookup.words import side_sentence
from dashboards.records.call_rows import call_json

api: Final = Blueprint("api_lookup", __name__, url_prefix=PREFIX)


@api.get("/lookup")
def ask() -> dict[str, Any]:
    """Whatever ID the query holds, in any spelling."""
    result = look_up(gate.parts(), request.args.get("q", ""), gate.kept())
    matched = {"kind": result.matched_kind, "value": result.matched_value} if result.matched_kind else None
    incident = result.incident
    answer = {**asdict(result.answer), "side": side_sentence(result.answer.whose_side, result.found)}
    return {
        "query": result.query, "matched": matched, "reason": result.reason or None, "answer": answer,
        "calls": [call_json(call) for call in result.calls], "trace_id": result.trace_id or None,
        "incident": {"id": incident.id, "title": incident.title, "state": incident.state} if incident else None,
    }


@api.get("/complaints")
def index() -> dict[str, Any]:
    """Complaints, newest first; `?incident=` narrows them."""
    incident = request.args.get("incident")
    page = gate.parts().state.select("complaint", [(f"incident:{incident}",)] if incident else [], limit=limit(),
                                     cursor=cursor())
    return listed([complaint_json(doc.body) for doc in page.items], page.next)


@api.post("/complaints")
def complain() -> tuple[dict[str, Any], int]:
    """Register a complaint; it is linked to its calls and incident."""
    gate.demand("complain")
    return register(gate.parts(), body(), gate.kept()), 201
