"""Calls as JSON."""

from __future__ import annotations

from typing import Any, Final

from flask import Blueprint, request

from dashboards import gate
from dashboards.api.common import PREFIX, cursor, limit, listed
from dashboards.call_rows import call_json
from dashboards.calls import FILTERS, find_calls

api: Final = Blueprint("api_calls", __name__, url_prefix=PREFIX)


@api.get("/calls")
def index() -> dict[str, Any]:
    """Calls, newest first, with the filters of the page."""
    filters = {name: request.args.get(name, "") for name in FILTERS}
    found = find_calls(gate.parts(), filters, limit=limit(), cursor=cursor())
    return listed([call_json(row) for row in found.rows], found.next)
