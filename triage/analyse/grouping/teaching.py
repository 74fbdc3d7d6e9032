"""Keep what people teach about groups: merges, splits and rules, as documents that only people change.

`group_taught/<group>` holds the lessons about one group, `group_rules/all` the rules in their order; the version of the second is the
version of the rules. Every change is one compare-and-set, and stays in the history.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from triage.analyse.grouping.fingerprint import hashed
from triage.analyse.grouping.group_rules import MOST_RULES, GroupRule, Match, RuleBook
from triage.analyse.grouping.taught import Lesson, Taught, lesson_from, lessons_of
from triage.domain.codec import from_body
from triage.errors import BadInput, Conflict, NotAllowed
from triage.ports.state import Document, StateStore

LESSONS: Final = "group_taught"
RULES: Final = "group_rules"
ALL: Final = "all"
MOST_LESSONS: Final = 100
MOST_HISTORY: Final = 500


@dataclass(frozen=True, slots=True)
class Who:
    """Who teaches, why, when, and at which version of what they looked at (None: whatever there is)."""

    name: str
    at_ns: int
    reason: str = ""
    version: int | None = None


def load_taught(state: StateStore) -> Taught:
    """All lessons and rules."""
    return Taught(lessons_of(doc.body for doc in every(state, LESSONS)), read_rules(state))


def every(state: StateStore, kind: str, where: Sequence[Sequence[str]] = ()) -> list[Document]:
    """All documents of a kind."""
    found: list[Document] = []
    cursor = None
    while True:
        page = state.select(kind, where, limit=500, cursor=cursor)
        found += page.items
        cursor = page.next
        if cursor is None:
            return found


def lessons_about(state: StateStore, group_id: str) -> tuple[int, list[Lesson]]:
    """The version of what was taught about a group (0: nothing yet), and every lesson about it or into it, oldest first."""
    own = state.get(LESSONS, group_id)
    others = [doc for doc in every(state, LESSONS, [[f"into:{group_id}"]]) if doc.doc_id != group_id]
    lessons = lessons_of(doc.body for doc in [*([own] if own else []), *others])
    return (own.version if own else 0), [each for each in lessons if group_id in (each.group, each.into)]


def merge(state: StateStore, group_id: str, into: str, who: Who) -> Lesson:
    """From now on errors of one group belong to another. Raises KeyError, BadInput, NotAllowed, Conflict."""
    body = _group(state, group_id)
    _group(state, into)
    taught = load_taught(state)
    if into == group_id or taught.resolve(into) == group_id:
        raise BadInput("A group cannot be merged into itself, or into one that is part of it.")
    if (already := taught.resolve(group_id)) != group_id:
        raise NotAllowed(f"It is part of {already} already. Undo that first.")
    mine = _of_first_scope(body.get("members", []))
    return _add(state, Lesson(
        _new_id(), "merge", group_id, into, who.at_ns, who.name, who.reason, *_kind_and_scope(mine),
        prints=_prints(mine), templates=_templates(mine) if body["kind"] == "message" else (),
    ), who)


def split(state: StateStore, group_id: str, templates: Sequence[str], match: Match, who: Who) -> Lesson:
    """From now on some errors of a group are one of their own: those of these templates (by text or fingerprint), or those that
    meet conditions. Raises KeyError, BadInput, Conflict."""
    members = _group(state, group_id).get("members", [])
    if bool(templates) == (match != Match()):
        raise BadInput("Say what to split off: either `templates`, a list, or `match` with conditions.")
    meant = [each for each in members if each["template"] in templates or each["print"] in templates]
    if templates and not meant:
        raise BadInput("None of these `templates` is in the group.")
    stay = [each for each in members if each not in meant]
    if templates and not stay:
        raise BadInput("These are all templates of the group: nothing would be left in it.")
    lesson_id = _new_id()
    kept = set(_prints(stay))
    return _add(state, Lesson(
        lesson_id, "split", group_id, hashed("split", group_id, lesson_id), who.at_ns, who.name, who.reason,
        *_kind_and_scope(meant), prints=tuple(each for each in _prints(meant) if each not in kept), templates=_templates(meant),
        rest=_prints(stay) if meant else (), stay=_templates(stay) if meant else (), match=match,
    ), who)


def undo(state: StateStore, group_id: str, lesson_id: str, who: Who) -> Lesson:
    """Take back a lesson of or into a group; without an ID the last one that holds. Raises KeyError, NotAllowed, Conflict."""
    _group(state, group_id)
    version, lessons = lessons_about(state, group_id)
    found = [each for each in lessons if each.active and lesson_id in ("", each.id)]
    if not found:
        raise NotAllowed("There is nothing to undo." if not lesson_id else f"There is no {lesson_id} that still holds.")
    own = [each for each in found if each.group == group_id]
    lesson = (own or found)[-1]
    if lesson.group != group_id:  # the other group's document is written; what was looked at is this one
        if who.version not in (None, version):
            raise Conflict(LESSONS, group_id, who.version, version)
        who = replace(who, version=None)
    return _write(state, replace(lesson, undone_at_ns=who.at_ns, undone_by=who.name, undone_reason=who.reason), who)


def read_rules(state: StateStore) -> RuleBook:
    """The rules in their order."""
    doc = state.get(RULES, ALL)
    return RuleBook(tuple(rule_from(item) for item in doc.body["rules"]), doc.version) if doc else RuleBook()


def rules_history(state: StateStore) -> list[dict[str, Any]]:
    """Who changed the rules, the last first: `{at_ns, by, action, rule, words}`."""
    doc = state.get(RULES, ALL)
    return list(reversed(doc.body["history"])) if doc else []


def rule_from(body: Mapping[str, Any]) -> GroupRule:
    """A rule from its JSON."""
    return from_body(GroupRule, body)


def new_rule(match: Match, key: str, note: str, who: Who, *, enabled: bool = True) -> GroupRule:
    """A rule with an ID of its own."""
    return GroupRule(f"rule-{secrets.token_hex(4)}", match, key, enabled, note, who.name, who.at_ns)


def add_rule(state: StateStore, rule: GroupRule, place: int | None, who: Who) -> RuleBook:
    """Put a rule in its place (from 1; None: last). Raises BadInput, Conflict."""
    def change(rules: list[GroupRule]) -> list[GroupRule]:
        if len(rules) >= MOST_RULES:
            raise BadInput(f"There are {MOST_RULES} rules already; remove one first.")
        at = len(rules) if place is None else place - 1
        return [*rules[:at], rule, *rules[at:]]

    return _change_rules(state, change, who, "added", rule)


def change_rule(state: StateStore, rule_id: str, who: Who, *, enabled: bool | None = None, place: int | None = None) -> RuleBook:
    """Switch a rule, or move it to a place (from 1). Raises KeyError, Conflict."""
    rule = _rule(state, rule_id)
    changed = rule if enabled is None else replace(rule, enabled=enabled)

    def change(rules: list[GroupRule]) -> list[GroupRule]:
        at = next((i for i, each in enumerate(rules) if each.id == rule_id), len(rules))
        rest = [each for each in rules if each.id != rule_id]
        at = at if place is None else place - 1
        return [*rest[:at], changed, *rest[at:]]

    what = "moved" if enabled is None else "enabled" if enabled else "disabled"
    return _change_rules(state, change, who, what, changed)


def remove_rule(state: StateStore, rule_id: str, who: Who) -> RuleBook:
    """Remove a rule; the groups that it made stay. Raises KeyError, Conflict."""
    rule = _rule(state, rule_id)
    return _change_rules(state, lambda rules: [each for each in rules if each.id != rule_id], who, "removed", rule)


def _rule(state: StateStore, rule_id: str) -> GroupRule:
    rule = next((each for each in read_rules(state).rules if each.id == rule_id), None)
    if rule is None:
        raise KeyError(f"rule {rule_id}")
    return rule


def _change_rules(
    state: StateStore, change: Callable[[list[GroupRule]], list[GroupRule]], who: Who, action: str, rule: GroupRule,
) -> RuleBook:
    doc = state.get(RULES, ALL)
    known = [rule_from(item) for item in doc.body["rules"]] if doc else []
    entry = {"at_ns": who.at_ns, "by": who.name, "action": action, "rule": rule.id, "reason": who.reason,
             "words": f"{rule.match.words()} → {rule.key}"}
    body = {"rules": [asdict(each) for each in change(known)],
            "history": [*(doc.body["history"] if doc else []), entry][-MOST_HISTORY:]}
    version = doc.version if doc else 0
    expected = version if who.version is None else who.version
    state.put(RULES, ALL, body, version=expected or None)
    return read_rules(state)


def _add(state: StateStore, lesson: Lesson, who: Who) -> Lesson:
    doc = state.get(LESSONS, lesson.group)
    if doc and len(doc.body["lessons"]) >= MOST_LESSONS:
        raise NotAllowed(f"{MOST_LESSONS} things were taught about this group; a rule says it better.")
    return _write(state, lesson, who)


def _write(state: StateStore, lesson: Lesson, who: Who) -> Lesson:
    """Put a lesson among those of its group, in the place of an earlier form of it."""
    doc = state.get(LESSONS, lesson.group)
    known = [lesson_from(item) for item in doc.body["lessons"]] if doc else []
    lessons = [*(each for each in known if each.id != lesson.id), lesson]
    tags = [f"group:{lesson.group}", *sorted({f"into:{each.into}" for each in lessons})]
    version = doc.version if doc else 0
    expected = version if who.version is None else who.version
    state.put(LESSONS, lesson.group, {"lessons": [asdict(each) for each in lessons]}, version=expected or None,
              sort=who.at_ns, tags=tags)
    return lesson


def _group(state: StateStore, group_id: str) -> dict[str, Any]:
    doc = state.get("group", group_id)
    if doc is None:
        raise KeyError(f"error group {group_id}")
    return doc.body


def _new_id() -> str:
    return f"lesson-{secrets.token_hex(6)}"


def _of_first_scope(members: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [each for each in members if _kind_and_scope([each]) == _kind_and_scope(members)]


def _kind_and_scope(members: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    return (members[0]["kind"], members[0]["scope"]) if members else ("", "")


def _prints(members: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(each["print"] for each in members))


def _templates(members: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(each["template"] for each in members if each["template"]))
