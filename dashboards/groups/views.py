"""Error groups: what belongs together, why, where it was seen, and what people teach about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlencode

from flask import Blueprint, redirect, request
from werkzeug.wrappers import Response

from dashboards import gate
from dashboards.attempt import attempt
from dashboards.failures import failure_of
from dashboards.form_words import in_form_words
from dashboards.groups.actions import act_on_group, merged_into
from dashboards.groups.model import (
    flood_words,
    incidents_of,
    joined_by_words,
    link_to,
    nearest,
    parts_of,
    read_group,
    taught_rows,
)
from dashboards.health.rollups import day_window
from dashboards.pages import GroupPage, Place, Undo
from dashboards.parts import Parts
from dashboards.render import render, tell
from dashboards.svg import Curve, curve
from dashboards.words import count
from triage.analyse.grouping.teaching import lessons_about
from triage.domain.windows import DAY_NS, Window
from triage.errors import BadInput, NotAllowed
from triage.ports.records import Condition

pages: Final = Blueprint("groups", __name__)
_STAR: Final = "<*>"
_DAYS: Final = 7
MOST_APIS: Final = 20  # that the analysis keeps of a group; its own constant would load scipy into the service
_CONDITIONS: Final = ("code", "type", "message", "pattern", "route", "service")
_DONE: Final = {"merge": "Merged. Errors like these go to the other group from the next analysis on.",
                "split": "Split. The errors that you chose get a group of their own from the next analysis on.",
                "undo": "Taken back."}


_LABELS: Final = {"templates": "messages", "match": "conditions", "into": "ID of another group", "message": "Message contains",
                  "route": "API", "service": "Service", "reason": "Why"}


@dataclass(frozen=True, slots=True)
class Refused:
    """A form that could not be carried out: why, and what was typed into it."""

    why: str = ""
    action: str = ""
    typed: dict[str, str] = field(default_factory=dict)
    chosen: tuple[str, ...] = ()


@pages.get("/groups/<group_id>")
def show(group_id: str) -> str:
    """The page."""
    return render(group_page(gate.parts(), read_group(gate.parts(), group_id)))


@pages.post("/groups/<group_id>/actions")
def actions(group_id: str) -> Response | tuple[str, int]:
    """Merge, split or undo from a form; then back to the page, also when it cannot be done: the form says why."""
    form = request.form
    sent: dict[str, Any] = {**form.to_dict(), "templates": form.getlist("templates"), "into": form.get("other") or form.get("into", ""),
                            "match": {name: value for name in _CONDITIONS if (value := form.get(name, "").strip())}}
    try:
        lesson = act_on_group(group_id, sent, version_needed=False)
    except (BadInput, KeyError, NotAllowed) as error:
        if sent.get("action") not in ("merge", "split"):
            raise
        body, status = read_group(gate.parts(), group_id), failure_of(error).status
        refused = Refused(_why(sent, failure_of(error).detail, status), form["action"], form.to_dict(), tuple(form.getlist("templates")))
        return render(group_page(gate.parts(), body, refused), status), status
    again = None if form["action"] == "undo" else Undo(f"/groups/{lesson.group}/actions", "undo")
    tell(_DONE[form["action"]], again)
    return redirect(f"/groups/{group_id}", 303)


def _why(sent: Mapping[str, Any], detail: str, status: int) -> str:
    """Why a form cannot be carried out, in its own words."""
    if sent["action"] == "merge" and not sent["into"]:
        return "Choose one of the groups, or type the ID of another."
    if sent["action"] == "split" and not sent["templates"] and not sent["match"]:
        return "Choose at least one message, or say by where and what."
    return f"{detail} Its ID stands at the top of its page." if status == 404 else in_form_words(detail, _LABELS)


def group_page(parts: Parts, body: dict[str, Any], refused: Refused | None = None) -> GroupPage:
    """What the page says."""
    version, lessons = lessons_about(parts.state, body["id"])
    ids = (body["id"], *parts_of(lessons, body["id"]))
    drawn, trouble = attempt(lambda: _curve(parts, ids), None)
    seen, trouble_too = attempt(lambda: _seen(parts, ids), "")
    into = merged_into(parts, body["id"])
    refused = refused or Refused()
    filters = {"outcome": "failed", **({"api": body["api"]} if body["api"] else {})}
    return GroupPage(
        group=body, seen=seen, pieces=tuple(body["template"].split(_STAR)), places=_places(body), flood=flood_words(body),
        joined_by=joined_by_words(body), part_of=link_to(parts, into) if into else None, curve=drawn,
        calls_href=f"/calls?{urlencode(filters)}", rule_href=f"/groups/rules?{urlencode(_rule_of(body))}",
        incidents=tuple(incidents_of(parts, body["id"], lessons)), neighbours=nearest(parts, body),
        holds=_holds(body), choices=tuple((member["template"], member["count"]) for member in body["members"] if member["template"]),
        taught=taught_rows(parts, body["id"], lessons), apis=_apis(body),
        routes=tuple(sorted(body["routes"].items(), key=lambda item: -item[1])), services=tuple(body["services"].items()),
        version=version, can_act=gate.may("act"), trouble=trouble or trouble_too, fault=refused.why, fault_in=refused.action,
        form=refused.typed, chosen=refused.chosen, now_ns=parts.clock(),
    )


def _apis(body: Mapping[str, Any]) -> str:
    """How many APIs it was seen on; so many are counted and no more."""
    number = len(body["routes"])
    return "" if number < 2 else f"{number} or more" if number >= MOST_APIS else str(number)


def _holds(body: Mapping[str, Any]) -> tuple[tuple[str, int], ...]:
    """The messages of its members with their errors, those without a message as one, most first."""
    errors: Counter[str] = Counter()
    for member in body["members"]:
        errors[member["template"] or "no message"] += member["count"]
    return tuple(errors.most_common())


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
