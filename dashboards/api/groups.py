"""Error groups, what people teach about them, and the rules for them, as JSON."""

from __future__ import annotations

from typing import Any, Final

from flask import Blueprint

from dashboards import gate
from dashboards.api.common import PREFIX, body, cursor, limit, listed
from dashboards.groups.actions import act_on_group, change_rule, remove_rule, rule_json, save_rule, trial_json, tried
from dashboards.groups.model import group_detail, group_json
from triage.analyse.grouping.teaching import read_rules

api: Final = Blueprint("api_groups", __name__, url_prefix=PREFIX)


@api.get("/groups")
def index() -> dict[str, Any]:
    """Groups, the one seen last first."""
    page = gate.parts().state.select("group", limit=limit(), cursor=cursor())
    return listed([group_json(doc.body) for doc in page.items], page.next)


@api.get("/groups/<group_id>")
def show(group_id: str) -> dict[str, Any]:
    """One, with why its errors belong together, the incidents that hold it, and what people taught about it."""
    return group_detail(gate.parts(), group_id)


@api.post("/groups/<group_id>/actions")
def actions(group_id: str) -> dict[str, Any]:
    """Merge, split or undo at the version that was looked at; 409 with who was first when it is stale."""
    lesson = act_on_group(group_id, body(), version_needed=True)
    return {**group_detail(gate.parts(), group_id), "lesson": lesson.id, "into": lesson.into}


@api.get("/group-rules")
def rules() -> dict[str, Any]:
    """The rules in their order, and the version of the whole."""
    book = read_rules(gate.parts().state)
    return {**listed([rule_json(rule, place) for place, rule in enumerate(book.rules, 1)]), "version": book.version}


@api.post("/group-rules")
def add() -> tuple[dict[str, Any], int]:
    """Keep a rule."""
    return _one(save_rule(body()).id), 201


@api.post("/group-rules/try")
def attempt() -> dict[str, Any]:
    """What a rule would have done to the errors of the last days; nothing is kept."""
    return trial_json(tried(body()))


@api.patch("/group-rules/<rule_id>")
def change(rule_id: str) -> dict[str, Any]:
    """Switch a rule, or move it to another place."""
    change_rule(rule_id, body())
    return _one(rule_id)


@api.delete("/group-rules/<rule_id>")
def remove(rule_id: str) -> tuple[str, int]:
    """Remove a rule; the groups that it made stay."""
    remove_rule(rule_id)
    return "", 204


def _one(rule_id: str) -> dict[str, Any]:
    """A rule as it stands now, with the version of the whole."""
    book = read_rules(gate.parts().state)
    found = next((rule_json(rule, place) for place, rule in enumerate(book.rules, 1) if rule.id == rule_id), None)
    if found is None:
        raise KeyError(f"rule {rule_id}")
    return {**found, "version": book.version}
