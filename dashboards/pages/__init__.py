"""What pages say, as frozen dataclasses: the only thing a template sees beside `chrome`. One class is one template."""

from __future__ import annotations

from dashboards.pages.admin import ChangesPage, ReceiversPage, SilencesPage, StatusPage, TokensPage, UsersPage
from dashboards.pages.common import Choice, Chrome, ErrorPage, Facet, Fact, NavItem, SignInPage, Toast, Undo
from dashboards.pages.health import HealthListPage, HealthPage, HealthRow
from dashboards.pages.incidents import GroupLink, GroupPage, IncidentPage, IncidentRow, IncidentsPage, NoticeRow, TimelineRow
from dashboards.pages.traces import Answer, CallRow, CallsPage, Hop, LookupPage, Segment, TracePage, TraceRow, TraceView

__all__ = [
    "Answer", "CallRow", "CallsPage", "ChangesPage", "Choice", "Chrome", "ErrorPage", "Facet", "Fact",
    "GroupLink", "GroupPage", "HealthListPage", "HealthPage", "HealthRow", "Hop", "IncidentPage", "IncidentRow",
    "IncidentsPage", "LookupPage", "NavItem", "NoticeRow", "ReceiversPage", "Segment", "SignInPage",
    "SilencesPage", "StatusPage", "TimelineRow", "Toast", "TokensPage", "TracePage", "TraceRow", "TraceView",
    "Undo", "UsersPage",
]
