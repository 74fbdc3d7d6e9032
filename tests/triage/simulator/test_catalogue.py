"""The labelled scenarios: many, distinct, and labelled with what they really emit."""

from __future__ import annotations

import pytest

from triage.simulator.catalogue import Scenario, scenarios

MINUTE = 60 * 1_000_000_000


@pytest.fixture(scope="module")
def cases() -> tuple[Scenario, ...]:
    return scenarios()


def test_there_are_enough_and_each_is_its_own(cases: tuple[Scenario, ...]) -> None:
    assert len(cases) >= 40
    assert len({case.name for case in cases}) == len(cases)
    assert len({case.seed for case in cases}) == len(cases)
    assert sum(not case.truth for case in cases) >= 8
    assert sum(len(case.truth) > 1 for case in cases) >= 5
    assert {incident.kind for case in cases for incident in case.truth} == {
        "errors", "latency", "traffic_drop", "traffic_surge", "abnormal_use"}
    assert {incident.side for case in cases for incident in case.truth} == {
        "customer", "partner", "gateway", "bank", "external"}


def test_faults_leave_time_to_learn_and_lie_inside(cases: tuple[Scenario, ...]) -> None:
    for case in cases:
        for incident in case.truth:
            assert case.begin_ns + 40 * MINUTE <= incident.begin_ns < incident.end_ns <= case.end_ns, case.name


def test_blamed_changes_are_among_the_changes(cases: tuple[Scenario, ...]) -> None:
    for case in cases:
        names = {change.name for change in case.changes}
        assert all(incident.change in names for incident in case.truth if incident.change), case.name


def test_every_fault_shows_and_stays_in_its_label(cases: tuple[Scenario, ...]) -> None:
    for case in cases:
        for fault, incident in zip(case.faults, case.truth, strict=True):
            effects = case.simulator().emitted(fault.begin_ns, min(fault.last_ns, case.end_ns))
            effect = effects[case.faults.index(fault)]
            if incident.kind == "errors":
                assert effect.failed >= 10, case.name
                assert set(case.bank.routes(tuple(effect.apis))) <= set(incident.apis), case.name
            if incident.partners and incident.kind != "traffic_drop":
                assert set(effect.partners) == set(incident.partners), case.name


def test_other_seeds_are_other_traffic(cases: tuple[Scenario, ...]) -> None:
    case = cases[0]
    ids = [
        next(case.simulator(seed).calls(case.begin_ns, case.begin_ns + MINUTE)).trace_hex for seed in (1, 2)
    ]
    assert ids[0] != ids[1]
