"""Incidents."""

from __future__ import annotations

from dataclasses import dataclass

from dashboards.pages.common import Choice, Facet, Fact
from dashboards.pages.groups import GroupLink
from dashboards.pages.traces import TraceView
from dashboards.svg import Curve, Spark
from triage.domain.incident import Incident


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
class TimelineRow:
    """Something that happened, with how long ago it was."""

    at_ns: int
    when: str
    what: str
    detail: str
    tone: str  # '', 'bad', 'good', 'told', 'held', 'person'


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
    silenced: str  # why notices are held back; '' when they are not
    complaints: int
    merge_choices: tuple[tuple[str, str], ...]
    can_act: bool
    assignees: tuple[str, ...]
    now_ns: int
