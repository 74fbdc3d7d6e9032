"""What pages say, as frozen dataclasses: the only thing a template sees beside `chrome`. One class is one template."""

from __future__ import annotations

from dashboards.pages.admin import ChangesPage, CollectorRow, ReceiversPage, SilencesPage, StatusPage, TokensPage, UsersPage
from dashboards.pages.common import Choice, Chrome, ErrorPage, Facet, Fact, NavItem, SignInPage, Toast, Undo
from dashboards.pages.groups import GroupLink, GroupPage, GroupRulesPage, NearGroup, Place, RuleRow, TaughtRow, TriedRow
from dashboards.pages.health import HealthListPage, HealthPage, HealthRow
from dashboards.pages.incidents import IncidentPage, IncidentRow, IncidentsPage, NoticeRow, TimelineRow
from dashboards.pages.traces import (
    Answer,
    CallRow,
    CallsPage,
    Hop,
    LookupPage,
    RecordRow,
    RecordsPage,
    Segment,
    TracePage,
    TraceRow,
    TraceView,
)

__all__ = [
    "Answer", "CallRow", "CallsPage", "ChangesPage", "Choice", "Chrome", "CollectorRow", "ErrorPage", "Facet", "Fact",
    "GroupLink", "GroupPage", "GroupRulesPage", "HealthListPage", "HealthPage", "HealthRow", "Hop", "IncidentPage", "IncidentRow",
    "IncidentsPage", "LookupPage", "NavItem", "NearGroup", "NoticeRow", "Place", "ReceiversPage", "RecordRow", "RecordsPage",
    "RuleRow", "Segment", "SignInPage",
    "SilencesPage", "StatusPage", "TaughtRow", "TimelineRow", "Toast", "TokensPage", "TracePage", "TraceRow", "TraceView",
    "TriedRow", "Undo", "UsersPage",
]
