"""Error groups as a chunk of minutes saw them: what a group's page says of its errors. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from triage.analyse.events import Happened
from triage.analyse.grouping.fingerprint import Fingerprint
from triage.analyse.grouping.floods import flood_of
from triage.analyse.grouping.joining import Neighbour
from triage.analyse.grouping.model import Assigned, GroupingModel
from triage.analyse.grouping.taught import Placed
from triage.analyse.grouping.templates import Template

SAMPLES: Final = 5
MOST_MEMBERS: Final = 30
MOST_PLACES: Final = 20
_MESSAGE_CHARS: Final = 2_000
_EXAMPLE_CHARS: Final = 400


@dataclass(slots=True)
class GroupSeen:
    """An error group. `members`: its templates `{print, kind, scope, template, count}`; `routes` and `services`: name -> errors;
    `flood`: `{distinct, messages, minute}` of the worst minute; `rule`: `{id, version}` of the rule that made it."""

    id: str
    kind: str
    title: str
    evidence: list[str]
    template: str
    codes: list[str]
    service: str
    api: str
    exception_type: str
    first_seen_ns: int
    last_seen_ns: int
    count: int
    samples: list[str] = field(default_factory=list)
    parameters: list[str] = field(default_factory=list)
    neighbours: list[dict[str, Any]] = field(default_factory=list)
    example: str = ""
    members: list[dict[str, Any]] = field(default_factory=list)
    routes: dict[str, int] = field(default_factory=dict)
    services: dict[str, int] = field(default_factory=dict)
    flood: dict[str, int] = field(default_factory=dict)
    rule: dict[str, Any] = field(default_factory=dict)

    def with_more(self, other: GroupSeen) -> GroupSeen:
        """This and what later events of the same chunk showed of the group."""
        return replace(
            self, first_seen_ns=min(self.first_seen_ns, other.first_seen_ns), last_seen_ns=max(self.last_seen_ns, other.last_seen_ns),
            count=self.count + other.count, samples=list(dict.fromkeys([*self.samples, *other.samples]))[:SAMPLES],
            parameters=other.parameters or self.parameters, neighbours=other.neighbours or self.neighbours,
            members=_sum_of_members([*self.members, *other.members]), routes=_sum(self.routes, other.routes),
            services=_sum(self.services, other.services), flood=_worst(self.flood, other.flood),
        )


@dataclass(slots=True)
class _Mine:
    """The events of one group, in order."""

    events: list[Happened] = field(default_factory=list)
    prints: list[Fingerprint] = field(default_factory=list)
    places: list[Placed] = field(default_factory=list)


def groups_seen(happened: Sequence[Happened], assigned: Assigned, grouping: GroupingModel, version: int) -> list[GroupSeen]:
    """The groups of a chunk. `version`: of the rules."""
    found: dict[str, _Mine] = {}
    for event, print_, place in zip(happened, assigned.prints, assigned.places, strict=True):
        mine = found.setdefault(place.group, _Mine())
        mine.events.append(event)
        mine.prints.append(print_)
        mine.places.append(place)
    templates = grouping.templates(mine.prints[0] for mine in found.values())
    return [_seen(group_id, mine, assigned.neighbours, templates, version) for group_id, mine in found.items()]


def taken_by_rules(places: Iterable[Placed]) -> dict[str, tuple[str, str]]:
    """Group -> the rule that took errors from it, and the group that they joined."""
    return {place.was: (place.rule.id, place.group) for place in places if place.rule is not None and place.was != place.group}


def _seen(
    group_id: str, mine: _Mine, neighbours: Mapping[str, tuple[Neighbour, ...]], templates: Mapping[str, Template], version: int,
) -> GroupSeen:
    event, print_, place = mine.events[0], mine.prints[0], mine.places[0]
    times = [each.time_ns for each in mine.events]
    template = templates.get(print_.template_id)
    said = event.event.message or event.event.exception_message
    kind, title, evidence = _named(group_id, event, print_, place, version)
    text = template.text if template and template.text else said
    return GroupSeen(
        id=group_id, kind=kind, title=title, evidence=evidence, template=text[:_MESSAGE_CHARS],
        codes=list(event.event.codes), service=event.service, api=event.api, exception_type=event.event.exception_type,
        first_seen_ns=min(times), last_seen_ns=max(times), count=len(times),
        samples=list(dict.fromkeys(each.trace_id for each in mine.events if each.trace_id))[:SAMPLES],
        parameters=_values(template) if template else [], neighbours=_near(group_id, mine.prints, neighbours),
        example=said[:_EXAMPLE_CHARS], members=_members(mine.prints), routes=_top(each.api for each in mine.events),
        services=_top(each.service for each in mine.events), flood=_flood(mine.events) if kind == "flood" else {},
        rule={"id": place.rule.id, "version": version} if place.rule else {},
    )


def _named(group_id: str, event: Happened, print_: Fingerprint, place: Placed, version: int) -> tuple[str, str, list[str]]:
    """Kind, title and evidence."""
    if place.rule is not None:
        why = [f"A rule of {place.rule.by or 'people'} joins them: {place.rule.match.words()}.", f"Rules as of version {version}."]
        return "rule", place.key, why
    if group_id == flood_of(print_.scope):
        why = ["Nearly every message is different, so that a group for each would bury all else.", *_from(print_.scope)]
        return "flood", f"A flood of different messages{' from ' + print_.scope if print_.scope else ''}", why
    evidence = list(print_.evidence)
    if place.lesson is not None:
        evidence.append(f"{place.lesson.by} split them from another group.")
    return print_.kind, print_.title or _nameless(event), evidence


def _from(scope: str) -> list[str]:
    return [f"All from {scope}."] if scope else []


def _nameless(event: Happened) -> str:
    """A title for an error that brought neither code nor exception nor message."""
    what = str(event.event.status) if event.event.status else "An error"
    return f"{what} without a message on {event.api or event.service}"


def _values(template: Template) -> list[str]:
    """The commonest values of each varying place, in words; '' for one whose values are not known."""
    return [", ".join(f"{value} ({count:,})" for value, count in place[:5]) for place in template.parameters]


def _near(group_id: str, prints: Iterable[Fingerprint], neighbours: Mapping[str, tuple[Neighbour, ...]]) -> list[dict[str, Any]]:
    """The nearest other groups, each once."""
    near: dict[str, float] = {}
    for print_id in dict.fromkeys(print_.id for print_ in prints):
        for each in neighbours.get(print_id, ()):
            if each.id != group_id:
                near[each.id] = min(each.distance, near.get(each.id, 1.0))
    return [{"id": id_, "distance": round(distance, 3)} for id_, distance in sorted(near.items(), key=lambda item: item[1])[:SAMPLES]]


def _sum_of_members(members: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    both: dict[tuple[str, str], dict[str, Any]] = {}
    for each in members:
        key = (each["print"], each["template"])
        both[key] = {**each, "count": each["count"] + (both[key]["count"] if key in both else 0)}
    return sorted(both.values(), key=lambda each: -int(each["count"]))[:MOST_MEMBERS]


def _sum(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    return dict((Counter(one) + Counter(other)).most_common(MOST_PLACES))


def _worst(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    """Of two parts of a flood: one minute's figures together, else those of the worse minute."""
    if one and other and one["minute"] == other["minute"]:
        return {**one, "distinct": one["distinct"] + other["distinct"], "messages": one["messages"] + other["messages"]}
    return dict(one if one.get("messages", 0) >= other.get("messages", 0) else other)


def _members(prints: Iterable[Fingerprint]) -> list[dict[str, Any]]:
    counts = Counter((print_.id, print_.kind, print_.scope, print_.said) for print_ in prints)
    return [
        {"print": id_, "kind": kind, "scope": scope, "template": said[:_MESSAGE_CHARS], "count": count}
        for (id_, kind, scope, said), count in counts.most_common(MOST_MEMBERS)
    ]


def _top(names: Iterable[str]) -> dict[str, int]:
    return dict(Counter(name for name in names if name).most_common(MOST_PLACES))


def _flood(events: Sequence[Happened]) -> dict[str, int]:
    """The worst minute: how many messages, and how many different ones."""
    by_minute: dict[int, list[str]] = {}
    for each in events:
        by_minute.setdefault(each.minute, []).append(each.event.message or each.event.exception_message)
    minute, said = max(by_minute.items(), key=lambda item: len(item[1]))
    return {"distinct": len(set(said)), "messages": len(said), "minute": minute}
