"""Findings: what one analysis run saw, before it is decided which incident they belong to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from triage.domain.incident import ApiImpact, Comparison, Impact, Kind, Point, Severity, Suspect

FindingKind = Literal[
    "new_group", "growing_group", "regressed_group", "series_anomaly", "abnormal_use", "endpoint_down"
]


@dataclass(slots=True)
class Finding:
    """One problem as one run saw it: findings with the same key belong to the same incident.

    Times are event time. `until_ns` is the last failure seen; `ended` says that a quiet stretch followed it.
    """

    key: str
    kinds: list[FindingKind]
    kind: Kind
    title: str
    summary: str
    scope: str
    severity: Severity
    whose_side: str
    since_ns: int
    until_ns: int
    failed_calls: int
    total_calls: int
    customers: int
    partners: list[Impact] = field(default_factory=list)
    apis: list[ApiImpact] = field(default_factory=list)
    services: list[str] = field(default_factory=list)
    instances: list[str] = field(default_factory=list)
    suspects: list[Suspect] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    trace_ids: list[str] = field(default_factory=list)
    comparison: list[Comparison] = field(default_factory=list)
    series: list[Point] = field(default_factory=list)
    restricted: bool = False
