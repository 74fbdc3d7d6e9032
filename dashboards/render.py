"""Page dataclass -> HTML. A template sees `page`, `chrome` and the filters below, nothing else."""

from __future__ import annotations

import re
from typing import Any, Final
from urllib.parse import quote

from flask import Flask, current_app, g, request, session
from jinja2 import StrictUndefined

from dashboards import gate, words
from dashboards.pages import Chrome, NavItem, Toast, Undo

NAV: Final = (
    ("Incidents", "/incidents"), ("Complaints", "/lookup"), ("Calls", "/calls"), ("Partners", "/partners"),
    ("APIs", "/apis"), ("Changes", "/changes"), ("Alerts", "/receivers"), ("Admin", "/admin/status"),
)
_PARENTS: Final = {"/traces": "/calls", "/spans": "/calls", "/logs": "/calls", "/groups": "/incidents", "/silences": "/receivers",
                   "/admin": "/admin/status", "/deliveries": "/receivers"}


def template_name(page: Any) -> str:
    """IncidentPage -> incident.html, IncidentsPage -> incidents.html, SignInPage -> sign_in.html."""
    name = type(page).__name__.removesuffix("Page")
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower() + ".html"


def render(page: Any, status: int = 200) -> str:
    """The page as HTML."""
    template = current_app.jinja_env.get_template(template_name(page))
    return template.render(page=page, chrome=chrome(status))


def chrome(status: int = 200) -> Chrome:
    """What surrounds every page: navigation, who is signed in, theme, the form token, and what was just done."""
    who = g.get("person")
    here = "/" + request.path.strip("/").split("/")[0]
    parent = _PARENTS.get(here, here)
    nav = tuple(NavItem(label, path, path == parent) for label, path in NAV) if who else ()
    shown = status < 400 and request.method == "GET" and "X-Refresh" not in request.headers
    toast = session.pop("toast", None) if shown and "toast" in session else None
    theme = request.cookies.get("theme", "auto")
    return Chrome(
        nav=nav, user=who.name if who else "", role=who.role if who else "", csrf=gate.csrf_token() if who else "",
        theme=theme if theme in ("light", "dark") else "auto", here=request.full_path.rstrip("?"),
        toast=Toast(toast["text"], Undo(**toast["undo"]) if toast.get("undo") else None) if toast else None,
        version=gate.parts().version,
    )


def tell(text: str, undo: Undo | None = None) -> None:
    """Say on the next page what was done, with a way back where there is one."""
    session["toast"] = {"text": text}
    if undo:
        session["toast"]["undo"] = {"path": undo.path, "action": undo.action, "assignee": undo.assignee}


def prepare(app: Flask) -> None:
    """Give templates their filters; a name that a template misspells is an error."""
    app.jinja_env.undefined = StrictUndefined
    app.jinja_env.trim_blocks = True
    app.jinja_env.lstrip_blocks = True
    app.jinja_env.filters.update(
        clock=words.clock_time, clock_ms=words.clock_ms, span_of_time=words.span_of_time, duration=words.duration,
        count=words.count, share=words.share, iso=words.iso, short_time=words.short_time,
        outcome_words=lambda outcome: words.OUTCOME_WORDS.get(outcome, outcome),
        side_words=words.side_words,
        kind_words=lambda kind: words.KIND_WORDS.get(kind, kind),
        match_words=lambda kind: words.MATCH_WORDS.get(kind, kind.replace("_", " ")),
        segment=lambda text: quote(text, safe=""),
        plural=words.plural,
    )
