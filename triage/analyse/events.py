"""Error events: what failed, in which call, and where the failure began.

A failing call is one event; its trace lends it the exception and the origin (the deepest failing span, a client span without an
answering server being charged to the callee). Error logs and failing spans of traces without a failing call are events too.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from triage.analyse.grouping.fingerprint import ErrorEvent
from triage.domain.calls import FAILED_OUTCOMES, FAULT_OUTCOMES
from triage.domain.windows import MINUTE_NS

CLIENT: Final = 3
ERROR_SEVERITY: Final = 17
GATEWAY: Final = "gateway"
"""The service of failures that the gateway itself answered with."""
SPAN_COLUMNS: Final = (
    "trace_id", "span_id", "parent_id", "name", "kind", "time_ns", "service", "status_message", "http_status", "error_type",
    "exception_type", "exception_message", "exception_stack", "attributes",
)
CALL_WITNESS_COLUMNS: Final = (
    "witness_id", "witness", "time_ns", "duration_ns", "partner", "method", "route", "status", "outcome", "codes", "message",
    "trace_id", "span_id", "gateway_request_id", "service", "flag", "bytes_in", "bytes_out", "instance",
    "customer", "customer_present", "consent_id", "network",
)
LOG_COLUMNS: Final = (
    "log_id", "time_ns", "trace_id", "severity", "body", "service", "exception_type", "exception_message", "exception_stack",
)
FLAG_WORDS: Final = {
    "NR": "no route matched", "UH": "no healthy upstream", "UF": "upstream connection failed", "UO": "upstream overflowed",
    "UT": "upstream did not answer in time", "UC": "upstream closed the connection", "URX": "upstream retries were used up",
    "UAEX": "the authorisation service refused", "RL": "rate limit exceeded", "DC": "the caller went away",
}
"""Envoy's response flags for people."""


@dataclass(slots=True)
class Origin:
    """Where a trace began to fail. `callee`: whom the failing service had asked, where that one did not report itself."""

    span_id: str
    service: str
    callee: str
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
    """By trace ID. Of the failing spans that no failing span has for a parent the latest counts as the deepest. Its exception may
    stand on a caller's span (a database has none) or in an error log alone; the latest one of the trace is taken."""
    leaves, thrown = _deepest(error_spans)
    telling = error_spans.take(pa.array([thrown.get(trace_id, row) for trace_id, row in leaves.items()], pa.int64()))
    rows = zip(_rows(error_spans.take(pa.array(leaves.values(), pa.int64()))), _rows(telling), strict=True)
    origins = {row["trace_id"]: _origin_of_span(row, exception) for row, exception in rows}
    _lend_logs(origins, error_logs)
    return origins


def _deepest(error_spans: pa.Table) -> tuple[dict[str, int], dict[str, int]]:
    """The rows of each trace's deepest failing span, and of its latest exception. Only the columns that decide become objects."""
    names = ("trace_id", "span_id", "parent_id", "time_ns")
    traces, spans, parents, times = (error_spans.column(name).to_pylist() for name in names)
    has = pc.not_equal(error_spans.column("exception_type"), "").to_pylist()
    above = set(zip(traces, parents, strict=True))
    leaves: dict[str, int] = {}
    thrown: dict[str, int] = {}
    for row, trace_id in enumerate(traces):
        if not trace_id:
            continue
        if has[row] and (trace_id not in thrown or times[row] >= times[thrown[trace_id]]):
            thrown[trace_id] = row
        if (trace_id, spans[row]) not in above and (trace_id not in leaves or times[row] >= times[leaves[trace_id]]):
            leaves[trace_id] = row
    return leaves, thrown


def _lend_logs(origins: dict[str, Origin], error_logs: pa.Table) -> None:
    """Exceptions that only an error log tells, of the origin's own service where it wrote one."""
    own: set[str] = set()
    for row in _rows(error_logs):
        trace_id = row["trace_id"]
        origin = origins.get(trace_id)
        mine = origin is not None and row["service"] in (origin.service, origin.callee)
        if origin is None or trace_id in own or (origin.exception_type and trace_id not in own and not mine):
            continue
        if mine:
            own.add(trace_id)
        if not origin.exception_type:
            origin.exception_type, origin.exception_message = row["exception_type"], row["exception_message"]
            origin.exception_stack = row["exception_stack"] or (row["body"] if "\n" in row["body"] else "")
        origin.message = (row["body"] if mine else "") or origin.message or row["body"]


def _origin_of_span(row: dict[str, Any], thrown: dict[str, Any]) -> Origin:
    callee = ""
    if row["kind"] == CLIENT:
        attributes = orjson.loads(row["attributes"] or b"{}")
        if not any(name in attributes for name in DATABASE):
            callee = called(attributes)
    return Origin(
        row["span_id"], row["service"], callee, thrown["exception_type"], thrown["exception_message"], thrown["exception_stack"],
        row["status_message"],
    )


_SLICE: Final = 10_000  # rows
_CALLEE: Final = ("peer.service", "service.peer.name", "server.address", "rpc.service")
DATABASE: Final = ("db.system.name", "db.system", "db.namespace", "db.name")
"""A database reports nothing itself, and its service answers for it."""


def called(attributes: Mapping[str, Any]) -> str:
    """Whom a CLIENT span's attributes name as asked, or ''."""
    return str(next((attributes[name] for name in _CALLEE if attributes.get(name)), ""))


def own_service(callee: str, services: frozenset[str]) -> str:
    """The bank's service behind a callee's name or host name, or ''."""
    if callee in services:
        return callee
    label = callee.partition(".")[0]
    return label if label in services else ""


def call_events(calls: pa.Table, origins: dict[str, Origin], services: frozenset[str]) -> Iterable[Happened]:
    """Events of the failing calls (from `with_api`). `services` are the bank's own, which a callee's name is looked up in."""
    failing = calls.filter(pc.is_in(calls.column("outcome"), pa.array(FAILED_OUTCOMES)))
    for row in _rows(failing):
        origin = origins.get(row["trace_id"]) if row["outcome"] in FAULT_OUTCOMES else None
        service, outcome = began(row, origin, services)
        yield Happened(
            row["minute"], row["time_ns"], row["partner"], row["api"], service, outcome, row["trace_id"],
            ErrorEvent(
                codes=tuple(row["codes"].split()), route=row["route"], method=row["method"], service=service,
                exception_type=origin.exception_type if origin else "",
                exception_message=origin.exception_message if origin else "",
                stacktrace=origin.exception_stack if origin else "",
                message=row["message"] or (origin.message if origin else "") or FLAG_WORDS.get(row["flag"], row["flag"]),
                status=row["status"], upstream=row["service"],
            ),
        )


def began(row: dict[str, Any], origin: Origin | None, services: frozenset[str]) -> tuple[str, str]:
    """Where a failing call began to fail ('' where nobody says), and its outcome seen from there."""
    outcome: str = row["outcome"]
    if origin is None or origin.span_id == row["span_id"]:  # the gateway's own span says no more than the call does
        return (GATEWAY if outcome == "gateway_error" else ""), outcome
    if origin.callee:
        own = own_service(origin.callee, services)
        return own or origin.callee, ("bank_error" if own else "external_error")
    return origin.service, ("bank_error" if outcome == "gateway_error" else outcome)


def log_events(error_logs: pa.Table, calls: pa.Table) -> Iterable[Happened]:
    """Events of error logs whose trace has no failing call. Partner and API are those of the trace's call, if there is one."""
    of_trace = {row["trace_id"]: row for row in _calls_of(calls, error_logs, "partner", "api", "outcome")}
    for row in _rows(error_logs):
        call = of_trace.get(row["trace_id"], {})
        if call.get("outcome") in FAILED_OUTCOMES:
            continue
        yield Happened(
            row["time_ns"] // MINUTE_NS, row["time_ns"], call.get("partner", ""), call.get("api", ""), row["service"], "bank_error",
            row["trace_id"],
            ErrorEvent(
                codes=(), route="", method="", service=row["service"], exception_type=row["exception_type"],
                exception_message=row["exception_message"], stacktrace=row["exception_stack"], message=row["body"], status=0,
            ),
        )


def _rows(table: pa.Table) -> Iterator[dict[str, Any]]:
    """The rows, a slice at a time: a million of them as dicts would take gigabytes."""
    for batch in table.to_batches(max_chunksize=_SLICE):
        yield from batch.to_pylist()


def _calls_of(calls: pa.Table, others: pa.Table, *columns: str) -> list[dict[str, Any]]:
    """The calls that share a trace with other records."""
    wanted = pc.unique(others.column("trace_id"))
    mine = calls.filter(pc.and_(pc.is_in(calls.column("trace_id"), wanted), pc.not_equal(calls.column("trace_id"), "")))
    rows: list[dict[str, Any]] = mine.select(["trace_id", *columns]).to_pylist()
    return rows


def span_events(error_spans: pa.Table, error_logs: pa.Table, calls: pa.Table, origins: dict[str, Origin]) -> Iterable[Happened]:
    """One event for each trace with failing spans but neither a call nor an error log."""
    told = {*error_logs.column("trace_id").to_pylist(), *(row["trace_id"] for row in _calls_of(calls, error_spans))}
    first: dict[str, int] = {}
    columns = (error_spans.column(name).to_pylist() for name in ("trace_id", "time_ns"))
    for trace_id, time_ns in zip(*columns, strict=True):
        if trace_id in origins and trace_id not in told:
            first[trace_id] = min(time_ns, first.get(trace_id, time_ns))
    for trace_id, time_ns in first.items():
        origin = origins[trace_id]
        yield Happened(
            time_ns // MINUTE_NS, time_ns, "", "", origin.service, "bank_error", trace_id,
            ErrorEvent(
                codes=(), route="", method="", service=origin.service, exception_type=origin.exception_type,
                exception_message=origin.exception_message, stacktrace=origin.exception_stack, message=origin.message, status=0,
            ),
        )


def error_events(
    minutes: Collection[int], calls: pa.Table, error_spans: pa.Table, error_logs: pa.Table, services: frozenset[str],
) -> Iterator[Happened]:
    """All error events of these minutes; `calls` from `with_api`."""
    origins = origins_of(error_spans, error_logs)
    wanted = frozenset(minutes)
    happened = chain(
        call_events(calls, origins, services), log_events(error_logs, calls), span_events(error_spans, error_logs, calls, origins))
    return (event for event in happened if event.minute in wanted)


def first_minutes(table: pa.Table) -> dict[tuple[str, str], int]:
    """(service, version) -> the first minute that shows it, from rows of `PRESENCE_SCHEMA`."""
    low = table.group_by(["service", "version"]).aggregate([("minute", "min")])
    names = zip(low.column("service").to_pylist(), low.column("version").to_pylist(), strict=True)
    return dict(zip(names, low.column("minute_min").to_pylist(), strict=True))
