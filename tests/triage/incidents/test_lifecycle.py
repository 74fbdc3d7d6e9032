"""What people may do to an incident, and what it leaves behind."""

from __future__ import annotations

from typing import Any

import pytest

from triage.domain.incident import Action, Incident
from triage.domain.windows import HOUR_NS
from triage.errors import Conflict, NotAllowed
from triage.incidents import documents
from triage.incidents.lifecycle import Request, act
from triage.store.memory import MemoryStateStore

NOW = 500 * HOUR_NS


@pytest.fixture
def state() -> MemoryStateStore:
    store = MemoryStateStore()
    for number in (1, 2):
        documents.write(store, Incident(
            id=f"INC-{number}", key=f"errors|service:s{number}", title="t", state="open", severity="high", kind="errors",
            whose_side="bank", summary="", scope="",
            first_seen_ns=NOW - HOUR_NS, last_seen_ns=NOW, opened_ns=NOW, groups=[f"a{number}", f"b{number}"],
        ))
    store.put("counter", "incident", {"last": 2}, version=None)
    return store


def do(state: MemoryStateStore, action: Action, incident_id: str = "INC-1", **more: Any) -> Incident:
    """Act on what is there now."""
    incident = documents.get(state, incident_id)
    assert incident is not None
    return act(state, incident_id, Request(action, incident.version, "ada", **more), NOW)


def test_to_acknowledge_takes_it_over_and_tells(state: MemoryStateStore) -> None:
    incident = do(state, "acknowledge", reason="on it")

    assert (incident.state, incident.assignee) == ("acknowledged", "ada")
    assert [notice.type for notice in incident.notices] == ["incident.acknowledged"]
    last = incident.timeline[-1]
    assert (last.actor, last.action, last.reason) == ("ada", "acknowledged", "on it")


def test_what_was_resolved_can_be_reopened_but_not_acknowledged(state: MemoryStateStore) -> None:
    do(state, "resolve", reason="rolled back")

    with pytest.raises(NotAllowed, match="resolved"):
        do(state, "acknowledge")
    incident = do(state, "reopen")

    assert (incident.state, incident.resolved_ns) == ("open", 0)
    assert [notice.type for notice in incident.notices] == ["incident.resolved", "incident.reopened"]


@pytest.mark.parametrize("until_ns", [NOW, NOW - 1, NOW + 31 * 24 * HOUR_NS])
def test_a_snooze_needs_an_end_in_the_near_future(state: MemoryStateStore, until_ns: int) -> None:
    with pytest.raises(NotAllowed, match="future"):
        do(state, "snooze", until_ns=until_ns)


def test_a_snooze_says_until_when(state: MemoryStateStore) -> None:
    incident = do(state, "snooze", until_ns=NOW + HOUR_NS)

    assert (incident.state, incident.snoozed_until_ns) == ("snoozed", NOW + HOUR_NS)


def test_a_stale_version_is_refused_and_changes_nothing(state: MemoryStateStore) -> None:
    do(state, "acknowledge")

    with pytest.raises(Conflict):
        act(state, "INC-1", Request("resolve", 1, "bob"), NOW)

    found = documents.get(state, "INC-1")
    assert found is not None and found.state == "acknowledged"


def test_a_merge_ends_one_and_grows_the_other(state: MemoryStateStore) -> None:
    merged = do(state, "merge", "INC-2", into="INC-1")
    target = documents.get(state, "INC-1")

    assert (merged.state, merged.merged_into) == ("resolved", "INC-1")
    assert target is not None and target.groups == ["a1", "b1", "a2", "b2"]
    with pytest.raises(NotAllowed, match="INC-1"):
        do(state, "acknowledge", "INC-2")


@pytest.mark.parametrize("into", ["INC-1", "INC-9", ""])
def test_a_merge_needs_another_incident(state: MemoryStateStore, into: str) -> None:
    with pytest.raises(NotAllowed):
        do(state, "merge", "INC-1", into=into)


def test_a_split_makes_a_new_incident_of_the_named_groups(state: MemoryStateStore) -> None:
    left = do(state, "split", groups=["b1"])
    twin = documents.get(state, "INC-3")

    assert left.groups == ["a1"]
    assert twin is not None and (twin.groups, twin.state) == (["b1"], "open")


@pytest.mark.parametrize("groups", [[], ["a1", "b1"], ["unknown"]])
def test_a_split_takes_some_groups_but_not_all(state: MemoryStateStore, groups: list[str]) -> None:
    with pytest.raises(NotAllowed):
        do(state, "split", groups=groups)


def test_an_empty_comment_is_refused(state: MemoryStateStore) -> None:
    with pytest.raises(NotAllowed):
        do(state, "comment", text="  ")

    assert do(state, "comment", text="called the partner").timeline[-1].detail == "called the partner"


def test_an_incident_that_is_not_there_is_named(state: MemoryStateStore) -> None:
    with pytest.raises(KeyError):
        act(state, "INC-9", Request("comment", 1, "ada", text="x"), NOW)


def test_only_another_persons_action_makes_a_view_stale(state: MemoryStateStore) -> None:
    seen = documents.get(state, "INC-1")
    assert seen is not None
    documents.write(state, seen)  # the analysis goes on counting

    commented = act(state, "INC-1", Request("comment", seen.version, "ada", text="on it"), NOW)

    assert commented.version == seen.version + 2
    with pytest.raises(Conflict):
        act(state, "INC-1", Request("acknowledge", seen.version, "bob"), NOW)


def test_who_takes_an_acknowledgement_back_does_not_own_it(state: MemoryStateStore) -> None:
    do(state, "acknowledge")

    incident = do(state, "reopen")

    assert (incident.state, incident.assignee) == ("open", "")
