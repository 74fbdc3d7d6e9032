"""The front door and the search box above every page."""

from __future__ import annotations

import re
from typing import Final

from flask import Blueprint, redirect, request, url_for
from werkzeug.wrappers import Response

from dashboards import gate
from dashboards.health.rollups import api_id, health_cache

pages: Final = Blueprint("home", __name__)
_INCIDENT: Final = re.compile(r"(?:inc-?\s*)?#?(\d{1,9})\Z", re.IGNORECASE)


@pages.get("/")
def front() -> Response:
    """Support staff come with a complaint, everybody else for what is broken."""
    return redirect("/lookup" if gate.person().role == "support" else "/incidents")


@pages.get("/favicon.ico")
def favicon() -> Response:
    """The mark of the console."""
    return redirect(url_for("static", filename="icon.svg"), 301)


@pages.get("/search")
def search() -> Response:
    """Go where the words lead: an incident, a partner, an API, or else the complaint desk."""
    text = request.args.get("q", "").strip()
    match = _INCIDENT.match(text)
    if match and gate.parts().state.get("incident", f"INC-{match.group(1)}"):
        return redirect(f"/incidents/INC-{match.group(1)}")
    word = text.lower()
    if (word and not any(char.isdigit() for char in word)) or " /" in text or text.startswith("/"):
        health = health_cache().day()
        for partner in health.partners:
            if word in (partner.lower(), gate.parts().partner_name(partner).lower()):
                return redirect(url_for("partners.show", partner_id=partner))
        for api in health.apis:
            if word in (api.lower(), api.lower().split(" ", 1)[-1]):
                return redirect(url_for("apis.show", api_key=api_id(api)))
        near = [p for p in health.partners if word in gate.parts().partner_name(p).lower()]
        if near:
            return redirect(url_for("partners.show", partner_id=near[0]) if len(near) == 1 else f"/partners?q={word}")
        if any(word in api.lower() for api in health.apis):
            return redirect(url_for("apis.index", q=text))
    return redirect(url_for("lookup.ask", q=text))
