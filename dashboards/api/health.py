"""Partners and APIs with their health over the last 24 h, as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from flask import Blueprint

from dashboards import gate
from dashboards.api.common import PREFIX, cursor, limit, listed
from dashboards.health.apis import api_rows
from dashboards.health.lists import customers_json, health_json
from dashboards.health.partners import partner_rows
from dashboards.health.rollups import api_id, api_of_id, customers_of
from dashboards.pages import HealthRow
from triage.errors import BadInput

api: Final = Blueprint("api_health", __name__, url_prefix=PREFIX)


@api.get("/partners")
def partners() -> dict[str, Any]:
    """All partners that called in the last 24 h, most calls first."""
    return _page(partner_rows(gate.parts()), _partner)


@api.get("/partners/<path:partner_id>")
def partner(partner_id: str) -> dict[str, Any]:
    """One. Raises KeyError."""
    found = next((_partner(row) for row in partner_rows(gate.parts()) if row.id == partner_id), None)
    found = found or _none(f"partner {partner_id} in the last 24 h")
    return {**found, **customers_json(customers_of(gate.parts(), "partner", partner_id))}


@api.get("/apis")
def apis() -> dict[str, Any]:
    """All APIs that were called in the last 24 h, most calls first."""
    return _page(api_rows(gate.parts()), _api)


@api.get("/apis/<api_key>")
def one_api(api_key: str) -> dict[str, Any]:
    """One. Raises KeyError."""
    name = api_of_id(api_key)
    found = next((_api(row) for row in api_rows(gate.parts()) if row.id == name), None) or _none(f"API {name} in the last 24 h")
    return {**found, **customers_json(customers_of(gate.parts(), "api", name))}


def _partner(row: HealthRow) -> dict[str, Any]:
    return {"id": row.id, "name": row.name, **health_json(row)}


def _api(row: HealthRow) -> dict[str, Any]:
    method, _, route = row.id.partition(" ")
    return {"id": api_id(row.id), "method": method, "route": route, **health_json(row)}


def _page(rows: Sequence[HealthRow], shape: Any) -> dict[str, Any]:
    at = cursor() or "0"
    if not at.isdigit():
        raise BadInput("`cursor` is what `next` of the page before gave.")
    start, size = int(at), limit()
    ordered = sorted(rows, key=lambda row: (-row.calls, row.id))
    following = str(start + size) if start + size < len(ordered) else None
    return listed([shape(row) for row in ordered[start:start + size]], following)


def _none(what: str) -> dict[str, Any]:
    raise KeyError(what)
