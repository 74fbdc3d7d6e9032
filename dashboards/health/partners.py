"""Partners and their health over the last 24 h."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from flask import Blueprint, request

from dashboards import gate
from dashboards.attempt import attempt
from dashboards.health.lists import health_row, list_page, one_page
from dashboards.health.rollups import EMPTY, figures_by, health_cache, narrow
from dashboards.incidents.rows import touched
from dashboards.pages import HealthRow
from dashboards.parts import Parts
from dashboards.render import render

pages: Final = Blueprint("partners", __name__)
_LIVE: Final = 200


def partner_rows(parts: Parts) -> list[HealthRow]:
    """Every partner that called in the last 24 h. Raises StoreUnavailable."""
    live = touched(parts, "partner", [("live:yes",)], _LIVE)
    return [health_row(key, parts.partner_name(key), key, f"/partners/{quote(key)}", figures, live.get(key, ()))
            for key, figures in health_cache().day().partners.items()]


@pages.get("/partners")
def index() -> str:
    """The list."""
    parts = gate.parts()
    rows, trouble = attempt(lambda: partner_rows(parts), list[HealthRow]())
    return render(list_page("Partners", "partner", rows, request.args, trouble))


@pages.get("/partners/<path:partner_id>")
def show(partner_id: str) -> str:
    """One partner. Raises KeyError for one that never called nor had an incident."""
    parts, day = gate.parts(), health_cache().day()
    figures = day.partners.get(partner_id, EMPTY)
    if figures is EMPTY and not parts.state.count("incident", [(f"partner:{partner_id}",)]):
        raise KeyError(f"partner {partner_id} in the last 24 h")
    table = narrow(day.table, "partner", partner_id)
    by_api = figures_by(table, "api", day.span)
    rows = [health_row(api, api, "", f"/calls?partner={quote(partner_id)}&api={quote(api)}", part)
            for api, part in by_api.items()]
    row = health_row(partner_id, parts.partner_name(partner_id), partner_id, "", figures)
    return render(one_page(parts, "partner", row, table, "APIs that it calls", rows, f"partner:{partner_id}",
                           (("ID at the gateway", partner_id),)))
