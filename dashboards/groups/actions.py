"""What people teach about error groups, the same for a form and for a script: what was sent -> lessons and rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from flask import g

from dashboards import gate
from dashboards.parts import Parts
from triage.analyse.grouping import teaching
from triage.analyse.grouping.group_rules import FIELDS, GroupRule, Match, RuleBook, read_key, read_match
from triage.analyse.grouping.taught import Lesson
from triage.analyse.grouping.trial import MOST_DAYS, Trial, try_rule
from triage.domain.windows import rfc3339
from triage.errors import BadInput, Conflict

ACTIONS: Final = ("merge", "split", "undo")
_LONGEST: Final = 500
_MOST_TEMPLATES: Final = 100


def act_on_group(group_id: str, sent: Mapping[str, Any], *, version_needed: bool) -> Lesson:
    """Carry out what was sent. Raises BadInput, Forbidden, KeyError, NotAllowed, and Conflict with who was first noted in `g`."""
    gate.demand("act")
    parts = gate.parts()
    action = sent.get("action")
    if action not in ACTIONS:
        raise BadInput(f"The action is one of: {', '.join(ACTIONS)}.")
    who = _who(sent, version_needed=version_needed)
    try:
        if action == "merge":
            return teaching.merge(parts.state, group_id, _text(sent, "into", needed="Say into which group: `into`, its ID."), who)
        if action == "split":
            return teaching.split(parts.state, group_id, _templates(sent), _match(sent), who)
        return teaching.undo(parts.state, group_id, _text(sent, "lesson"), who)
    except Conflict:
        _note_who_was_first(group_id)
        raise


def read_rule(sent: Mapping[str, Any]) -> GroupRule:
    """The rule that was sent, not kept yet: `{match: {…}, key, enabled, note}`. Raises BadInput."""
    match = sent.get("match")
    if not isinstance(match, Mapping):
        raise BadInput(f"`match` is an object with one or more of {', '.join(FIELDS)}.")
    enabled = sent.get("enabled", True)
    if not isinstance(enabled, bool):
        raise BadInput("`enabled` is true or false.")
    who = _who(sent, version_needed=False)
    mask = gate.parts().mask_text
    key, note = mask(read_key(sent.get("key"))), mask(_text(sent, "note"))
    return teaching.new_rule(read_match(_masked(match)), key, note, who, enabled=enabled)


def save_rule(sent: Mapping[str, Any]) -> GroupRule:
    """Keep a rule, in its `place` (from 1) or as the last. Raises BadInput, Forbidden, Conflict."""
    gate.demand("act")
    rule = read_rule(sent)
    teaching.add_rule(gate.parts().state, rule, _place(sent), _who(sent, version_needed=False))
    return rule


def change_rule(rule_id: str, sent: Mapping[str, Any]) -> RuleBook:
    """Switch a rule (`enabled`), or move it (`place`, from 1). Raises BadInput, Forbidden, KeyError, Conflict."""
    gate.demand("act")
    enabled, place = sent.get("enabled"), _place(sent)
    if not isinstance(enabled, bool | None) or (enabled is None and place is None):
        raise BadInput("Send `enabled`, true or false, or `place`, a number from 1.")
    return teaching.change_rule(gate.parts().state, rule_id, _who(sent, version_needed=False), enabled=enabled, place=place)


def remove_rule(rule_id: str) -> RuleBook:
    """Remove a rule. Raises Forbidden, KeyError, Conflict."""
    gate.demand("act")
    return teaching.remove_rule(gate.parts().state, rule_id, _who({}, version_needed=False))


def tried(sent: Mapping[str, Any]) -> Trial:
    """What a rule would have done. Raises BadInput, Forbidden, StoreUnavailable."""
    gate.demand("act")
    parts = gate.parts()
    return try_rule(parts.records, parts.state, read_rule(sent), parts.clock())


def rule_json(rule: GroupRule, place: int) -> dict[str, Any]:
    """A rule in the JSON of the interface."""
    return {"id": rule.id, "place": place, "match": {name: value for name in FIELDS if (value := getattr(rule.match, name))},
            "key": rule.key, "enabled": rule.enabled, "note": rule.note or None, "by": rule.by or None, "at": rfc3339(rule.at_ns)}


def trial_json(trial: Trial) -> dict[str, Any]:
    """A trial in the JSON of the interface."""
    return {
        "summary": trial_words(trial), "joins": trial.joins, "errors": trial.matched, "splits": trial.splits, "keys": list(trial.keys),
        "groups": [{"id": group.id, "title": group.title, "errors": group.matched, "of": group.total, "samples": group.samples}
                   for group in trial.groups],
        "looked_at": {"errors": trial.errors, "since": rfc3339(trial.from_ns), "until": rfc3339(trial.to_ns), "days": MOST_DAYS,
                      "complete": trial.complete},
    }


def trial_words(trial: Trial) -> str:
    """What the rule would have done, in a sentence."""
    if not trial.joins:
        return "It would have matched no error that was looked at."
    groups = f"{trial.joins:,} group{'s' if trial.joins > 1 else ''}"
    into = "" if len(trial.keys) < 2 else f" into {len(trial.keys):,}"
    cut = "would split none" if not trial.splits else f"would split {trial.splits:,} (take a part of their errors)"
    return f"It would join {groups}{into}, {trial.matched:,} error{'s' if trial.matched > 1 else ''}; {cut}."


def looked_at_words(trial: Trial) -> str:
    """What was looked at, in a sentence."""
    which = f"all of the last {MOST_DAYS} days" if trial.complete else f"the newest; {MOST_DAYS} days hold more"
    return f"Looked at {trial.errors:,} errors since {rfc3339(trial.from_ns)[:16].replace('T', ' ')} UTC: {which}."


def lesson_json(lesson: Lesson, rank: int) -> dict[str, Any]:
    """A lesson in the JSON of the interface; `rank` counts from the oldest."""
    return {
        "id": lesson.id, "number": rank, "action": lesson.action, "group": lesson.group, "into": lesson.into, "by": lesson.by,
        "at": rfc3339(lesson.at_ns), "reason": lesson.reason or None,
        "templates": list(lesson.templates) if lesson.action == "split" else [],
        "match": {name: value for name in FIELDS if (value := getattr(lesson.match, name))},
        "undone": {"by": lesson.undone_by, "at": rfc3339(lesson.undone_at_ns), "reason": lesson.undone_reason or None}
        if lesson.undone_at_ns else None,
    }


def _who(sent: Mapping[str, Any], *, version_needed: bool) -> teaching.Who:
    parts = gate.parts()
    return teaching.Who(gate.person().name, parts.clock(), parts.mask_text(_text(sent, "reason")), _version(sent, needed=version_needed))


def _version(sent: Mapping[str, Any], *, needed: bool) -> int | None:
    value = sent.get("version")
    if value in (None, ""):
        if needed:
            raise BadInput("Send the `version` of the group that you looked at.")
        return None
    if isinstance(value, bool) or not str(value).isdecimal() or len(str(value)) > 9:
        raise BadInput("`version` is a whole number.")
    return int(str(value))


def _place(sent: Mapping[str, Any]) -> int | None:
    value = sent.get("place")
    if value in (None, ""):
        return None
    if isinstance(value, bool) or not str(value).isdecimal() or int(str(value)[:6]) < 1:
        raise BadInput("`place` is a number from 1.")
    return int(str(value)[:6])


def _text(sent: Mapping[str, Any], name: str, needed: str = "") -> str:
    value = sent.get(name) or ""
    if not isinstance(value, str) or len(value) > _LONGEST:
        raise BadInput(f"`{name}` is a text of at most {_LONGEST} characters.")
    if needed and not value.strip():
        raise BadInput(needed)
    return value.strip()


def _templates(sent: Mapping[str, Any]) -> list[str]:
    value = sent.get("templates") or []
    if not isinstance(value, list) or len(value) > _MOST_TEMPLATES or not all(isinstance(each, str) for each in value):
        raise BadInput("`templates` is a list of templates or fingerprints of the group.")
    return value


def _match(sent: Mapping[str, Any]) -> Match:
    value = sent.get("match") or {}
    if not isinstance(value, Mapping):
        raise BadInput(f"`match` is an object with one or more of {', '.join(FIELDS)}.")
    return read_match(_masked(value), "A split") if value else Match()


def _masked(match: Mapping[str, Any]) -> dict[str, Any]:
    """What people typed, masked as the messages are that it is compared with."""
    mask = gate.parts().mask_text
    return {name: mask(value) if isinstance(value, str) else value for name, value in match.items()}


def _note_who_was_first(group_id: str) -> None:
    """Put the last lesson of the group, and its version, beside the error that is on its way."""
    version, lessons = teaching.lessons_about(gate.parts().state, group_id)
    g.first = {"version": version}
    if lessons:
        last = max(lessons, key=lambda lesson: max(lesson.at_ns, lesson.undone_at_ns))
        undone = last.undone_at_ns > 0
        g.first["first"] = {"actor": last.undone_by if undone else last.by, "action": "undo" if undone else last.action,
                            "at": rfc3339(last.undone_at_ns or last.at_ns)}


def merged_into(parts: Parts, group_id: str) -> str:
    """The group that a group is part of after people's merges and the machine's moves; '' if it stands for itself."""
    now = teaching.load_taught(parts.state).resolve(group_id)
    doc = parts.state.get("group", now)
    moved = str(doc.body.get("moved_into") or "") if doc else ""
    return "" if now == group_id and not moved else moved or now
