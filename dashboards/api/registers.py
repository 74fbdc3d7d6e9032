"""Changes and silences as JSON."""

from __future__ import annotations

from typing import Any, Final

from flask import Blueprint, request

from dashboards import gate
from dashboards.alerts.silences import add_silence, end_silence, select_silences, silence_json
from dashboards.api.common import PREFIX, body, cursor, limit, listed
from dashboards.changes import add_change, change_json, select_changes

api: Final = Blueprint("api_registers", __name__, url_prefix=PREFIX)


@api.get("/changes")
def changes() -> dict[str, Any]:
    """Changes, newest first; `?kind=` narrows them."""
    page = select_changes(gate.parts(), request.args.get("kind", ""), limit=limit(), cursor=cursor())
    return listed([change_json(doc.body) for doc in page.items], page.next)


@api.post("/changes")
def change() -> tuple[dict[str, Any], int]:
    """Note a change."""
    gate.demand("change")
    return add_change(gate.parts(), body()), 201


@api.get("/silences")
def silences() -> dict[str, Any]:
    """Silences, those that end last first."""
    page = select_silences(gate.parts(), limit=limit(), cursor=cursor())
    return listed([silence_json(doc.body, gate.parts().clock()) for doc in page.items], page.next)


@api.post("/silences")
def silence() -> tuple[dict[str, Any], int]:
    """Hold back notices of a scope for a time."""
    gate.demand("silence")
    return add_silence(gate.parts(), body()), 201


@api.delete("/silences/<silence_id>")
def end(silence_id: str) -> tuple[str, int]:
    """End a silence now."""
    gate.demand("silence")
    end_silence(gate.parts(), silence_id)
    return "", 204
