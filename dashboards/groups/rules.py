"""The page of the rules for error groups: try one on history, keep it, put it in its place."""

from __future__ import annotations

from typing import Any, Final

from flask import Blueprint, redirect, request
from werkzeug.wrappers import Response

from dashboards import gate
from dashboards.form_words import in_form_words
from dashboards.groups.actions import change_rule, looked_at_words, remove_rule, save_rule, trial_words, tried
from dashboards.groups.model import link_to
from dashboards.pages import GroupRulesPage, RuleRow, TriedRow
from dashboards.parts import Parts
from dashboards.render import render, tell
from triage.analyse.grouping.group_rules import FIELDS, GroupRule, group_of_key
from triage.analyse.grouping.teaching import read_rules, rules_history
from triage.analyse.grouping.trial import MOST_SHOWN, Trial, TriedGroup
from triage.errors import BadInput

pages: Final = Blueprint("group_rules", __name__, url_prefix="/groups/rules")
_FORM: Final = (*FIELDS, "key", "note", "place")
_HISTORY: Final = 30
_LABELS: Final = {"code": "Error code", "type": "Exception", "service": "Service", "route": "API", "message": "Message contains",
                  "pattern": "Message fits", "key": "Name of the group", "note": "Why", "place": "Place", "match": "conditions"}


@pages.get("")
def index() -> str:
    """The rules, and the form."""
    return render(_page({name: request.args.get(name, "") for name in _FORM}))


@pages.post("")
def save() -> Response | tuple[str, int] | str:
    """Try the rule of the form, or keep it."""
    form = {name: request.form.get(name, "").strip() for name in _FORM}
    sent: dict[str, Any] = {**form, "match": {name: form[name] for name in FIELDS if form[name]}}
    try:
        if request.form.get("do") != "save":
            return render(_page(form, tried(sent)))
        rule = save_rule(sent)
    except BadInput as error:
        return render(_page(form, fault=_in_words(error.reason))), 400
    tell(f"The rule is kept. Errors that meet it are '{rule.key}' from the next analysis on.")
    return redirect("/groups/rules", 303)


@pages.post("/<rule_id>")
def change(rule_id: str) -> Response:
    """Switch, move or remove a rule."""
    do = request.form.get("do", "")
    if do == "remove":
        remove_rule(rule_id)
    else:
        change_rule(rule_id, {"enabled": do == "enable"} if do in ("enable", "disable") else {"place": request.form.get("place")})
    tell("The rules have changed. It counts from the next analysis on.")
    return redirect("/groups/rules", 303)


def _page(form: dict[str, str], trial: Trial | None = None, fault: str = "") -> GroupRulesPage:
    parts = gate.parts()
    book = read_rules(parts.state)
    return GroupRulesPage(
        rules=tuple(_row(parts, rule, place) for place, rule in enumerate(book.rules, 1)), version=book.version,
        history=tuple(rules_history(parts.state)[:_HISTORY]), form=form, summary=trial_words(trial) if trial else "",
        looked_at=looked_at_words(trial) if trial else "",
        tried=tuple(_tried(group) for group in trial.groups[:MOST_SHOWN]) if trial else (),
        fault=fault, can_act=gate.may("act"), now_ns=parts.clock(),
    )


def _in_words(reason: str) -> str:
    """Why a rule cannot be, in the words of the form."""
    names = ", ".join(_LABELS[name] for name in FIELDS)
    return in_form_words(reason.replace(", ".join(FIELDS), names), _LABELS)


def _tried(group: TriedGroup) -> TriedRow:
    return TriedRow(group.id if group.kept else "", group.title, group.matched, group.total, tuple(group.samples))


def _row(parts: Parts, rule: GroupRule, place: int) -> RuleRow:
    made = link_to(parts, group_of_key(rule.key)) if "{" not in rule.key else None
    return RuleRow(rule.id, place, rule.match.words(), rule.key, rule.enabled, rule.note, rule.by, rule.at_ns,
                   made if made and made.count else None)
