"""Incidents and what people do to them, as JSON."""

from __future__ import annotations

from typing import Any, Final

from flask import Blueprint, current_app, request

from dashboards import gate
from dashboards.alerts.telling import select_deliveries, silenced_json
from dashboards.api.common import PREFIX, body, cursor, limit, listed
from dashboards.incidents.actions import act
from dashboards.incidents.rows import get_incident, select_incidents
from dashboards.incidents.views import where_of
from triage.domain.incident import Incident
from triage.domain.incident_json import detail_json, summary_json

api: Final = Blueprint("api_incidents", __name__, url_prefix=PREFIX)
_NOTICES: Final = 200


@api.get("/incidents")
def index() -> dict[str, Any]:
    """All that the reader may see, newest first, narrowed by state, severity, partner, api, side, since."""
    where, since_ns = where_of(request.args)
    found = select_incidents(gate.parts(), where, limit=limit(), cursor=cursor(), since_ns=since_ns)
    return listed([summary_json(incident, _base()) for incident in found.items], found.next)


@api.get("/incidents/<incident_id>")
def show(incident_id: str) -> dict[str, Any]:
    """One, with its history."""
    return _detail(get_incident(gate.parts(), incident_id))


@api.post("/incidents/<incident_id>/actions")
def actions(incident_id: str) -> dict[str, Any]:
    """Act on one at the version that was looked at; 409 with who was first when it is stale."""
    return _detail(act(incident_id, body(), version_needed=True))


def _detail(incident: Incident) -> dict[str, Any]:
    deliveries, _ = select_deliveries(gate.parts(), [(f"incident:{incident.id}",)], limit=_NOTICES)
    complaints = gate.parts().state.count("complaint", [(f"incident:{incident.id}",)])
    return {**detail_json(incident, _base()), "deliveries": deliveries, "complaints": complaints,
            "silenced": silenced_json(gate.parts(), incident)}


def _base() -> str:
    url: str = current_app.extensions["console_settings"].base_url
    return url
