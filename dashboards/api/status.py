"""How the product fares, as JSON."""

from __future__ import annotations

from typing import Any, Final

from flask import Blueprint

from dashboards import gate
from dashboards.api.common import PREFIX
from dashboards.status_model import status_json

api: Final = Blueprint("api_status", __name__, url_prefix=PREFIX)


@api.get("/status")
def status() -> dict[str, Any]:
    """What is kept, what was refused, how late, the last analysis."""
    return status_json(gate.parts())
