"""Actions on incidents, the same for a form and for a script: what was sent -> `Actions`, and who was first when it is stale."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, get_args

from flask import g

from dashboards import gate
from dashboards.incidents.rows import get_incident
from triage.domain.incident import Action, Incident
from triage.domain.windows import HOUR_NS, MINUTE_NS, from_rfc3339, rfc3339
from triage.errors import BadInput, Conflict

ACTIONS: Final = get_args(Action)
_LONGEST_TEXT: Final = 4000
SNOOZES: Final = {"30m": 30 * MINUTE_NS, "1h": HOUR_NS, "4h": 4 * HOUR_NS, "24h": 24 * HOUR_NS, "168h": 168 * HOUR_NS}


def act(incident_id: str, sent: Mapping[str, Any], *, version_needed: bool) -> Incident:
    """Carry out what was sent. Raises BadInput, Forbidden, KeyError, NotAllowed, and Conflict with who was first noted in `g`."""
    gate.demand("act")
    get_incident(gate.parts(), incident_id)  # not to be acted on by those who may not see it
    action = str(sent.get("action", ""))
    if action not in ACTIONS:
        raise BadInput(f"The action is one of: {', '.join(ACTIONS)}.")
    version = _version(sent.get("version"), needed=version_needed)
    try:
        return gate.parts().act(incident_id, action, version, gate.person().name, **arguments_of(action, sent))
    except Conflict:
        note_who_was_first(incident_id)
        raise


def arguments_of(action: str, sent: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that an action takes, checked. Text of people is masked, since it is kept and sent on."""
    mask = gate.parts().mask_text
    args: dict[str, Any] = {}
    if reason := _text(sent, "reason"):
        args["reason"] = mask(reason)
    if action == "assign":
        args["assignee"] = mask(_text(sent, "assignee"))
    elif action == "snooze":
        args["until_ns"] = _until(sent)
    elif action == "comment":
        args["text"] = mask(_text(sent, "text"))
        if not args["text"]:
            raise BadInput("A comment needs some text.")
    elif action == "merge":
        args["into"] = _text(sent, "into").upper()
        if not args["into"]:
            raise BadInput("Say into which incident: `into`, such as INC-12.")
        get_incident(gate.parts(), args["into"])
    elif action == "split":
        groups = sent.get("groups", [])
        args["groups"] = groups if isinstance(groups, list) else str(groups).split()
        if not args["groups"] or not all(isinstance(group, str) for group in args["groups"]):
            raise BadInput("Say which error groups to take out: `groups`, a list of their IDs.")
    return args


def _text(sent: Mapping[str, Any], name: str) -> str:
    value = sent.get(name) or ""
    if not isinstance(value, str):
        raise BadInput(f"`{name}` is a text.")
    if len(value) > _LONGEST_TEXT:
        raise BadInput(f"`{name}` is longer than {_LONGEST_TEXT} characters.")
    return value.strip()


def _until(sent: Mapping[str, Any]) -> int:
    now = gate.parts().clock()
    until = _text(sent, "until")
    if until in SNOOZES:
        return now + SNOOZES[until]
    try:
        until_ns = from_rfc3339(until)
    except (ValueError, OverflowError):
        raise BadInput("Say until when: `until`, such as 2026-01-31T18:00:00Z.") from None
    if until_ns <= now:
        raise BadInput("`until` lies in the past.")
    return until_ns


def _version(value: Any, *, needed: bool) -> int | None:
    if value in (None, ""):
        if needed:
            raise BadInput("Send the `version` of the incident that you looked at.")
        return None
    if isinstance(value, bool) or not str(value).isdigit():
        raise BadInput("`version` is a whole number.")
    return int(value)


def note_who_was_first(incident_id: str) -> None:
    """Put the last change of the incident, and its version, beside the error that is on its way."""
    incident = get_incident(gate.parts(), incident_id)
    g.first = {"version": incident.version}
    people = [entry for entry in incident.timeline if entry.actor != "analysis"]
    last = (people or incident.timeline)[-1:]
    if last:
        g.first["first"] = {"actor": last[0].actor, "action": last[0].action, "at": rfc3339(last[0].at_ns)}
