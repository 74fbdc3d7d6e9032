"""Error groups and the rules that people give for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dashboards.svg import Curve
from triage.domain.incident import Incident


@dataclass(frozen=True, slots=True)
class GroupLink:
    """An error group in a list. `note`: what is special about it."""

    id: str
    title: str
    count: int
    note: str = ""


@dataclass(frozen=True, slots=True)
class NearGroup:
    """A group that says nearly the same; `distance` from 0 (the same text) to 1 (nothing in common); `sample`: what it says."""

    id: str
    title: str
    distance: float
    sample: str


@dataclass(frozen=True, slots=True)
class Place:
    """A varying position of a template: its number from 1, and its commonest values with how often each was seen."""

    number: int
    values: str


@dataclass(frozen=True, slots=True)
class TaughtRow:
    """Something that a person taught, and whether it still holds. `group`: whom the way back is sent to."""

    id: str
    at_ns: int
    by: str
    what: str
    other: GroupLink | None
    reason: str
    undone: str
    group: str


@dataclass(frozen=True, slots=True)
class GroupPage:
    """An error group: what belongs to it and why."""

    group: dict[str, Any]
    seen: str  # how many errors, and in what time
    pieces: tuple[str, ...]  # of the template, between its varying positions
    places: tuple[Place, ...]
    flood: str
    joined_by: str
    part_of: GroupLink | None
    curve: Curve | None
    calls_href: str
    rule_href: str
    incidents: tuple[Incident, ...]
    neighbours: tuple[NearGroup, ...]
    holds: tuple[tuple[str, int], ...]  # messages of its members, and their errors
    choices: tuple[tuple[str, int], ...]  # templates that can be split off
    taught: tuple[TaughtRow, ...]
    apis: str  # how many, in words; '' for less than two
    routes: tuple[tuple[str, int], ...]  # those with most errors, most first
    services: tuple[tuple[str, int], ...]
    version: int
    can_act: bool
    trouble: str
    fault: str  # what was wrong with the form that was sent
    fault_in: str  # which: 'merge' or 'split'; '' for none
    form: dict[str, str]  # what was typed into it
    chosen: tuple[str, ...]
    now_ns: int


@dataclass(frozen=True, slots=True)
class RuleRow:
    """A rule in its place."""

    id: str
    place: int
    words: str
    key: str
    enabled: bool
    note: str
    by: str
    at_ns: int
    group: GroupLink | None


@dataclass(frozen=True, slots=True)
class TriedRow:
    """A group that a rule would reach into."""

    id: str
    title: str
    matched: int
    total: int
    samples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GroupRulesPage:
    """The rules in their order, a form for a new one, and what it would have done."""

    rules: tuple[RuleRow, ...]
    version: int
    history: tuple[dict[str, Any], ...]
    form: dict[str, str]
    summary: str
    looked_at: str
    tried: tuple[TriedRow, ...]
    fault: str
    can_act: bool
    now_ns: int
