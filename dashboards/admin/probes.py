"""Alive and able to serve: for load balancers and people; no session needed."""

from __future__ import annotations

from typing import Any, Final

from flask import Blueprint

from dashboards import gate

pages: Final = Blueprint("health", __name__)


@pages.get("/healthz")
def healthz() -> dict[str, Any]:
    """The process answers."""
    return {"status": "ok", "version": gate.parts().version}


@pages.get("/readyz")
def readyz() -> tuple[dict[str, Any], int]:
    """Able to serve, or 503 with the reasons why not."""
    reasons = gate.parts().ready()
    return {"status": "not ready" if reasons else "ok", "reasons": reasons}, 503 if reasons else 200
