"""Traces, calls and the complaint desk."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Segment:
    """A bar in a waterfall, in percent of its width."""

    x: float
    width: float


@dataclass(frozen=True, slots=True)
class TraceRow:
    """A span or a log record in the one timeline of its trace."""

    kind: str  # 'span' or 'log'
    depth: int
    title: str
    service: str
    version: str
    time_ns: int
    offset_ns: int
    length_ns: int
    bar: Segment
    own: tuple[Segment, ...]  # where the span itself works, not its children
    error: bool
    note: str
    severity: str
    details: tuple[tuple[str, str], ...]
    stack: str
    span_id: str
    on_error_path: bool


@dataclass(frozen=True, slots=True)
class TraceView:
    """A trace as one timeline."""

    trace_id: str
    rows: tuple[TraceRow, ...]
    start_ns: int
    length_ns: int
    spans: int
    logs: int
    services: tuple[str, ...]
    left_out: int
    origin: str  # where the failure began, in words; '' when nothing failed
    ticks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CallRow:
    """A call in a list."""

    call_id: str
    time_ns: int
    partner: str
    partner_name: str
    method: str
    route: str
    status: int
    outcome: str
    duration_ns: int
    service: str
    codes: str
    message: str
    trace_id: str
    incident_id: str
    source: str


@dataclass(frozen=True, slots=True)
class TracePage:
    """One trace."""

    trace_id: str
    trace: TraceView | None
    calls: tuple[CallRow, ...]
    incidents: tuple[tuple[str, str], ...]
    why_empty: str
    now_ns: int


@dataclass(frozen=True, slots=True)
class Hop:
    """A station of the way that a request takes."""

    label: str
    bad: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer that support can read out. Plain words, no personal data."""

    headline: str
    what_happened: str
    whose_side: str
    known_incident: str
    tell_customer: str


@dataclass(frozen=True, slots=True)
class LookupPage:
    """The complaint desk."""

    query: str
    asked: bool
    matched_kind: str
    matched_value: str
    answer: Answer | None
    side_words: str
    incident_id: str
    hops: tuple[Hop, ...]
    calls: tuple[CallRow, ...]
    trace_id: str
    can_complain: bool
    registered: str
    now_ns: int


@dataclass(frozen=True, slots=True)
class CallsPage:
    """Calls, newest first."""

    rows: tuple[CallRow, ...]
    filters: tuple[tuple[str, str], ...]
    partners: tuple[tuple[str, str], ...]
    apis: tuple[str, ...]
    fault: str
    next: str
    first: str
    now_ns: int
    live: int  # seconds between refreshes of a live tail; 0: none
    live_href: str
    still_href: str


@dataclass(frozen=True, slots=True)
class RecordRow:
    """A span or a log record in a list."""

    id: str
    time_ns: int
    service: str
    title: str
    sub: str
    bad: bool
    label: str  # severity of a log, HTTP status of a span
    duration_ns: int  # -1: it has none
    trace_id: str


@dataclass(frozen=True, slots=True)
class RecordsPage:
    """Spans or logs, newest first."""

    signal: str
    rows: tuple[RecordRow, ...]
    fields: tuple[tuple[str, str, str, str], ...]  # name, label, value, placeholder
    choices: tuple[tuple[str, str, tuple[str, ...], str], ...]  # name, label, values, chosen
    fault: str
    next: str
    first: str
    now_ns: int
    live: int
    live_href: str
    still_href: str
