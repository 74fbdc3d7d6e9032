"""The grouping model keeps its groups over batches and restarts, and joins what says the same in other words."""

from __future__ import annotations

import json

from triage.analyse.grouping.fingerprint import ErrorEvent
from triage.analyse.grouping.model import GroupingModel


def event(message: str, **more: str) -> ErrorEvent:
    return ErrorEvent(service="payments-service", message=message, **more)


BEFORE = [event(f"could not reserve funds for payment {n} because the ledger timed out after {n % 7} seconds") for n in range(40)]
AFTER = [event(f"could not reserve funds for the payment {n} as the ledger timed out after {n % 7} seconds") for n in range(40, 60)]
OTHER = [event(f"signature of request {n} does not match certificate {n * 7}") for n in range(20)]


def test_a_reworded_message_stays_in_its_group_and_another_fault_does_not() -> None:
    model = GroupingModel({})
    first = model.assign(BEFORE)
    second = model.assign([*AFTER, *OTHER])
    assert len(set(first.groups)) == 1
    assert set(second.groups[: len(AFTER)]) == set(first.groups)
    assert set(second.groups[len(AFTER) :]).isdisjoint(first.groups)


def test_a_restart_changes_nothing() -> None:
    model = GroupingModel({})
    first = model.assign(BEFORE)
    again = GroupingModel(json.loads(json.dumps(model.to_state())))
    assert again.assign(BEFORE).groups == first.groups
    assert set(again.assign(AFTER).groups) == set(first.groups)


def test_a_group_shows_its_template_and_what_varies() -> None:
    model = GroupingModel({})
    print_ = model.assign(BEFORE).prints[0]
    template = model.templates([print_])[print_.template_id]
    assert "<*>" in template.text
    assert any(template.parameters)


def test_groups_of_codes_are_not_joined_by_wording() -> None:
    model = GroupingModel({})
    events = [event("resource is busy", codes=("A.One",)), event("resource is busy", codes=("A.Two",))]  # type: ignore[arg-type]
    assert len(set(model.assign(events).groups)) == 2
