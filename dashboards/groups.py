"""Error groups: what belongs together, why, where it was seen, and what people teach about it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode

from flask import Blueprint, redirect, request
from werkzeug.wrappers import Response

from dashboards import gate
from dashboards.attempt import attempt
from dashboards.group_actions import act_on_group, merged_into
from dashboards.group_model import (
    flood_words,
    incidents_of,
    joined_by_words,
    link_to,
    nearest,
    parts_of,
    read_group,
    taught_rows,
)
from dashboards.pages import GroupPage, Place, Undo
from dashboards.parts import Parts
from dashboards.render import render, tell
from dashboards.rollup_model import day_window
from dashboards.svg import Curve, curve
from dashboards.words import count
from triage.analyse.grouping.teaching import lessons_about
from triage.domain.windows import DAY_NS, Window
from triage.ports.records import Condition

pages: Final = Blueprint("groups", __name__)
_STAR: Final = "<*>"
_DAYS: Final = 7
_CONDITIONS: Final = ("code", "type", "message", "pattern", "route", "service")
_DONE: Final = {"merge": "Merged. Errors like these go to the other group from the next analysis on.",
                "split": "Split. The errors that you chose get a group of their own from the next analysis on.",
                "undo": "Taken back."}


@pages.get("/groups/<group_id>")
def show(group_id: str) -> str:
    """The page."""
    return render(group_page(gate.parts(), read_group(gate.parts(), group_id)))


@pages.post("/groups/<group_id>/actions")
def actions(group_id: str) -> Response:
    """Merge, split or undo from a form; then back to the page."""
    form = request.form
    sent: dict[str, Any] = {**form.to_dict(), "templates": form.getlist("templates"), "into": form.get("other") or form.get("into", ""),
                            "match": {name: value for name in _CONDITIONS if (value := form.get(name, "").strip())}}
    lesson = act_on_group(group_id, sent, version_needed=False)
    again = None if form["action"] == "undo" else Undo(f"/groups/{lesson.group}/actions", "undo")
    tell(_DONE[form["action"]], again)
    return redirect(f"/groups/{group_id}", 303)


def group_page(parts: Parts, body: dict[str, Any]) -> GroupPage:
    """What the page says."""
    version, lessons = lessons_about(parts.state, body["id"])
    ids = (body["id"], *parts_of(lessons, body["id"]))
    drawn, trouble = attempt(lambda: _curve(parts, ids), None)
    seen, trouble_too = attempt(lambda: _seen(parts, ids), "")
    into = merged_into(parts, body["id"])
    filters = {"outcome": "failed", **({"api": body["api"]} if body["api"] else {})}
    return GroupPage(
        group=body, seen=seen, pieces=tuple(body["template"].split(_STAR)), places=_places(body), flood=flood_words(body),
        joined_by=joined_by_words(body), part_of=link_to(parts, into) if into else None, curve=drawn,
        calls_href=f"/calls?{urlencode(filters)}", rule_href=f"/groups/rules?{urlencode(_rule_of(body))}",
        incidents=tuple(incidents_of(parts, body["id"], lessons)), neighbours=nearest(parts, body),
        taught=taught_rows(parts, body["id"], lessons), routes=tuple(body["routes"].items()), services=tuple(body["services"].items()),
        version=version, can_act=gate.may("act"), trouble=trouble or trouble_too, now_ns=parts.clock(),
    )


def _places(body: Mapping[str, Any]) -> tuple[Place, ...]:
    """The varying positions whose values are known, numbered as in the template."""
    return tuple(Place(number, str(values)) for number, values in enumerate(body["parameters"], 1) if values)


def _rule_of(body: Mapping[str, Any]) -> dict[str, str]:
    """The fields of a rule that would match the group, to begin with."""
    longest = max((piece.strip() for piece in body["template"].split(_STAR)), key=len, default="")
    said = {"code": body["codes"][0]} if body["kind"] == "code" and body["codes"] else {"message": longest[:200]}
    return {name: value for name, value in {"service": body["service"], **said}.items() if value}


def _curve(parts: Parts, ids: tuple[str, ...]) -> Curve | None:
    by_minute = _by_minute(parts, ids, day_window(parts.clock()))
    return curve([(minute, 0, number) for minute, number in sorted(by_minute.items())], [])


def _seen(parts: Parts, ids: tuple[str, ...]) -> str:
    now = parts.clock()
    total = sum(_by_minute(parts, ids, Window(now - _DAYS * DAY_NS, now + DAY_NS // 24)).values())
    return count(total)


def _by_minute(parts: Parts, ids: tuple[str, ...], window: Window) -> dict[int, int]:
    table = parts.records.rollups("errors", window, [Condition("group_id", "in", ids)])
    by_minute: dict[int, int] = {}
    for row in table.select(["minute", "count"]).to_pylist():
        by_minute[row["minute"]] = by_minute.get(row["minute"], 0) + row["count"]
    return by_minute
