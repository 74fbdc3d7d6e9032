"""Incidents: what is broken, for whom, since when and why, and the states of their life.

State table: open -> acknowledged | snoozed | resolved; acknowledged -> snoozed | resolved | open; snoozed -> open (its time is
over) | acknowledged | resolved; resolved -> open (a regression, and it says so).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, Literal

State = Literal["open", "acknowledged", "snoozed", "resolved"]
STATES: Final[tuple[State, ...]] = ("open", "acknowledged", "snoozed", "resolved")
Severity = Literal["critical", "high", "medium", "low"]
SEVERITIES: Final[tuple[Severity, ...]] = ("critical", "high", "medium", "low")
Kind = Literal["errors", "latency", "traffic_drop", "traffic_surge", "endpoint_down", "abnormal_use"]
KINDS: Final[tuple[Kind, ...]] = (
    "errors", "latency", "traffic_drop", "traffic_surge", "endpoint_down", "abnormal_use",
)
SuspectKind = Literal["service", "partner", "api", "instance", "change", "external"]
Action = Literal["acknowledge", "assign", "snooze", "resolve", "reopen", "comment", "merge", "split"]
NoticeType = Literal[
    "incident.opened", "incident.escalated", "incident.acknowledged", "incident.resolved", "incident.reopened",
    "receiver.test",
]


@dataclass(slots=True)
class Impact:
    """How much of a partner's traffic failed."""

    id: str
    name: str
    failed: int
    total: int


@dataclass(slots=True)
class ApiImpact:
    """How many calls of an API failed."""

    method: str
    route: str
    failed: int
    total: int


@dataclass(slots=True)
class Suspect:
    """A possible cause with the evidence for and against it. `score` 0 to 1."""

    kind: SuspectKind
    name: str
    score: float
    why: list[str] = field(default_factory=list)
    why_not: list[str] = field(default_factory=list)


@dataclass(slots=True)
class TimelineEntry:
    """Something that happened to the incident. `actor` is a user's name or 'analysis'."""

    at_ns: int
    actor: str
    action: str
    reason: str = ""
    detail: str = ""


@dataclass(slots=True)
class Point:
    """One minute of the incident's curve."""

    minute: int
    calls: int
    failed: int


@dataclass(slots=True)
class Comparison:
    """An attribute value that failing calls share more than healthy ones do. Shares 0 to 1, of `looked_at` failing calls."""

    attribute: str
    value: str
    failing: float
    healthy: float
    looked_at: int = 0  # 0: not known, of incidents kept by an earlier version


@dataclass(slots=True)
class Episode:
    """An earlier time of an incident that came back: it was resolved in between. The incident's own numbers are of its present one."""

    since_ns: int
    until_ns: int
    failed_calls: int
    partners: int
    cause: str = ""  # the first suspect of that time


@dataclass(slots=True)
class Notice:
    """What there is to tell of a change of state; the outbox entry of the incident that it belongs to."""

    id: str
    type: NoticeType
    at_ns: int
    reason: str
    sent: bool = False  # handed to the deliveries of all receivers that want it


@dataclass(slots=True)
class Incident:
    """One problem. Everything a page, a webhook or a script needs to know of it."""

    id: str
    key: str  # what the problem is, whoever finds it: the same key in the same time is the same incident
    title: str
    state: State
    severity: Severity
    kind: Kind
    whose_side: str
    summary: str
    scope: str  # the smallest scope that explains it, in words
    first_seen_ns: int  # of its present episode
    last_seen_ns: int
    opened_ns: int
    resolved_ns: int = 0
    snoozed_until_ns: int = 0
    failed_calls: int = 0
    total_calls: int = 0
    customers: int = 0
    partners: list[Impact] = field(default_factory=list)
    apis: list[ApiImpact] = field(default_factory=list)
    services: list[str] = field(default_factory=list)
    instances: list[str] = field(default_factory=list)
    suspects: list[Suspect] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    trace_ids: list[str] = field(default_factory=list)
    comparison: list[Comparison] = field(default_factory=list)
    series: list[Point] = field(default_factory=list)
    timeline: list[TimelineEntry] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    similar: list[str] = field(default_factory=list)
    earlier: list[Episode] = field(default_factory=list)
    split_from: str = ""  # the incident that a person took its groups out of; the analysis keeps them apart
    assignee: str = ""
    merged_into: str = ""
    restricted: bool = False  # to be seen by the security role only
    backfilled: bool = False
    acted_version: int = 0  # the version that the last person's action made; only an older view is stale
    version: int = 0  # of its document; 0 before it was written

    def is_live(self) -> bool:
        """Whether somebody may still have to act."""
        return self.state != "resolved"


Json = dict[str, Any]
