"""Partners and APIs."""

from __future__ import annotations

from dataclasses import dataclass

from dashboards.pages.common import Facet, Fact
from dashboards.pages.incidents import IncidentRow
from dashboards.svg import Curve, Spark


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
