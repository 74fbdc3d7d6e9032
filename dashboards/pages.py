"""What pages say, as frozen dataclasses: the only thing a template sees beside `chrome`. One class is one template."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dashboards.svg import Curve, Spark
from triage.accounts.accounts import Token, User
from triage.domain.incident import Incident


@dataclass(frozen=True, slots=True)
class NavItem:
    """One entry of the navigation."""

    label: str
    path: str
    current: bool


@dataclass(frozen=True, slots=True)
class Undo:
    """The action that takes back what was just done: posted to `path`."""

    path: str
    action: str
    assignee: str = ""


@dataclass(frozen=True, slots=True)
class Toast:
    """What was just done."""

    text: str
    undo: Undo | None


@dataclass(frozen=True, slots=True)
class Chrome:
    """What surrounds every page."""

    nav: tuple[NavItem, ...]
    user: str
    role: str
    csrf: str
    theme: str
    here: str
    toast: Toast | None
    version: str


@dataclass(frozen=True, slots=True)
class ErrorPage:
    """Why there is no page, and what to do."""

    status: int
    title: str
    detail: str
    advice: str
    retry: bool


@dataclass(frozen=True, slots=True)
class SignInPage:
    """The form to come in."""

    csrf: str
    name: str
    next: str
    fault: str
    no_users: bool


@dataclass(frozen=True, slots=True)
class Facet:
    """One filter that can be switched, and where that leads."""

    label: str
    count: str
    href: str
    pressed: bool


@dataclass(frozen=True, slots=True)
class Choice:
    """One filter with many values."""

    name: str
    label: str
    value: str
    options: tuple[tuple[str, str], ...]  # (value, words)


@dataclass(frozen=True, slots=True)
class IncidentRow:
    """An incident in a list."""

    incident: Incident
    sub: str
    spark: Spark
    failed_note: str
    lasted: str


@dataclass(frozen=True, slots=True)
class IncidentsPage:
    """The list of incidents."""

    rows: tuple[IncidentRow, ...]
    facets: tuple[Facet, ...]
    choices: tuple[Choice, ...]
    hidden: tuple[tuple[str, str], ...]  # fields that the filter form keeps
    headline: str
    empty: str
    next: str
    trouble: str
    can_act: bool
    now_ns: int


@dataclass(frozen=True, slots=True)
class Fact:
    """A number and what it counts."""

    value: str
    label: str


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
class TimelineRow:
    """Something that happened, with how long ago it was."""

    at_ns: int
    when: str
    what: str
    detail: str
    tone: str  # '', 'bad', 'good', 'told', 'held', 'person'


@dataclass(frozen=True, slots=True)
class GroupLink:
    """An error group in a list."""

    id: str
    title: str
    count: int


@dataclass(frozen=True, slots=True)
class NoticeRow:
    """What was told, to whom, and what became of it."""

    at_ns: int
    what: str
    receiver: str
    outcome: str
    tone: str


@dataclass(frozen=True, slots=True)
class IncidentPage:
    """One incident."""

    incident: Incident
    verdict: str
    scope: str
    facts: tuple[Fact, ...]
    trace: TraceView | None
    trace_trouble: str
    curve: Curve | None
    timeline: tuple[TimelineRow, ...]
    notices: tuple[NoticeRow, ...]
    similar: tuple[Incident, ...]
    groups: tuple[GroupLink, ...]
    apis: tuple[tuple[str, str, int, int], ...]  # slug, words, failed, total
    complaints: int
    merge_choices: tuple[tuple[str, str], ...]
    can_act: bool
    assignees: tuple[str, ...]
    now_ns: int


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


@dataclass(frozen=True, slots=True)
class HealthRow:
    """How a partner or an API fared over the last 24 h."""

    id: str
    name: str
    sub: str
    href: str
    calls: int
    failed: int  # all that did not work
    faults: int  # of these not the caller's doing
    p50_ns: int
    p95_ns: int
    spark: Spark
    error_spark: Spark
    live: tuple[str, ...]  # live incidents


@dataclass(frozen=True, slots=True)
class HealthListPage:
    """All partners or all APIs with their health."""

    title: str
    noun: str
    rows: tuple[HealthRow, ...]
    query: str
    sort: str
    sorts: tuple[Facet, ...]
    left_out: int
    trouble: str


@dataclass(frozen=True, slots=True)
class HealthPage:
    """One partner or one API."""

    noun: str
    row: HealthRow
    extra: tuple[tuple[str, str], ...]
    facts: tuple[Fact, ...]
    curve: Curve | None
    outcomes: tuple[tuple[str, int, float], ...]
    parts_title: str
    parts: tuple[HealthRow, ...]
    incidents: tuple[IncidentRow, ...]
    calls_href: str
    now_ns: int


@dataclass(frozen=True, slots=True)
class GroupPage:
    """An error group: what belongs to it and why."""

    group: dict[str, Any]
    curve: Curve | None
    calls_href: str
    incidents: tuple[Incident, ...]
    neighbours: tuple[GroupLink, ...]
    trouble: str
    now_ns: int


@dataclass(frozen=True, slots=True)
class ChangesPage:
    """Deployments, configuration, certificates, partner changes and planned maintenance."""

    items: tuple[dict[str, Any], ...]
    kinds: tuple[str, ...]
    kind: str
    can_add: bool
    fault: str
    form: dict[str, str]
    next: str
    now_ns: int


@dataclass(frozen=True, slots=True)
class ReceiversPage:
    """Whom to tell, and what became of it."""

    receivers: tuple[dict[str, Any], ...]
    deliveries: tuple[dict[str, Any], ...]
    receiver: str
    next: str
    formats: tuple[str, ...]
    severities: tuple[str, ...]
    can_manage: bool
    can_deliver: bool
    secret: str
    secret_of: str
    fault: str
    form: dict[str, str]


@dataclass(frozen=True, slots=True)
class SilencesPage:
    """Scopes whose notices are held back, and until when."""

    items: tuple[dict[str, Any], ...]
    can_add: bool
    fault: str
    now_ns: int


@dataclass(frozen=True, slots=True)
class UsersPage:
    """People who can sign in."""

    users: tuple[User, ...]
    roles: tuple[str, ...]
    me: str
    fault: str
    now_ns: int


@dataclass(frozen=True, slots=True)
class TokensPage:
    """Credentials of scripts and collectors."""

    tokens: tuple[Token, ...]
    roles: tuple[str, ...]
    secret: str
    secret_of: str
    fault: str
    now_ns: int


@dataclass(frozen=True, slots=True)
class StatusPage:
    """How the product itself fares."""

    facts: tuple[Fact, ...]
    rejected: tuple[tuple[str, int], ...]
    sources: tuple[tuple[str, str], ...]
    runs: tuple[tuple[str, str], ...]
    reasons: tuple[str, ...]
    can_manage: bool
