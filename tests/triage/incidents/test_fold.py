"""Findings become incidents: one problem stays one, in every state of its life."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from triage.domain.finding import Finding
from triage.domain.incident import ApiImpact, Impact, Incident, Suspect
from triage.domain.windows import HOUR_NS, MINUTE_NS, rfc3339
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


def test_an_incident_of_very_many_partners_is_found_by_each_of_them_and_by_its_groups_and_apis(state: MemoryStateStore) -> None:
    fold(state, finding(
        partners=[Impact(f"p{n}", "P", 1, 1) for n in range(500)], apis=[ApiImpact("GET", f"/thing-{n}", 1, 1) for n in range(40)]))

    for tag in ("partner:p0", "partner:p499", "group:g2", "api:GET /thing-39"):
        assert len(state.select(documents.KIND, [[tag]], limit=2).items) == 1, tag


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


def test_the_numbers_of_a_regression_are_those_of_its_present_episode(state: MemoryStateStore) -> None:
    fold(state, finding(failed_calls=400, suspects=[Suspect("service", "old-cause", 0.9)]))
    fold(state, at=NOW + 31 * MINUTE_NS)
    later = NOW + 90 * MINUTE_NS
    present = finding(
        since_ns=later - MINUTE_NS, until_ns=later, failed_calls=7, suspects=[Suspect("service", "new-cause", 0.9)],
        partners=[Impact("beta", "Beta", 7, 9)])

    (incident,) = fold(state, present, finding(failed_calls=400), at=later)

    assert (incident.failed_calls, incident.first_seen_ns) == (7, later - MINUTE_NS)
    assert [s.name for s in incident.suspects] == ["new-cause"]
    assert [p.id for p in incident.partners] == ["beta"]
    (earlier,) = incident.earlier
    assert (earlier.failed_calls, earlier.since_ns, earlier.until_ns, earlier.cause) == (400, NOW - 5 * MINUTE_NS, NOW, "old-cause")
    assert any("400 failed calls" in entry.reason for entry in incident.timeline)


def test_findings_of_an_earlier_episode_do_not_touch_the_present_one(state: MemoryStateStore) -> None:
    fold(state, finding(failed_calls=400))
    fold(state, at=NOW + 31 * MINUTE_NS)
    later = NOW + 90 * MINUTE_NS
    present = finding(since_ns=later - MINUTE_NS, until_ns=later, failed_calls=7)
    fold(state, present, at=later)

    (incident,) = fold(state, finding(failed_calls=410), present, at=later + MINUTE_NS)

    assert incident.failed_calls == 7


def test_failures_that_go_on_after_a_person_resolved_it_are_no_new_episode(state: MemoryStateStore) -> None:
    fold(state, finding())
    act(state, "INC-1", Request("resolve", incidents(state)[0].version, "ada", "rolled back"), NOW + MINUTE_NS)

    (incident,) = fold(state, finding(until_ns=NOW + 3 * MINUTE_NS, failed_calls=30), at=NOW + 3 * MINUTE_NS)

    assert (incident.state, incident.failed_calls, incident.earlier) == ("open", 30, [])


def test_what_a_person_split_is_never_joined_again(state: MemoryStateStore) -> None:
    fold(state, finding())
    act(state, "INC-1", Request("split", incidents(state)[0].version, "ada", groups=["g1"]), NOW + MINUTE_NS)
    twin = finding(key="errors|g1", groups=["g1"], until_ns=NOW + 2 * MINUTE_NS, failed_calls=3)
    rest = finding(groups=["g2"], until_ns=NOW + 2 * MINUTE_NS, failed_calls=7)

    found = fold(state, rest, twin, at=NOW + 2 * MINUTE_NS)

    assert [(i.id, i.groups, i.failed_calls) for i in found] == [("INC-1", ["g2"], 7), ("INC-2", ["g1"], 3)]
    assert found[1].split_from == "INC-1"


def test_slowness_whose_root_is_seen_otherwise_is_the_same_incident(state: MemoryStateStore) -> None:
    slow = {"kind": "latency", "groups": [], "apis": [ApiImpact("GET", "/a", 0, 9), ApiImpact("GET", "/b", 0, 9)]}
    fold(state, finding(key="latency|service:", **slow))

    assert len(fold(state, finding(key="latency|service:core", **slow), at=NOW + MINUTE_NS)) == 1


def test_two_slow_services_are_two_incidents(state: MemoryStateStore) -> None:
    one, other = ({"kind": "latency", "groups": [], "apis": [ApiImpact("GET", route, 0, 9)]} for route in ("/a", "/b"))

    assert len(fold(state, finding(key="latency|service:core", **one), finding(key="latency|service:cards", **other))) == 2


def test_nothing_is_seen_to_fail_in_the_future(state: MemoryStateStore) -> None:
    (incident,) = fold(state, finding(until_ns=NOW + 38_999_000_000))

    assert incident.last_seen_ns == NOW


def test_an_incident_is_not_over_before_its_last_failure(state: MemoryStateStore) -> None:
    past = NOW - 3 * HOUR_NS
    fold(state, finding(since_ns=past - MINUTE_NS, until_ns=past))

    (incident,) = fold(state, finding(since_ns=past - MINUTE_NS, until_ns=past + 13 * MINUTE_NS), at=NOW + MINUTE_NS)

    assert (incident.state, incident.resolved_ns) == ("resolved", incident.last_seen_ns)
    assert incident.last_seen_ns == past + 13 * MINUTE_NS
    assert rfc3339(incident.last_seen_ns) in next(entry.reason for entry in incident.timeline if entry.action == "resolved")


def test_what_ended_after_an_incident_began_was_not_seen_before_it(state: MemoryStateStore) -> None:
    past = NOW - 3 * HOUR_NS
    fold(state, finding(since_ns=past - 20 * MINUTE_NS, until_ns=past), finding(
        key="errors|service:cards", services=["cards"], groups=["g9"], since_ns=past - 20 * MINUTE_NS, until_ns=past))

    during, after = finding(key="errors|service:x", services=["x"], groups=["g1", "g7", "g8"], since_ns=past - MINUTE_NS), finding(
        key="errors|service:y", services=["y"], groups=["g9", "g5", "g6"])
    *_, first, second = fold(state, during, after, at=NOW + MINUTE_NS)

    assert (first.similar, second.similar) == ([], ["INC-2"])
