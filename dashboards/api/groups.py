"""Error groups as JSON."""

from __future__ import annotations

from typing import Any, Final

from flask import Blueprint

from dashboards import gate
from dashboards.api.common import PREFIX, cursor, limit, listed
from dashboards.groups import group_json, incidents_of, read_group

api: Final = Blueprint("api_groups", __name__, url_prefix=PREFIX)


@api.get("/groups")
def index() -> dict[str, Any]:
    """Groups, the one seen last first."""
    page = gate.parts().state.select("group", limit=limit(), cursor=cursor())
    return listed([group_json(doc.body) for doc in page.items], page.next)


@api.get("/groups/<group_id>")
def show(group_id: str) -> dict[str, Any]:
    """One, with why its errors belong together and the incidents that hold it."""
    body = read_group(gate.parts(), group_id)
    return {**group_json(body), "incidents": [incident.id for incident in incidents_of(gate.parts(), body["id"])]}
