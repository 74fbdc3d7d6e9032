"""Error groups as pages and scripts see them: the group, what people taught about it, and what lies near."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from dashboards.groups.actions import lesson_json, merged_into
from dashboards.incidents.rows import select_incidents
from dashboards.pages import GroupLink, NearGroup, TaughtRow
from dashboards.parts import Parts
from dashboards.words import count, plural, short_time
from triage.analyse.grouping.taught import Lesson
from triage.analyse.grouping.teaching import lessons_about
from triage.domain.incident import Incident
from triage.domain.windows import MINUTE_NS, rfc3339

_TIMES: Final = ("first_seen_ns", "last_seen_ns")
_INCIDENTS: Final = 200
_COMPARED: Final = 500
_NEAREST: Final = 6
_APART: Final = 0.995  # shown as 1.00: nothing in common
EMPTY: Final[dict[str, Any]] = {
    "kind": "", "evidence": [], "template": "", "service": "", "api": "", "codes": [], "exception_type": "", "first_seen_ns": 0,
    "last_seen_ns": 0, "count": 0, "samples": [], "parameters": [], "neighbours": [], "example": "", "members": [], "routes": {},
    "services": {}, "flood": {}, "rule": {},
}


def read_group(parts: Parts, group_id: str) -> dict[str, Any]:
    """A group's document, with every field. Raises KeyError."""
    doc = parts.state.get("group", group_id)
    if doc is None:
        raise KeyError(f"error group {group_id}")
    return {"id": group_id, "title": group_id, **EMPTY, **doc.body}


def group_json(body: Mapping[str, Any]) -> dict[str, Any]:
    """A group in the JSON of the interface: times as RFC 3339."""
    times = {name.removesuffix("_ns"): rfc3339(body[name]) for name in _TIMES if body.get(name)}
    return {**{name: value for name, value in body.items() if name not in _TIMES}, **times}


def group_detail(parts: Parts, group_id: str) -> dict[str, Any]:
    """One group with its incidents, what people taught about it, and the version to act at. Raises KeyError."""
    body = read_group(parts, group_id)
    version, lessons = lessons_about(parts.state, group_id)
    return {
        **group_json(body), "version": version, "merged_into": merged_into(parts, group_id) or None,
        "merged": parts_of(lessons, group_id), "incidents": [incident.id for incident in incidents_of(parts, group_id, lessons)],
        "history": [lesson_json(lesson, number) for number, lesson in enumerate(lessons, 1)], "flood_words": flood_words(body) or None,
    }


def parts_of(lessons: list[Lesson], group_id: str) -> list[str]:
    """The groups that people merged into this one."""
    return [each.group for each in lessons if each.active and each.action == "merge" and each.into == group_id]


def incidents_of(parts: Parts, group_id: str, lessons: list[Lesson]) -> list[Incident]:
    """Recent incidents that hold the group, or one that is part of it."""
    mine = {group_id, *parts_of(lessons, group_id)}
    return [incident for incident in select_incidents(parts, [], limit=_INCIDENTS).items if mine & set(incident.groups)]


def link_to(parts: Parts, group_id: str) -> GroupLink:
    """A group in a list."""
    doc = parts.state.get("group", group_id)
    if doc is None:
        return GroupLink(group_id, group_id, 0)
    return GroupLink(group_id, str(doc.body.get("title") or group_id), int(doc.body.get("count") or 0), flood_words(doc.body))


def flood_words(body: Mapping[str, Any]) -> str:
    """What a flood is, in a sentence; '' for other groups."""
    flood = body.get("flood") or {}
    if not flood:
        return ""
    at = rfc3339(int(flood["minute"]) * MINUTE_NS)[11:16]
    return (f"A flood of {count(int(flood['distinct']))} distinct messages: {count(int(flood['messages']))} in the minute from {at} UTC. "
            "They are kept as one group, since a group for each would bury everything else.")


def joined_by_words(body: Mapping[str, Any]) -> str:
    """Which rule takes the group's errors, in a sentence; '' if none does."""
    joined = body.get("joined_by") or {}
    return f"Its later errors were joined by {joined['rule']} (rules as of version {joined['version']})." if joined else ""


def taught_rows(parts: Parts, group_id: str, lessons: list[Lesson]) -> tuple[TaughtRow, ...]:
    """What people taught, the last first."""
    return tuple(_row(parts, group_id, lesson) for lesson in reversed(lessons))


def _row(parts: Parts, group_id: str, lesson: Lesson) -> TaughtRow:
    other = lesson.group if lesson.into == group_id else lesson.into
    if lesson.action == "merge":
        what = "merged this group into" if lesson.group == group_id else "merged into this group:"
    elif lesson.group == group_id:
        what = f"split off {lesson.match.words() or plural(len(lesson.templates), 'template')} as"
    else:
        what = "split this group off from"
    undone = f"taken back by {lesson.undone_by}, {short_time(lesson.undone_at_ns, parts.clock())}" if lesson.undone_at_ns else ""
    if lesson.undone_reason:
        undone += f": {lesson.undone_reason}"
    link = link_to(parts, other) if parts.state.get("group", other) else None
    return TaughtRow(lesson.id, lesson.at_ns, lesson.by, what, link, lesson.reason, undone, group_id)


def nearest(parts: Parts, body: Mapping[str, Any]) -> tuple[NearGroup, ...]:
    """The groups that say nearly the same: as the analysis measured them, else by letters that their texts share."""
    known = [(str(item["id"]), float(item["distance"])) for item in body["neighbours"] if isinstance(item, dict)]
    if known:
        docs = [(parts.state.get("group", id_), distance) for id_, distance in known]
        return tuple(_near(doc.body, distance) for doc, distance in docs if doc is not None and distance < _APART)[:_NEAREST]
    mine = _letters(body)
    page = parts.state.select("group", limit=_COMPARED)
    found = [(_distance(mine, _letters(doc.body)), doc.body) for doc in page.items if doc.doc_id != body["id"]]
    found.sort(key=lambda item: (item[0], str(item[1]["id"])))
    return tuple(_near(other, distance) for distance, other in found[:_NEAREST] if distance < _APART)


def _near(body: Mapping[str, Any], distance: float) -> NearGroup:
    sample = str(body.get("example") or body.get("template") or "")
    return NearGroup(str(body["id"]), str(body.get("title") or body["id"]), round(distance, 2), sample[:200])


def _letters(body: Mapping[str, Any]) -> Counter[str]:
    """Runs of three letters of what the group says."""
    text = f" {body.get('title', '')} {body.get('template', '')} {body.get('service', '')} ".lower()[:600]
    return Counter(text[at : at + 3] for at in range(len(text) - 2))


def _distance(one: Counter[str], other: Counter[str]) -> float:
    """1 minus Dice's coefficient."""
    total = one.total() + other.total()
    return 1 - 2 * (one & other).total() / total if total else 1.0
