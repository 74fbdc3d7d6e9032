"""Error events: what failed, in which call, and where the failure began.

A failing call is one event; its trace lends it the exception and the origin (the deepest failing span, a client span without an
answering server being charged to the callee). Error logs and failing spans of traces without a failing call are events of their own.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from triage.analyse.fingerprint import ErrorEvent
from triage.domain.calls import FAULT_OUTCOMES
from triage.domain.windows import MINUTE_NS

CLIENT: Final = 3
ERROR_SEVERITY: Final = 17
GATEWAY: Final = "gateway"
"""The service of failures that the gateway itself answered with."""
SPAN_COLUMNS: Final = (
    "trace_id", "span_id", "parent_id", "name", "kind", "time_ns", "service", "status_message", "http_status", "error_type",
    "exception_type", "exception_message", "exception_stack", "attributes",
)
LOG_COLUMNS: Final = (
    "log_id", "time_ns", "trace_id", "severity", "body", "service", "exception_type", "exception_message", "exception_stack",
)
FAILED: Final = ("customer_error", "partner_error", "gateway_error", "bank_error", "external_error")


@dataclass(slots=True)
class Origin:
    """Where a trace began to fail."""

    service: str
    external: bool
    exception_type: str
    exception_message: str
    exception_stack: str
    message: str


@dataclass(frozen=True, slots=True)
class Happened:
    """One error event with what the roll-up needs of it."""

    minute: int
    time_ns: int
    partner: str
    api: str
    service: str
    outcome: str
    trace_id: str
    event: ErrorEvent


def origins_of(error_spans: pa.Table, error_logs: pa.Table) -> dict[str, Origin]:
    """By trace ID. Of the failing spans that no failing span has for a parent the latest counts as the deepest."""
    rows = [row for row in error_spans.to_pylist() if row["trace_id"]]
    parents = {(row["trace_id"], row["parent_id"]) for row in rows}
    origins: dict[str, Origin] = {}
    started: dict[str, int] = {}
    for row in rows:
        trace_id = row["trace_id"]
        if (trace_id, row["span_id"]) in parents or row["time_ns"] < started.get(trace_id, 0):
            continue
        started[trace_id] = row["time_ns"]
        origins[trace_id] = _origin_of_span(row)
    for row in error_logs.to_pylist():
        origin = origins.get(row["trace_id"])
        if origin is not None and not origin.exception_type and row["service"] == origin.service:
            origin.exception_type, origin.exception_message = row["exception_type"], row["exception_message"]
            origin.exception_stack = row["exception_stack"]
            origin.message = origin.message or row["body"]
    return origins


def _origin_of_span(row: dict[str, Any]) -> Origin:
    service, external = row["service"], False
    if row["kind"] == CLIENT:
        attributes = orjson.loads(row["attributes"] or b"{}")
        callee = attributes.get("peer.service") or attributes.get("service.peer.name") or attributes.get("server.address")
        if callee:
            service, external = str(callee), True
    return Origin(
        service, external, row["exception_type"], row["exception_message"], row["exception_stack"], row["status_message"]
    )


def call_events(calls: pa.Table, origins: dict[str, Origin], services: frozenset[str]) -> Iterable[Happened]:
    """Events of the failing calls (from `with_api`). `services` are the bank's own, which a callee's name is looked up in."""
    failing = calls.filter(pc.is_in(calls.column("outcome"), pa.array(FAILED)))
    for row in failing.to_pylist():
        outcome = row["outcome"]
        origin = origins.get(row["trace_id"]) if outcome in FAULT_OUTCOMES else None
        codes = tuple(row["codes"].split())
        service = ""  # where a failure began is what its trace says; without one it is not known
        if origin is not None:
            service = origin.service
            if origin.external and service not in services:
                outcome = "external_error"
        elif outcome == "gateway_error":
            service = GATEWAY
        yield Happened(
            row["minute"], row["time_ns"], row["partner"], row["api"], service, outcome, row["trace_id"],
            ErrorEvent(
                codes=codes, route=row["route"], method=row["method"], service=service,
                exception_type=origin.exception_type if origin else "",
                exception_message=origin.exception_message if origin else "",
                stacktrace=origin.exception_stack if origin else "",
                message=row["message"] or (origin.message if origin else "") or row["flag"], status=row["status"],
            ),
        )


def log_events(error_logs: pa.Table, calls: pa.Table) -> Iterable[Happened]:
    """Events of error logs whose trace has no failing call. Partner and API are those of the trace's call, if there is one."""
    of_trace: dict[str, tuple[str, str, str]] = {}
    for trace_id, partner, api, outcome in zip(
        *(calls.column(name).to_pylist() for name in ("trace_id", "partner", "api", "outcome")), strict=True
    ):
        if trace_id:
            of_trace[trace_id] = (partner, api, outcome)
    for row in error_logs.to_pylist():
        partner, api, outcome = of_trace.get(row["trace_id"], ("", "", ""))
        if outcome in FAILED:
            continue
        yield Happened(
            row["time_ns"] // MINUTE_NS, row["time_ns"], partner, api, row["service"], "bank_error", row["trace_id"],
            ErrorEvent(
                codes=(), route="", method="", service=row["service"], exception_type=row["exception_type"],
                exception_message=row["exception_message"], stacktrace=row["exception_stack"], message=row["body"], status=0,
            ),
        )


def span_events(error_spans: pa.Table, error_logs: pa.Table, calls: pa.Table, origins: dict[str, Origin]) -> Iterable[Happened]:
    """One event for each trace with failing spans but neither a failing call nor an error log."""
    told = set(error_logs.column("trace_id").to_pylist())
    known = dict(zip(calls.column("trace_id").to_pylist(), calls.column("outcome").to_pylist(), strict=True))
    first: dict[str, int] = {}
    for trace_id, time_ns in zip(error_spans.column("trace_id").to_pylist(), error_spans.column("time_ns").to_pylist(), strict=True):
        first[trace_id] = min(time_ns, first.get(trace_id, time_ns))
    for trace_id, origin in origins.items():
        if trace_id in told or known.get(trace_id) in FAILED or known.get(trace_id) == "ok":
            continue
        yield Happened(
            first[trace_id] // MINUTE_NS, first[trace_id], "", "", origin.service, "bank_error", trace_id,
            ErrorEvent(
                codes=(), route="", method="", service=origin.service, exception_type=origin.exception_type,
                exception_message=origin.exception_message, stacktrace=origin.exception_stack, message=origin.message, status=0,
            ),
        )


def first_minutes(table: pa.Table) -> dict[tuple[str, str], int]:
    """(service, version) -> the first minute that shows it, from spans or logs with the columns service, version, time_ns."""
    if not len(table):
        return {}
    low = table.group_by(["service", "version"]).aggregate([("time_ns", "min")])
    minutes = low.column("time_ns_min").to_numpy() // MINUTE_NS
    names = zip(low.column("service").to_pylist(), low.column("version").to_pylist(), strict=True)
    return dict(zip(names, np.asarray(minutes).tolist(), strict=True))
