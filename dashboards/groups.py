"""Error groups: what belongs together, why, and where it was seen."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlencode

from flask import Blueprint

from dashboards import gate
from dashboards.attempt import attempt
from dashboards.incident_rows import select_incidents
from dashboards.pages import GroupLink, GroupPage
from dashboards.parts import Parts
from dashboards.render import render
from dashboards.rollup_model import day_window
from dashboards.svg import Curve, curve
from triage.domain.incident import Incident
from triage.domain.windows import rfc3339
from triage.ports.records import Condition

pages: Final = Blueprint("groups", __name__)
_INCIDENTS: Final = 200
_TIMES: Final = ("first_seen_ns", "last_seen_ns")


def read_group(parts: Parts, group_id: str) -> dict[str, Any]:
    """A group's document, through the alias of a merged one. Raises KeyError."""
    alias = parts.state.get("group_alias", group_id)
    doc = parts.state.get("group", str(alias.body["into"]) if alias else group_id)
    if doc is None:
        raise KeyError(f"error group {group_id}")
    return doc.body


def group_json(body: dict[str, Any]) -> dict[str, Any]:
    """A group in the JSON of the interface: times as RFC 3339."""
    times = {name.removesuffix("_ns"): rfc3339(body[name]) for name in _TIMES if body.get(name)}
    return {**{name: value for name, value in body.items() if name not in _TIMES}, **times}


def incidents_of(parts: Parts, group_id: str) -> list[Incident]:
    """Recent incidents that hold the group."""
    return [i for i in select_incidents(parts, [], limit=_INCIDENTS).items if group_id in i.groups]


@pages.get("/groups/<group_id>")
def show(group_id: str) -> str:
    """The page."""
    parts = gate.parts()
    body = {"id": group_id, "kind": "", "title": group_id, "evidence": [], "template": "", "service": "", "api": "",
            "codes": [], "first_seen_ns": 0, "last_seen_ns": 0, "count": 0, "samples": [], "parameters": [],
            "neighbours": [], **read_group(parts, group_id)}
    drawn, trouble = attempt(lambda: _curve(parts, body["id"]), None)
    filters = {"outcome": "failed", **({"api": body["api"]} if body["api"] else {})}
    return render(GroupPage(
        group=body, curve=drawn, calls_href=f"/calls?{urlencode(filters)}", incidents=tuple(incidents_of(parts, body["id"])),
        neighbours=tuple(_neighbour(parts, item) for item in body["neighbours"][:8]), trouble=trouble, now_ns=parts.clock(),
    ))


def _curve(parts: Parts, group_id: str) -> Curve | None:
    table = parts.records.rollups("errors", day_window(parts.clock()), [Condition("group_id", "=", group_id)])
    by_minute: dict[int, int] = {}
    for row in table.select(["minute", "count"]).to_pylist():
        by_minute[row["minute"]] = by_minute.get(row["minute"], 0) + row["count"]
    return curve([(minute, 0, count) for minute, count in sorted(by_minute.items())], [])


def _neighbour(parts: Parts, item: Any) -> GroupLink:
    group_id = str(item.get("id", "") if isinstance(item, dict) else item)
    doc = parts.state.get("group", group_id)
    return GroupLink(group_id, str(doc.body.get("title", group_id)) if doc else group_id,
                     int(doc.body.get("count", 0)) if doc else 0)
