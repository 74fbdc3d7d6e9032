"""The list of incidents, and the page of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode

from flask import Blueprint, redirect, request
from werkzeug.wrappers import Response

from dashboards import gate
from dashboards.form_words import in_form_words
from dashboards.incidents.actions import act
from dashboards.incidents.page import incident_page
from dashboards.incidents.rows import (
    Where,
    count_incidents,
    get_incident,
    headline,
    incident_row,
    select_incidents,
    touched,
    worst_first,
)
from dashboards.pages import Choice, Facet, IncidentsPage, Undo
from dashboards.parts import Parts
from dashboards.render import render, tell
from dashboards.words import SIDE_WORDS, count, duration, span_of_time
from triage.domain.incident import SEVERITIES, STATES, Incident
from triage.domain.windows import NS, from_rfc3339
from triage.errors import BadInput

pages: Final = Blueprint("incidents", __name__)
PAGE: Final = 50
_RECENT: Final = 50  # incidents whose partners and APIs can be chosen in the filters
LIVE: Final = "live"
_FILTERS: Final = ("severity", "partner", "api", "side")
_VALUES: Final = {"state": (*STATES, "live"), "severity": SEVERITIES, "side": tuple(SIDE_WORDS)}
_DONE: Final = {"acknowledge": "acknowledged", "assign": "assigned", "snooze": "snoozed", "resolve": "resolved",
                "reopen": "reopened", "comment": "commented on", "merge": "merged", "split": "split"}
_LABELS: Final = {"into": "Is the same problem as", "until": "For", "text": "Comment", "assignee": "Owner", "reason": "Why"}
_BACK: Final = {"acknowledge": "reopen", "snooze": "reopen", "resolve": "reopen", "merge": "reopen"}


@pages.get("/incidents")
def index() -> str:
    """The list; without a filter what is live."""
    return render(incidents_page(gate.parts()))


@pages.get("/incidents/<incident_id>")
def show(incident_id: str) -> str:
    """One incident."""
    return render(incident_page(gate.parts(), get_incident(gate.parts(), incident_id.upper())))


@pages.post("/incidents/<incident_id>/actions")
def actions(incident_id: str) -> Response:
    """An action from a form; then back to the page that it came from."""
    before = get_incident(gate.parts(), incident_id)
    action = request.form.get("action", "")
    sent: dict[str, Any] = {**request.form.to_dict(), "groups": request.form.getlist("groups")}
    try:
        after = act(incident_id, sent, version_needed=False)
    except BadInput as error:
        tell("Choose at least one of the errors to take out." if action == "split" else in_form_words(error.reason, _LABELS))
        return redirect(f"/incidents/{incident_id}", 303)
    into = f" It is part of {after.merged_into} now." if action == "merge" and after.merged_into else ""
    tell(f"{incident_id} {_DONE[action]}.{into}", _undo(before, action))
    target = request.form.get("back", "")
    return redirect(target if target.startswith("/incidents") else f"/incidents/{incident_id}", 303)


def _undo(before: Incident, action: str) -> Undo | None:
    path = f"/incidents/{before.id}/actions"
    if action == "assign":
        return Undo(path, "assign", before.assignee)
    if action in _BACK and before.state in ("open", "acknowledged", "snoozed"):
        return Undo(path, "acknowledge" if before.state == "acknowledged" else _BACK[action])
    return None


def where_of(arguments: Mapping[str, str]) -> tuple[Where, int]:
    """Query parameters of list and API -> tags to select by, and the time to begin at. Raises BadInput."""
    where: Where = []
    for name in ("state", *_FILTERS):
        if value := arguments.get(name, ""):
            values = _known(name, value.split(",")) if name in _VALUES else [value]
            where.append(tuple("live:yes" if part == LIVE else f"{name}:{part}" for part in values))
    since = arguments.get("since", "")
    try:
        return where, from_rfc3339(since) if since else 0
    except (ValueError, OverflowError):
        raise BadInput("`since` is a time such as 2026-01-31T18:00:00Z.") from None


def _known(name: str, values: list[str]) -> list[str]:
    for value in values:
        if value not in _VALUES[name]:
            raise BadInput(f"`{name}` is one or more of {', '.join(_VALUES[name])}; ‘{value[:40]}’ is none of them.")
    return values


def incidents_page(parts: Parts) -> IncidentsPage:
    """The list with its facets."""
    arguments = {name: value for name, value in request.args.items() if value}
    state = arguments.get("state", LIVE)
    kept: dict[str, str] = {name: arguments[name] for name in _FILTERS if name in arguments}
    where, _ = where_of({**arguments, "state": "" if state == "all" else state, "since": ""})
    select = worst_first if state == LIVE and "severity" not in kept else select_incidents
    found = select(parts, where, limit=PAGE, cursor=arguments.get("cursor"))
    counts = _counts(parts)
    following = f"/incidents?{urlencode({**kept, 'state': state, 'cursor': found.next})}" if found.next else ""
    now = parts.clock()
    run, trouble = _last_run(parts, now)
    return IncidentsPage(
        rows=tuple(incident_row(incident, now) for incident in found.items), facets=_facets(counts, state, kept),
        choices=_choices(parts, kept), hidden=(("state", state),), headline=f"{headline(counts)}{run}",
        empty=_empty(state, kept), next=following, trouble=trouble, can_act=gate.may("act"), now_ns=now,
    )


def _counts(parts: Parts) -> dict[str, int]:
    """Incidents by state. Resolved ones are the rest: to count them all would be slow."""
    counts: dict[str, int] = {name: count_incidents(parts, [(f"state:{name}",)]) for name in STATES if name != "resolved"}
    return {**counts, "resolved": count_incidents(parts, []) - sum(counts.values())}


def _facets(counts: dict[str, int], state: str, kept: dict[str, str]) -> tuple[Facet, ...]:
    live = counts["open"] + counts["acknowledged"] + counts["snoozed"]
    names = [(LIVE, "Live", live), *((name, name.capitalize(), counts[name]) for name in STATES),
             ("all", "All", live + counts["resolved"])]
    return tuple(Facet(label, count(number), f"/incidents?{urlencode({**kept, 'state': name})}", name == state)
                 for name, label, number in names)


def _choices(parts: Parts, kept: dict[str, str]) -> tuple[Choice, ...]:
    """Filters with many values; partners and APIs are those of the newest incidents, and what is chosen."""
    partners = {kept.get("partner", ""), *touched(parts, "partner", [], _RECENT)} - {""}
    apis = {kept.get("api", ""), *touched(parts, "api", [], _RECENT)} - {""}
    return (
        Choice("severity", "Severity", kept.get("severity", ""), tuple((name, name.capitalize()) for name in SEVERITIES)),
        Choice("partner", "Partner", kept.get("partner", ""),
               tuple(sorted(((key, parts.partner_name(key)) for key in partners), key=lambda item: item[1].lower()))),
        Choice("api", "API", kept.get("api", ""),
               tuple((api, api) for api in sorted(apis, key=lambda api: api.split(" ", 1)[-1]))),
        Choice("side", "Side", kept.get("side", ""), tuple(SIDE_WORDS.items())),
    )


def _last_run(parts: Parts, now_ns: int) -> tuple[str, str]:
    """What the list says of the last analysis, and the trouble there is with it."""
    doc = parts.state.get("run", "last")
    if doc is None:
        return " · the first analysis is still to come", ""
    ago = now_ns - int(doc.body.get("at_ns", 0))
    said = f" · last analysis {span_of_time(ago)} ago, {duration(int(float(doc.body.get('seconds', 0)) * NS))}"
    if doc.body.get("error"):
        return said, f"The last analysis failed: {doc.body['error']}. The list shows what was known before."
    if ago > 600 * NS:
        return said, f"The analysis has not run for {span_of_time(ago)}. The list may be out of date; see Admin."
    return said, ""


def _empty(state: str, kept: dict[str, str]) -> str:
    if kept:
        return "No incident fits these filters."
    if state == LIVE:
        return "Nothing is broken that we know of. New incidents appear here by themselves."
    return "No incident is in this state." if state != "all" else "There has been no incident yet."


