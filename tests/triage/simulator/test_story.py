"""The demo's story: what is over, what is open at now, what comes, and complaints about calls that failed."""

from __future__ import annotations

from itertools import pairwise

import pytest

from triage.simulator.bank import Bank, default_bank
from triage.simulator.fault_types import NS
from triage.simulator.story import ABUSER, Story, story

NOW = 1_790_000_000 * NS
MINUTE = 60 * NS


@pytest.fixture(scope="module")
def told() -> Story:
    return story(NOW, default_bank(3.0), live_days=2)


def test_past_faults_are_over_for_an_hour_and_four_are_open(told: Story) -> None:
    past = [fault for fault in told.faults if fault.end_ns < NOW]
    assert len(past) >= 3
    assert all(told.begin_ns < fault.begin_ns and fault.end_ns <= NOW - 60 * MINUTE for fault in past)
    running = [fault for fault in told.faults if fault.begin_ns < NOW <= fault.end_ns]
    assert {fault.kind for fault in running} == {"enumeration", "certificate_expired", "bad_release", "misroute"}
    assert all(6 * MINUTE <= NOW - fault.begin_ns <= 25 * MINUTE for fault in running)
    assert [fault.truth.partners for fault in running if fault.kind == "enumeration"] == [(ABUSER,)]


def test_something_begins_and_ends_every_few_minutes(told: Story) -> None:
    begins = sorted(fault.begin_ns for fault in told.faults if fault.begin_ns >= NOW)
    assert begins[0] - NOW < 5 * MINUTE
    assert max(later - earlier for earlier, later in pairwise(begins)) < 6 * MINUTE
    assert begins[-1] > NOW + 47 * 60 * MINUTE
    coming = [fault for fault in told.faults if fault.begin_ns >= NOW]
    assert len({fault.kind for fault in coming}) == 10
    assert all(fault.end_ns - fault.begin_ns < 8 * MINUTE for fault in coming)


def test_a_shorter_past_tells_less() -> None:
    short = story(NOW, default_bank(3.0), hours=0.5, live_days=1)
    assert all(fault.end_ns > NOW for fault in short.faults)
    assert all(change.at_ns >= short.begin_ns for change in short.changes)


def test_releases_are_announced(told: Story) -> None:
    announced = {change.name for change in told.changes}
    assert {fault.truth.change for fault in told.faults if fault.truth.change} <= announced
    before = told.changes_between(told.begin_ns, NOW)
    assert len(before) >= 5
    assert [change.at_ns for change in before] == sorted(change.at_ns for change in before)


def test_open_faults_fail_calls_before_now(told: Story) -> None:
    effects = told.simulator().emitted(NOW - 30 * MINUTE, NOW)
    running = [effect for effect in effects if effect.fault.begin_ns < NOW <= effect.fault.end_ns]
    assert all(effect.failed >= 5 for effect in running)


def test_complaints_name_calls_that_failed(told: Story) -> None:
    simulator = told.simulator()
    complaints = told.complaints(simulator)
    assert len(complaints) >= 4
    first = complaints[0]
    around = simulator.calls(first.at_ns - 5 * NS, first.at_ns + 5 * NS)
    call = next(call for call in around if call.interaction_id == first.query)
    assert call.failure is not None
    assert first.query in first.as_request()["note"]


def test_the_directory_names_every_partner(bank: Bank) -> None:
    entries = bank.directory()
    assert len({str(entry["id"]) for entry in entries}) == len(bank.partners)
    assert len(bank.catalogue()) == 20
