"""The labelled scenarios: many, distinct, and labelled with what they really emit."""

from __future__ import annotations

import pytest

from triage.simulator.catalogue import Scenario, scenarios
from triage.simulator.traffic import Emitted

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
        "errors", "latency", "traffic_drop", "traffic_surge", "endpoint_down", "abnormal_use"}
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


def _first_effect(case: Scenario, place: int) -> Emitted:
    """What a fault does, until it has failed ten calls or is over."""
    simulator, fault = case.simulator(), case.faults[place]
    total = Emitted(fault)
    for at in range(fault.begin_ns, min(fault.last_ns, case.end_ns), 5 * MINUTE):
        effect = simulator.emitted(at, at + 5 * MINUTE)[place]
        total.touched, total.failed = total.touched + effect.touched, total.failed + effect.failed
        total.partners.update(effect.partners)
        total.apis.update(effect.apis)
        if total.failed >= 10 or (total.touched >= 10 and not fault.failures):
            break
    return total


@pytest.mark.slow
def test_every_fault_shows_and_stays_in_its_label(cases: tuple[Scenario, ...]) -> None:
    for case in cases:
        for place, incident in enumerate(case.truth):
            if incident.kind in ("latency", "traffic_drop"):
                continue
            effect = _first_effect(case, place)
            if not case.faults[place].failures:
                assert effect.touched >= 10, case.name
                continue
            assert effect.failed >= 10, case.name
            assert set(case.bank.routes(tuple(effect.apis))) <= set(incident.apis), case.name
            if incident.partners:
                assert set(effect.partners) == set(incident.partners), case.name


def test_the_cascade_reaches_forty_apis_and_nearly_all_of_five_hundred_partners(cases: tuple[Scenario, ...]) -> None:
    case = next(case for case in cases if case.name == "cascade-of-the-database")
    (fault,) = case.faults

    (effect,) = case.simulator().emitted(fault.begin_ns, fault.end_ns)

    assert (len(case.bank.partners), len(case.bank.apis)) == (500, 48)
    assert len({(partner.id, partner.address) for partner in case.bank.partners}) == 500
    assert len(effect.apis) == len(case.truth[0].apis) == 40
    assert len(effect.partners) >= 490


def test_other_seeds_are_other_traffic(cases: tuple[Scenario, ...]) -> None:
    case = cases[0]
    ids = [
        next(case.simulator(seed).calls(case.begin_ns, case.begin_ns + MINUTE)).trace_hex for seed in (1, 2)
    ]
    assert ids[0] != ids[1]
