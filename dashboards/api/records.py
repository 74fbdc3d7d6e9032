"""Spans and log records as JSON."""

from __future__ import annotations

from typing import Any, Final

from flask import Blueprint, request

from dashboards import gate
from dashboards.api.common import PREFIX, after, cursor, limit, listed
from dashboards.records.record_json import log_json, span_json
from dashboards.records.search import FILTERS, RecordSignal, find_records

api: Final = Blueprint("api_records", __name__, url_prefix=PREFIX)


@api.get("/spans")
def spans() -> dict[str, Any]:
    """Spans, newest first; `?after=` what `latest` gave: only newer ones."""
    return _found("spans", span_json)


@api.get("/logs")
def logs() -> dict[str, Any]:
    """Log records, newest first; `?after=` what `latest` gave: only newer ones."""
    return _found("logs", log_json)


def _found(signal: RecordSignal, shape: Any) -> dict[str, Any]:
    filters = {name: request.args.get(name, "") for name in FILTERS[signal]}
    found = find_records(gate.parts(), signal, filters, limit=limit(), cursor=cursor(), after=after())
    return {**listed([shape(row) for row in found.rows.to_pylist()], found.next), "latest": found.latest}
