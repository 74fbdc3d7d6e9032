"""Spans and log records, newest first, with filters: one page for both."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import urlencode

import pyarrow as pa
from flask import Blueprint, request

from dashboards import gate
from dashboards.form_words import in_form_words
from dashboards.pages import RecordRow, RecordsPage
from dashboards.records.calls import LIVE_SECONDS, PAGE
from dashboards.records.search import FILTERS, SEVERITIES, FoundRecords, RecordSignal, find_records
from dashboards.render import render
from triage.errors import BadInput

pages: Final = Blueprint("records", __name__)
_WORDS: Final = {
    "service": ("Service", "exactly"), "version": ("Version", "4.7.1"),
    "name": ("Name holds", "GET /accounts"), "status": ("Status", ""), "http": ("HTTP status", "504 or 5xx"),
    "error": ("Exception holds", "TimeoutException"), "min_ms": ("At least, ms", "250"),
    "attribute": ("Attribute", "http.route=/accounts/{id}"), "trace": ("Trace ID", ""), "severity": ("At least", ""),
    "text": ("Text holds", "timed out"), "since": ("Since", "1h, 7d, 2026-01-31T18:00Z"), "until": ("Until", ""),
}
_CHOICES: Final = {"status": ("error", "ok", "unset"), "severity": tuple(SEVERITIES)}
_ERROR: Final = 2


@pages.get("/spans")
def spans() -> str:
    """Spans; filters that cannot be read are said above the form."""
    return _page("spans", _span_row)


@pages.get("/logs")
def logs() -> str:
    """Log records; filters that cannot be read are said above the form."""
    return _page("logs", _log_row)


def _page(signal: RecordSignal, row_of: Callable[[Mapping[str, Any]], RecordRow]) -> str:
    parts, cursor, fault = gate.parts(), request.args.get("cursor"), ""
    filters = {name: request.args.get(name, "").strip() for name in FILTERS[signal]}
    found = FoundRecords(pa.table({}), None, None)
    try:
        found = find_records(parts, signal, filters, limit=PAGE, cursor=cursor)
    except BadInput as error:
        fault = in_form_words(error.reason, {name: label for name, (label, _) in _WORDS.items()})
    kept = {name: value for name, value in filters.items() if value}
    here = f"/{signal}?{urlencode(kept)}"
    return render(RecordsPage(
        signal=signal, rows=tuple(map(row_of, found.rows.to_pylist())),
        fields=tuple((name, _WORDS[name][0], value, _WORDS[name][1]) for name, value in filters.items() if name not in _CHOICES),
        choices=tuple((name, _WORDS[name][0], _CHOICES[name], value) for name, value in filters.items() if name in _CHOICES),
        fault=fault, next=f"/{signal}?{urlencode({**kept, 'cursor': found.next})}" if found.next else "",
        first=here if cursor else "", now_ns=parts.clock(), live=LIVE_SECONDS if request.args.get("live") == "1" and not cursor else 0,
        live_href=f"/{signal}?{urlencode({**kept, 'live': '1'})}", still_href=here,
    ))


def _span_row(row: Mapping[str, Any]) -> RecordRow:
    return RecordRow(
        id=row["trace_id"] + row["span_id"], time_ns=row["time_ns"], service=row["service"], title=row["name"],
        sub=" · ".join(filter(None, (row["exception_type"], row["exception_message"] or row["status_message"]))),
        bad=row["status"] == _ERROR, label=str(row["http_status"] or ""), duration_ns=row["duration_ns"], trace_id=row["trace_id"],
    )


def _log_row(row: Mapping[str, Any]) -> RecordRow:
    word = next((name for name, low in reversed(SEVERITIES.items()) if row["severity"] >= low), "")
    return RecordRow(
        id=row["log_id"], time_ns=row["time_ns"], service=row["service"], title=row["body"],
        sub=" · ".join(filter(None, (row["exception_type"], row["exception_message"]))),
        bad=row["severity"] >= SEVERITIES["error"], label=word, duration_ns=-1, trace_id=row["trace_id"],
    )
