"""Changes: what was deployed, configured, renewed or planned, by people and by their pipelines."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from flask import Blueprint, redirect, request
from werkzeug.wrappers import Response

from dashboards import gate
from dashboards.form_words import in_form_words
from dashboards.pages import ChangesPage
from dashboards.parts import Parts
from dashboards.render import render, tell
from triage.domain.windows import from_rfc3339, rfc3339
from triage.errors import BadInput
from triage.ports.state import DocumentPage

pages: Final = Blueprint("changes", __name__)
_LABELS: Final = {"kind": "Kind", "link": "Link", "until": "Until", "at": "At", "version": "Version", "by": "By"}
KINDS: Final = ("deployment", "configuration", "certificate", "partner", "maintenance")
SCOPES: Final = ("service", "api", "partner")
PAGE: Final = 50
_LONGEST: Final = 500


def select_changes(parts: Parts, kind: str, *, limit: int, cursor: str | None) -> DocumentPage:
    """Changes, newest first; of one kind, or of all. Raises BadInput for a kind that there is not."""
    if kind and kind not in KINDS:
        raise BadInput(f"`kind` is one of {', '.join(KINDS)}.")
    return parts.state.select("change", [(f"kind:{kind}",)] if kind else [], limit=limit, cursor=cursor)


def add_change(parts: Parts, sent: Mapping[str, Any]) -> dict[str, Any]:
    """Keep a change that was sent as JSON or as a form. Returns its JSON. Raises BadInput."""
    scope = sent.get("scope") if isinstance(sent.get("scope"), Mapping) else {
        name: sent.get(f"scope_{name}", "") for name in SCOPES}
    kind, link = _text(sent, "kind"), _text(sent, "link")
    if kind not in KINDS:
        raise BadInput(f"`kind` is one of {', '.join(KINDS)}.")
    if link and urlsplit(link).scheme not in ("http", "https"):
        raise BadInput("`link` starts with https:// or http://.")
    cleaned = {name: _text(scope or {}, name) for name in SCOPES}
    if not any(cleaned.values()) and kind != "maintenance":
        raise BadInput("Say what it touches: a service, an API or a partner (in JSON: `scope`).")
    mask = parts.mask_text
    body: dict[str, Any] = {
        "id": f"chg-{secrets.token_hex(6)}", "kind": kind, "scope": {name: mask(value) for name, value in cleaned.items()},
        "version": mask(_text(sent, "version")), "at_ns": _time(sent, "at") or parts.clock(),
        "until_ns": _time(sent, "until"), "by": mask(_text(sent, "by")) or gate.person().name, "link": link,
    }
    if body["until_ns"] and body["until_ns"] <= body["at_ns"]:
        raise BadInput("`until` has to lie after `at`.")
    tags = [f"kind:{kind}", *(f"{name}:{value}" for name, value in cleaned.items() if value)]
    parts.state.put("change", body["id"], body, version=None, sort=body["at_ns"], tags=tags)
    return change_json(body)


def change_json(body: Mapping[str, Any]) -> dict[str, Any]:
    """A change in the JSON of the interface."""
    scope = body.get("scope") or {}
    until = body.get("until_ns")
    return {
        "id": body.get("id"), "kind": body["kind"], "scope": {name: scope.get(name) or None for name in SCOPES},
        "version": body.get("version") or None, "at": rfc3339(body["at_ns"]), "until": rfc3339(until) if until else None,
        "by": body.get("by") or None, "link": body.get("link") or None,
    }


@pages.get("/changes")
def index() -> str:
    """List and form."""
    return render(_page("", {}))


@pages.post("/changes")
def add() -> Response | tuple[str, int]:
    """Keep a change; a fault is shown beside the form with what was typed."""
    gate.demand("change")
    sent = gate.arguments()
    try:
        made = add_change(gate.parts(), sent)
    except BadInput as error:
        reason = in_form_words(error.reason.replace(" (in JSON: `scope`)", ""), _LABELS)
        return render(_page(reason, {name: str(value) for name, value in sent.items()})), 400
    tell(f"Noted: {made['kind']} {made['version'] or ''}.")
    return redirect("/changes", 303)


def _page(fault: str, form: dict[str, str]) -> ChangesPage:
    parts, kind = gate.parts(), request.args.get("kind", "")
    page = select_changes(parts, kind, limit=PAGE, cursor=request.args.get("cursor"))
    items = tuple({**change_json(doc.body), "at_ns": doc.body["at_ns"], "until_ns": doc.body.get("until_ns") or 0}
                  for doc in page.items)
    names = ("kind", "version", "by", "link", "at", "until", *(f"scope_{name}" for name in SCOPES))
    following = f"/changes?{urlencode({'kind': kind, 'cursor': page.next})}" if page.next else ""
    return ChangesPage(items=items, kinds=KINDS, kind=kind, can_add=gate.may("change"), fault=fault,
                       form={name: form.get(name, "") for name in names}, next=following, now_ns=parts.clock())


def _text(sent: Mapping[str, Any], name: str) -> str:
    value = sent.get(name) or ""
    if not isinstance(value, str) or len(value) > _LONGEST:
        raise BadInput(f"`{name}` is a text of at most {_LONGEST} characters.")
    return value.strip()


def _time(sent: Mapping[str, Any], name: str) -> int:
    text = _text(sent, name)
    if not text:
        return 0
    try:
        return from_rfc3339(text if text.endswith("Z") or "+" in text[10:] or "-" in text[10:] else f"{text}Z")
    except (ValueError, OverflowError):
        raise BadInput(f"`{name}` is a time such as 2026-01-31T18:00:00Z.") from None
