"""Each fault does what its label says, to whom it says, and only then."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from otlp_decoding import logs, roots, spans

from triage.simulator import faults as make
from triage.simulator.bank import Bank
from triage.simulator.calls import Call
from triage.simulator.fault_types import NS, Change, Fault
from triage.simulator.traffic import Simulator

T0 = 1_790_000_000 * NS
MINUTE = 60 * NS
BEGIN, END, LAST = T0 + MINUTE // 2, T0 + 3 * MINUTE, T0 + 3 * MINUTE + MINUTE // 2

ERRORS: dict[str, Callable[[Bank], Fault]] = {
    "upstream_timeout": lambda bank: make.upstream_timeout(bank, BEGIN, END),
    "bad_release": lambda bank: make.bad_release(bank, BEGIN, END)[0],
    "accounts_release": lambda bank: make.bad_release(bank, BEGIN, END, service="accounts-service", version="9")[0],
    "fraud_release": lambda bank: make.bad_release(bank, BEGIN, END, service="fraud-check", version="9")[0],
    "certificate_expired": lambda bank: make.certificate_expired(bank, BEGIN, END, "penny-owl"),
    "misroute": lambda bank: make.misroute(bank, BEGIN, END, "uk-balances"),
    "no_route": lambda bank: make.misroute(bank, BEGIN, END, "uk-vrp", missing=True),
    "provider_failing": lambda bank: make.provider_failing(bank, BEGIN, END),
    "enumeration": lambda bank: make.enumeration(bank, BEGIN, END, "tallyhouse"),
    "retry_storm": lambda bank: make.retry_storm(bank, BEGIN, END, "spaarvarken", "bg-accounts"),
    "instance_down": lambda bank: make.instance_down(bank, BEGIN, END),
    "core_instance_down": lambda bank: make.instance_down(bank, BEGIN, END, "core-banking", 1),
    "flapping": lambda bank: make.flapping(bank, BEGIN, END, period_s=60),
    "consent_wave": lambda bank: make.consent_wave(bank, BEGIN, END, "brightledger"),
}


def _calls(bank: Bank, *faults: Fault, changes: tuple[Change, ...] = ()) -> list[Call]:
    return list(Simulator(4, bank, faults, changes).calls(T0, LAST))


@pytest.mark.parametrize("name", ERRORS)
def test_failures_are_where_the_truth_says(bank: Bank, name: str) -> None:
    fault = ERRORS[name](bank)
    truth = fault.truth
    effect = Simulator(4, bank, [fault]).emitted(T0, LAST)[0]
    assert effect.failed >= 20
    assert set(effect.apis) <= set(truth.apis)
    if truth.partners:
        assert set(effect.partners) == set(truth.partners)
    else:
        assert len(effect.partners) > 3
    hit = [call for call in _calls(bank, fault) if call.fault == 0]
    assert all(BEGIN <= call.start < fault.last_ns for call in hit)
    assert {call.failure.side for call in hit if call.failure and call.failure in dict(fault.failures)} == {truth.side}


@pytest.mark.parametrize("name", ["upstream_timeout", "bad_release", "provider_failing", "instance_down", "flapping"])
def test_the_root_service_reports_the_exception(bank: Bank, name: str) -> None:
    fault = ERRORS[name](bank)
    simulator = Simulator(4, bank, [fault])
    written = [log for log in logs(simulator.play(BEGIN, END)) if "exception.type" in log.attributes]
    thrown = fault.failures[0][0].thrown
    assert thrown is not None
    told = {log.resource["service.name"] for log in written if log.attributes["exception.type"] == thrown.type}
    caller = {"instance_down": {"payments-service"}}
    assert told == caller.get(name, set(fault.truth.services))
    assert all("\tat " in log.attributes["exception.stacktrace"] for log in written)


def test_a_python_release_leaves_its_traceback_in_the_log(bank: Bank) -> None:
    simulator = Simulator(4, bank, [ERRORS["fraud_release"](bank)])
    bodies = [log.body for log in logs(simulator.play(BEGIN, END)) if log.resource["service.name"] == "fraud-check"]
    assert any("Traceback (most recent call last):" in body and "KeyError" in body for body in bodies)


def test_an_expired_certificate_refuses_every_call(bank: Bank) -> None:
    calls = [call for call in _calls(bank, ERRORS["certificate_expired"](bank)) if call.partner.id == "penny-owl"]
    inside = [call for call in calls if BEGIN <= call.start < END]
    assert inside
    assert all((call.status, call.code) in {(401, "CERTIFICATE_EXPIRED"), (401, "invalid_client")} for call in inside)
    assert not any(call.fault == 0 for call in calls if call not in inside)


def test_a_misrouted_call_ends_at_the_gateway(bank: Bank) -> None:
    found = spans(Simulator(4, bank, [ERRORS["misroute"](bank)]).play(BEGIN, END))
    failed = [root for root in roots(found) if root.attributes["http.response.status_code"] == 503]
    assert failed
    traces = {root.raw.trace_id for root in failed}
    assert all(not span.raw.parent_span_id for span in found if span.raw.trace_id in traces)
    assert {root.attributes["gateway.response.source"] for root in failed} == {"gateway"}


def test_a_lock_shows_ten_seconds_and_the_database(bank: Bank) -> None:
    found = spans(Simulator(4, bank, [ERRORS["upstream_timeout"](bank)]).play(BEGIN, END))
    locked = [span for span in found if span.attributes.get("db.namespace") == "core-db" and span.raw.status.code == 2]
    assert locked
    assert all(span.raw.end_time_unix_nano - span.raw.start_time_unix_nano >= 10 * NS for span in locked)


def test_a_bad_release_fails_on_the_new_version_only(bank: Bank) -> None:
    fault, changes = make.bad_release(bank, BEGIN, END, 1.0)
    found = spans(Simulator(4, bank, [fault], changes).play(T0, BEGIN + 2 * MINUTE))
    failed = [span for span in found if span.events and span.resource["service.name"] == "payments-service"]
    assert {span.resource["service.version"] for span in failed} == {"4.8.0"}
    versions = {span.resource["service.version"] for span in found if span.resource["service.name"] == "payments-service"}
    assert versions == {"4.7.1", "4.8.0"}


def test_an_instance_that_is_down_answers_nothing_and_its_callers_name_it(bank: Bank) -> None:
    fault = ERRORS["instance_down"](bank)
    found = spans(Simulator(4, bank, [fault]).play(BEGIN + MINUTE, END))
    assert fault.truth.root not in {span.resource["service.instance.id"] for span in found}
    refused = [span for span in found if span.attributes.get("error.type") == "java.net.ConnectException"]
    assert {span.attributes["server.address"] for span in refused} == {fault.truth.root}


def test_enumeration_asks_for_many_accounts(bank: Bank) -> None:
    hit = [call for call in _calls(bank, ERRORS["enumeration"](bank)) if call.fault == 0]
    assert len({call.account for call in hit}) > 0.9 * len(hit)
    assert {call.status for call in hit if call.failure} == {400, 403}


def test_silence_and_surge_change_the_volume(bank: Bank) -> None:
    silence = make.silence(bank, BEGIN, END, "brightledger")
    inside = [call for call in _calls(bank, silence) if BEGIN <= call.start < END]
    assert not any(call.partner.id == "brightledger" for call in inside)
    storm = make.retry_storm(bank, BEGIN, END, "spaarvarken", "bg-accounts", per_s=10)
    usual = sum(call.partner.id == "spaarvarken" for call in _calls(bank))
    assert sum(call.partner.id == "spaarvarken" for call in _calls(bank, storm)) > usual + 1200


def test_latency_creeps_without_errors(bank: Bank) -> None:
    fault = make.slow_dependency(bank, BEGIN, END, "fraud-check", 30)
    hit = [call for call in _calls(bank, fault) if call.fault == 0 and call.failure is None]
    middle = (BEGIN + END) // 2
    early = [call.totals[0] for call in hit if call.start < middle]
    late = [call.totals[0] for call in hit if call.start >= middle]
    assert sum(late) / len(late) > 1.5 * sum(early) / len(early)
    assert {call.api.key for call in hit} <= set(fault.truth.apis)


def test_flapping_pauses(bank: Bank) -> None:
    hit = [call.start for call in _calls(bank, ERRORS["flapping"](bank)) if call.fault == 0]
    assert all((start - BEGIN) % MINUTE < 30 * NS for start in hit)


def test_overlapping_faults_both_show(bank: Bank) -> None:
    faults = [ERRORS["upstream_timeout"](bank), ERRORS["certificate_expired"](bank)]
    assert all(effect.failed > 20 for effect in Simulator(4, bank, faults).emitted(BEGIN, END))


def test_changes_become_requests(bank: Bank) -> None:
    _, (release, rollback) = make.bad_release(bank, BEGIN, END)
    body = release.as_request()
    assert body["scope"] == {"service": "payments-service"}
    assert (body["kind"], body["version"], body["at"]) == ("deployment", "4.8.0", "2026-09-21T14:13:50Z")
    assert rollback.version == "4.7.1"


def test_impossible_faults_are_refused(bank: Bank) -> None:
    with pytest.raises(ValueError, match="ends before"):
        make.upstream_timeout(bank, END, BEGIN)
    with pytest.raises(ValueError, match="severity"):
        make.upstream_timeout(bank, BEGIN, END, 0.0)
