"""How the product fares, as JSON."""

from __future__ import annotations

from typing import Any, Final

from flask import Blueprint

from dashboards import gate
from dashboards.admin.status import status_json
from dashboards.api.common import PREFIX

api: Final = Blueprint("api_status", __name__, url_prefix=PREFIX)


@api.get("/status")
def status() -> dict[str, Any]:
    """What is kept, what was refused, how late, the last analysis."""
    return status_json(gate.parts())
