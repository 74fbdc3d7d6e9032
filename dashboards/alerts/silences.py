"""Silences: a scope and an end time in which notices are held back, and said to be."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any, Final

from flask import Blueprint, redirect, request
from werkzeug.wrappers import Response

from dashboards import gate
from dashboards.incidents.actions import SNOOZES
from dashboards.pages import SilencesPage
from dashboards.parts import Parts
from dashboards.render import render, tell
from triage.domain.windows import from_rfc3339, rfc3339
from triage.errors import BadInput
from triage.ports.state import DocumentPage

pages: Final = Blueprint("silences", __name__)
SCOPES: Final = ("partner", "api", "service")
_LONGEST: Final = 500
_FORM: Final = (*SCOPES, "until", "reason")


def add_silence(parts: Parts, sent: Mapping[str, Any]) -> dict[str, Any]:
    """Keep a silence. Returns its JSON. Raises BadInput."""
    given = sent.get("scope")
    scope = {name: _text(given if isinstance(given, Mapping) else sent, name) for name in SCOPES}
    if not any(scope.values()):
        raise BadInput("Say what to silence: a partner, an API or a service (in JSON: `scope`).")
    body: dict[str, Any] = {
        "id": f"sil-{secrets.token_hex(6)}", "scope": scope, "until_ns": _until(parts, _text(sent, "until")),
        "reason": parts.mask_text(_text(sent, "reason")), "by": gate.person().name, "at_ns": parts.clock(),
    }
    parts.state.put("silence", body["id"], body, version=None, sort=body["until_ns"],
                    tags=[f"{name}:{value}" for name, value in scope.items() if value])
    return silence_json(body, parts.clock())


def end_silence(parts: Parts, silence_id: str) -> None:
    """End a silence now. Raises KeyError, Conflict."""
    doc = parts.state.get("silence", silence_id)
    if doc is None:
        raise KeyError(f"silence {silence_id}")
    now = parts.clock()
    if doc.body["until_ns"] > now:
        parts.state.put("silence", silence_id, {**doc.body, "until_ns": now}, version=doc.version, sort=now, tags=doc.tags)


def select_silences(parts: Parts, *, limit: int, cursor: str | None = None) -> DocumentPage:
    """Silences, those that end last first."""
    return parts.state.select("silence", limit=limit, cursor=cursor)


def silence_json(body: Mapping[str, Any], now_ns: int) -> dict[str, Any]:
    """A silence in the JSON of the interface."""
    return {
        "id": body["id"], "scope": {name: body["scope"].get(name) or None for name in SCOPES},
        "at": rfc3339(body["at_ns"]), "until": rfc3339(body["until_ns"]), "reason": body["reason"] or None,
        "by": body["by"], "active": body["until_ns"] > now_ns,
    }


@pages.get("/silences")
def index() -> str:
    """List and form."""
    return render(_page(""))


@pages.post("/silences")
def add() -> Response | tuple[str, int]:
    """Add one."""
    gate.demand("silence")
    try:
        made = add_silence(gate.parts(), gate.arguments())
    except BadInput as error:
        return render(_page(error.reason.replace(" (in JSON: `scope`)", ""))), 400
    tell(f"Silent until {made['until'][11:16]} UTC.")
    return redirect("/silences", 303)


@pages.post("/silences/<silence_id>/end")
def end(silence_id: str) -> Response:
    """End one."""
    gate.demand("silence")
    end_silence(gate.parts(), silence_id)
    tell("The silence has ended.")
    return redirect("/silences", 303)


def _page(fault: str) -> SilencesPage:
    parts = gate.parts()
    items = tuple({**silence_json(doc.body, parts.clock()), "until_ns": doc.body["until_ns"]}
                  for doc in select_silences(parts, limit=100).items)
    return SilencesPage(items=items, can_add=gate.may("silence"), fault=fault,
                        form={name: request.form.get(name, "") if fault else "" for name in _FORM}, now_ns=parts.clock())


def _until(parts: Parts, text: str) -> int:
    if text in SNOOZES:
        return parts.clock() + SNOOZES[text]
    try:
        until = from_rfc3339(text)
    except (ValueError, OverflowError):
        raise BadInput("Say until when: `until`, such as 2026-01-31T18:00:00Z.") from None
    if until <= parts.clock():
        raise BadInput("`until` lies in the past.")
    return until


def _text(sent: Mapping[str, Any], name: str) -> str:
    value = sent.get(name) or ""
    if not isinstance(value, str) or len(value) > _LONGEST:
        raise BadInput(f"`{name}` is a text of at most {_LONGEST} characters.")
    return value.strip()
