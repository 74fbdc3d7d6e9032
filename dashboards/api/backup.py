"""A backup of the embedded stores, for `triage backup` on the same machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from flask import Blueprint, request
from werkzeug.exceptions import Forbidden

from dashboards import gate
from dashboards.api.common import PREFIX, body
from triage.errors import BadInput

api: Final = Blueprint("api_backup", __name__, url_prefix=PREFIX)
_LOOPBACK: Final = ("127.0.0.1", "::1")


@api.post("/backup")
def backup() -> dict[str, Any]:
    """Copy everything into a new folder of this machine: `{"path": "/srv/backups/monday"}`."""
    gate.demand("accounts")
    if request.remote_addr not in _LOOPBACK or "Authorization" not in request.headers or "X-Forwarded-For" in request.headers:
        raise Forbidden("A backup is made on the machine of the service: `triage backup PATH`.")
    path, back_up = body().get("path"), gate.parts().back_up
    if not isinstance(path, str) or not path:
        raise BadInput("Send `path`, the whole path of a new folder.")
    if back_up is None:
        raise BadInput("The records lie in Elasticsearch: back them up with its snapshots.")
    return back_up(Path(path))
