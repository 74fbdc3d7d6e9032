"""APIs (method and route) and their health over the last 24 h."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from flask import Blueprint, request

from dashboards import gate
from dashboards.attempt import attempt
from dashboards.health.lists import health_row, list_page, one_page
from dashboards.health.rollups import EMPTY, api_id, api_of_id, figures_by, health_cache, narrow
from dashboards.incidents.rows import touched
from dashboards.pages import HealthRow
from dashboards.parts import Parts
from dashboards.render import render

pages: Final = Blueprint("apis", __name__)
_LIVE: Final = 200


def api_rows(parts: Parts) -> list[HealthRow]:
    """Every API that was called in the last 24 h. Raises StoreUnavailable."""
    live = touched(parts, "api", [("live:yes",)], _LIVE)
    return [health_row(api, api, "", f"/apis/{api_id(api)}", figures, live.get(api, ()))
            for api, figures in health_cache().day().apis.items()]


@pages.get("/apis")
def index() -> str:
    """The list."""
    parts = gate.parts()
    rows, trouble = attempt(lambda: api_rows(parts), list[HealthRow]())
    return render(list_page("APIs", "API", rows, request.args, trouble))


@pages.get("/apis/<api_key>")
def show(api_key: str) -> str:
    """One API. Raises KeyError for one that was never called nor had an incident."""
    parts, day, api = gate.parts(), health_cache().day(), api_of_id(api_key)
    figures = day.apis.get(api, EMPTY)
    if figures is EMPTY and not parts.state.count("incident", [(f"api:{api}",)]):
        raise KeyError(f"API {api} in the last 24 h")
    table = narrow(day.table, "api", api)
    rows = [health_row(key, parts.partner_name(key), key, f"/calls?partner={quote(key)}&api={quote(api)}", part)
            for key, part in figures_by(table, "partner", day.span).items()]
    services = sorted(name for name in figures_by(table, "service", day.span) if name)
    return render(one_page(parts, "api", health_row(api, api, "", "", figures), table, "Partners that call it", rows,
                           f"api:{api}", (("Served by", ", ".join(services)),) if services else ()))
