"""Calls as JSON."""

from __future__ import annotations

from typing import Any, Final

from flask import Blueprint, request

from dashboards import gate
from dashboards.api.common import PREFIX, after, cursor, limit, listed
from dashboards.records.call_rows import call_json
from dashboards.records.calls import FILTERS, find_calls

api: Final = Blueprint("api_calls", __name__, url_prefix=PREFIX)


@api.get("/calls")
def index() -> dict[str, Any]:
    """Calls, newest first, with the filters of the page; `?after=` what `latest` gave: only newer ones."""
    filters = {name: request.args.get(name, "") for name in FILTERS}
    found = find_calls(gate.parts(), filters, limit=limit(), cursor=cursor(), after=after())
    return {**listed([call_json(row) for row in found.rows], found.next), "latest": found.latest}
