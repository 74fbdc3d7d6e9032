"""Findings become incidents: one problem stays one, in every state of its life."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from triage.domain.finding import Finding
from triage.domain.incident import Impact, Incident
from triage.domain.windows import HOUR_NS, MINUTE_NS
from triage.incidents import documents
from triage.incidents.fold import FoldSettings, fold_findings
from triage.incidents.lifecycle import Request, act
from triage.store.memory import MemoryStateStore

NOW = 1_000 * HOUR_NS
SETTINGS = FoldSettings(resolve_minutes=30)


def finding(**changes: Any) -> Finding:
    """A fault of one service that lasts."""
    plain = Finding(
        key="errors|service:core", kinds=["new_group"], kind="errors", title="core: fails", summary="s",
        scope="calls that pass core", severity="high", whose_side="bank", since_ns=NOW - 5 * MINUTE_NS, until_ns=NOW,
        failed_calls=10, total_calls=20, customers=3,
        partners=[Impact("alpha", "Alpha", 10, 20)], groups=["g1", "g2"],
    )
    return replace(plain, **changes)


@pytest.fixture
def state() -> MemoryStateStore:
    return MemoryStateStore()


def fold(state: MemoryStateStore, *findings: Finding, at: int = NOW) -> list[Incident]:
    """Fold, and return every incident, oldest first."""
    fold_findings(findings, state, at, SETTINGS)
    return incidents(state)


def incidents(state: MemoryStateStore) -> list[Incident]:
    return sorted((documents.read(d) for d in state.select(documents.KIND, limit=100).items), key=lambda i: int(i.id[4:]))


def notices(incident: Incident) -> list[str]:
    return [notice.type for notice in incident.notices]


def test_a_finding_opens_an_incident_and_tells_it_once(state: MemoryStateStore) -> None:
    (incident,) = fold(state, finding())

    assert (incident.id, incident.state, notices(incident)) == ("INC-1", "open", ["incident.opened"])


def test_the_same_problem_in_the_next_run_is_the_same_incident(state: MemoryStateStore) -> None:
    fold(state, finding())

    (incident,) = fold(state, finding(until_ns=NOW + MINUTE_NS, failed_calls=15, groups=["g2", "g3"]), at=NOW + MINUTE_NS)

    assert (incident.failed_calls, notices(incident)) == (15, ["incident.opened"])
    assert set(incident.groups) == {"g1", "g2", "g3"}


def test_a_problem_whose_kind_changes_stays_the_same_incident(state: MemoryStateStore) -> None:
    key = "errors|partner:alpha"
    fold(state, finding(key=key))

    (incident,) = fold(state, finding(key=key, kind="traffic_surge"), at=NOW + MINUTE_NS)

    assert incident.kind == "traffic_surge"


def test_shared_groups_are_the_same_problem_when_the_owner_is_seen_otherwise(state: MemoryStateStore) -> None:
    fold(state, finding(key="errors|service:unknown"))

    assert len(fold(state, finding(), at=NOW + MINUTE_NS)) == 1


def test_one_stray_group_does_not_join_the_faults_of_two_services(state: MemoryStateStore) -> None:
    wide = finding(services=["core"], groups=["g1", "g2", "g3", "g4"])
    fold(state, wide)

    other = finding(key="errors|service:cards", services=["cards"], groups=["g4"])

    assert len(fold(state, other, at=NOW + MINUTE_NS)) == 2


def test_two_partners_with_the_same_error_are_two_incidents(state: MemoryStateStore) -> None:
    one = finding(key="errors|partner:alpha")
    other = finding(key="errors|partner:beta", partners=[Impact("beta", "Beta", 10, 10)])

    assert len(fold(state, one, other)) == 2
    assert len(fold(state, other, one, at=NOW + MINUTE_NS)) == 2


def test_higher_severity_is_told_as_an_escalation(state: MemoryStateStore) -> None:
    fold(state, finding())

    (incident,) = fold(state, finding(severity="critical"), at=NOW + MINUTE_NS)

    assert (incident.severity, notices(incident)[-1]) == ("critical", "incident.escalated")


def test_quiet_for_half_an_hour_resolves_it_by_itself(state: MemoryStateStore) -> None:
    fold(state, finding())

    assert fold(state, at=NOW + 29 * MINUTE_NS)[0].state == "open"
    (incident,) = fold(state, at=NOW + 31 * MINUTE_NS)

    assert (incident.state, notices(incident)[-1]) == ("resolved", "incident.resolved")
    assert "no failure for 30 min" in incident.timeline[-1].reason


def test_failures_after_the_resolution_reopen_it_as_a_regression(state: MemoryStateStore) -> None:
    fold(state, finding())
    fold(state, at=NOW + 31 * MINUTE_NS)
    later = NOW + 90 * MINUTE_NS

    (incident,) = fold(state, finding(since_ns=later - MINUTE_NS, until_ns=later), at=later)

    assert (incident.state, notices(incident)[-1]) == ("open", "incident.reopened")
    assert "regression" in incident.timeline[-1].reason


def test_the_same_failure_days_later_is_a_new_incident_that_knows_the_old_one(state: MemoryStateStore) -> None:
    fold(state, finding())
    fold(state, at=NOW + 31 * MINUTE_NS)
    later = NOW + 48 * HOUR_NS

    _, again = fold(state, finding(since_ns=later, until_ns=later), at=later)

    assert (again.id, again.similar) == ("INC-2", ["INC-1"])


def test_what_ended_long_before_it_was_found_opens_as_resolved_and_tells_nobody(state: MemoryStateStore) -> None:
    (incident,) = fold(state, finding(since_ns=NOW - 3 * HOUR_NS, until_ns=NOW - 2 * HOUR_NS))

    assert (incident.state, incident.backfilled, incident.notices) == ("resolved", True, [])


def test_a_person_who_resolved_it_is_not_contradicted_by_old_failures(state: MemoryStateStore) -> None:
    fold(state, finding())
    act(state, "INC-1", Request("resolve", incidents(state)[0].version, "ada", "rolled back"), NOW + MINUTE_NS)

    (incident,) = fold(state, finding(), at=NOW + 2 * MINUTE_NS)

    assert incident.state == "resolved"


def test_a_merged_problem_stays_with_the_incident_that_it_was_merged_into(state: MemoryStateStore) -> None:
    cards = finding(key="errors|service:cards", groups=["g9"])
    fold(state, finding(), cards)
    act(state, "INC-2", Request("merge", incidents(state)[1].version, "ada", into="INC-1"), NOW + MINUTE_NS)

    found = fold(state, finding(until_ns=NOW + MINUTE_NS), replace(cards, until_ns=NOW + MINUTE_NS), at=NOW + 2 * MINUTE_NS)

    assert [(incident.id, incident.state) for incident in found] == [("INC-1", "open"), ("INC-2", "resolved")]


def test_the_same_findings_again_change_nothing_but_the_version(state: MemoryStateStore) -> None:
    before = fold(state, finding())[0]

    after = fold(state, finding(), at=NOW)[0]

    assert replace(after, version=0) == replace(before, version=0)


def test_a_snooze_that_is_over_is_told_when_calls_still_fail(state: MemoryStateStore) -> None:
    fold(state, finding())
    act(state, "INC-1", Request("snooze", incidents(state)[0].version, "ada", until_ns=NOW + 2 * MINUTE_NS), NOW)

    (incident,) = fold(state, finding(until_ns=NOW + 3 * MINUTE_NS), at=NOW + 3 * MINUTE_NS)

    assert (incident.state, notices(incident)[-1]) == ("open", "incident.reopened")
