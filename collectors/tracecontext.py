"""Trace context out of the headers of a request.

Order: `traceparent` (W3C Trace Context), Kong's own `trace_id`, `b3` and `x-b3-*` (Zipkin), `uber-trace-id` (Jaeger),
`x-amzn-trace-id` (AWS X-Ray). A UUID in a request ID is no trace ID.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

_TRACEPARENT: Final = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?")
_B3: Final = re.compile(r"([0-9a-f]{16}|[0-9a-f]{32})-([0-9a-f]{16})(?:-([01d])(?:-[0-9a-f]{16})?)?")
_HEX_TRACE: Final = re.compile(r"[0-9a-f]{16}|[0-9a-f]{32}")
_HEX_SPAN: Final = re.compile(r"[0-9a-f]{16}")
_UBER: Final = re.compile(r"([0-9a-f]{1,32})(?::|%3a)([0-9a-f]{1,16})(?::|%3a)[0-9a-f]{1,16}(?::|%3a)([0-9a-f]{1,2})")
_XRAY: Final = re.compile(r"(?:^|[;,\s]|root=)1-([0-9a-f]{8})-([0-9a-f]{24})", re.IGNORECASE)
_XRAY_PARENT: Final = re.compile(r"parent=([0-9a-f]{16})", re.IGNORECASE)
_XRAY_SAMPLED: Final = re.compile(r"sampled=([01])", re.IGNORECASE)


class TraceContext(NamedTuple):
    """A trace ID of 32 and a span ID of 16 lower-case hex digits, each empty when unknown; sampled None: not said."""

    trace_id: str
    span_id: str
    sampled: bool | None


NONE: Final = TraceContext("", "", None)


def trace_context(headers: Mapping[str, str], kong: Mapping[str, object] | None = None) -> TraceContext:
    """The trace context of a request. `headers` by lower-case name; `kong` is the `trace_id` object of a Kong entry."""
    return (
        _traceparent(headers.get("traceparent", ""))
        or _kong(kong or {})
        or _b3(headers)
        or _uber(headers.get("uber-trace-id", ""))
        or _xray(headers.get("x-amzn-trace-id", ""))
        or NONE
    )


def _context(trace_id: str, span_id: str, sampled: bool | None) -> TraceContext | None:
    """The context, unless the trace ID is all zeros."""
    trace_id, span_id = trace_id.rjust(32, "0"), span_id.rjust(16, "0") if span_id else ""
    if not trace_id.strip("0"):
        return None
    return TraceContext(trace_id, span_id if span_id.strip("0") else "", sampled)


def _traceparent(value: str) -> TraceContext | None:
    found = _TRACEPARENT.fullmatch(value.strip().lower())
    if found is None or found[1] == "ff" or not found[3].strip("0"):
        return None
    return _context(found[2], found[3], bool(int(found[4], 16) & 1))


def _kong(kinds: Mapping[str, object]) -> TraceContext | None:
    for kind in ("w3c", "b3", "ot", "jaeger"):
        value = str(kinds.get(kind, "")).lower()
        if _HEX_TRACE.fullmatch(value):
            return _context(value, "", None)
    return None


def _b3(headers: Mapping[str, str]) -> TraceContext | None:
    found = _B3.fullmatch(headers.get("b3", "").strip().lower())
    if found is not None:
        return _context(found[1], found[2], None if found[3] is None else found[3] != "0")
    trace_id = headers.get("x-b3-traceid", "").strip().lower()
    if _HEX_TRACE.fullmatch(trace_id) is None:
        return None
    span_id = headers.get("x-b3-spanid", "").strip().lower()
    said = headers.get("x-b3-sampled", "").strip().lower()
    sampled = {"1": True, "true": True, "0": False, "false": False}.get(said)
    return _context(trace_id, span_id if _HEX_SPAN.fullmatch(span_id) else "", sampled)


def _uber(value: str) -> TraceContext | None:
    found = _UBER.fullmatch(value.strip().lower())
    return None if found is None else _context(found[1], found[2], bool(int(found[3], 16) & 1))


def _xray(value: str) -> TraceContext | None:
    root = _XRAY.search(value)
    if root is None:
        return None
    parent, sampled = _XRAY_PARENT.search(value), _XRAY_SAMPLED.search(value)
    return _context((root[1] + root[2]).lower(), parent[1].lower() if parent else "", sampled[1] == "1" if sampled else None)
