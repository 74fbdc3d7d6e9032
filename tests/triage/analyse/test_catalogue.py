"""Scenarios of the fault catalogue on a small bank, through decoding, mask, analysis and incidents.

The whole catalogue is `python tests/bench/catalogue.py`; these few show that it works at all.
"""

from __future__ import annotations

import pytest
from bench.catalogue_play import Pace, play
from bench.catalogue_score import Score, score

from triage.simulator import faults as make
from triage.simulator.bank import small_bank
from triage.simulator.catalogue import BEGIN_NS, Scenario, at, expected
from triage.simulator.fault_types import Change, Fault

BANK = small_bank(1.0)


def judged(name: str, faults: tuple[Fault, ...] = (), changes: tuple[Change, ...] = (), hours: float = 0.9) -> Score:
    scenario = Scenario(name, 11, hours, faults, changes, tuple(expected(BANK, fault) for fault in faults), BANK, BEGIN_NS)
    return score(scenario, scenario.seed, play(scenario, scenario.seed, Pace(8)), 0.0)


@pytest.mark.slow
def test_a_quiet_hour_stays_quiet_whatever_was_deployed() -> None:
    result = judged("quiet", changes=(make.innocent_deployment(at(45), "accounts-service", "5.2.1"),))

    assert (result.incidents, result.blamed) == (0, [])


def test_a_bad_release_is_one_incident_that_names_the_release() -> None:
    fault, changes = make.bad_release(BANK, at(42), at(52), 0.8)

    result = judged("release", (fault,), changes)

    (hit,) = result.hits
    assert (hit.partners, hit.apis, hit.root, hit.side) == (True, True, True, True)
    assert (result.extra, result.blamed) == ([], [])


@pytest.mark.slow
def test_two_faults_at_the_same_time_are_two_incidents() -> None:
    faults = (make.certificate_expired(BANK, at(42), at(52), "brightledger"), make.upstream_timeout(BANK, at(43), at(50), 0.9))

    result = judged("two", faults)

    assert (len(result.hits), result.missed, result.extra) == (2, [], [])
    assert all(hit.root for hit in result.hits)
