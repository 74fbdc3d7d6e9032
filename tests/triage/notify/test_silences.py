"""A silence holds notices back, lets them go when it ends, and never leaves a receiver with half a story."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from triage.domain.incident import ApiImpact, Impact, Incident, Notice
from triage.domain.windows import MINUTE_NS, NS
from triage.notify.ledger import DELIVERY, read_delivery
from triage.notify.outbox import PlanRun, plan_deliveries
from triage.notify.silences import SILENCE, Silence
from triage.ports.state import StateStore

NOW = 1_772_445_600_000_000_000
UNTIL = NOW + 60 * MINUTE_NS


def silence(state: StateStore, *, at_ns: int = NOW - NS, until_ns: int = UNTIL, **scope: str) -> None:
    state.put(SILENCE, "sil-1", {"id": "sil-1", "scope": scope, "until_ns": until_ns, "reason": "a drill", "by": "ada", "at_ns": at_ns},
              version=None, sort=until_ns)


def at_now(incident: Incident, *types: str, state: str = "open") -> Incident:
    notices = [Notice(f"n{place}", kind, NOW + place, "") for place, kind in enumerate(types)]  # type: ignore[arg-type]
    return replace(incident, notices=notices, state=state, services=["ledger"])  # type: ignore[arg-type]


def told(store: StateStore) -> list[tuple[str, str]]:
    return sorted((d.type, d.state) for d in map(read_delivery, store.select(DELIVERY, limit=100).items))


def test_notices_wait_for_the_end_of_a_silence(
    state: StateStore, incident: Incident, add_incident: Callable[..., Any], add_receiver: Callable[..., Any],
) -> None:
    add_receiver()
    add_incident(at_now(incident, "incident.opened"))
    silence(state, service="ledger")

    assert plan_deliveries(state, NOW + 1) == PlanRun(held=1)
    assert told(state) == []
    assert plan_deliveries(state, UNTIL) == PlanRun(notices=1, deliveries=1)
    assert told(state) == [("incident.opened", "pending")]


def test_a_problem_that_came_and_went_in_a_silence_is_told_to_nobody_and_that_is_said(
    state: StateStore, incident: Incident, add_incident: Callable[..., Any], add_receiver: Callable[..., Any],
) -> None:
    add_receiver()
    add_incident(at_now(incident, "incident.opened", "incident.resolved", state="resolved"))
    silence(state, service="ledger")

    assert plan_deliveries(state, UNTIL + 1) == PlanRun(notices=2, dropped=2)
    assert told(state) == [("incident.opened", "dropped"), ("incident.resolved", "dropped")]
    assert {"a silence held it back until the problem was over"} == {
        read_delivery(doc).reason for doc in state.select(DELIVERY, limit=10).items}


def test_who_was_told_of_the_beginning_is_told_of_the_end(
    state: StateStore, incident: Incident, add_incident: Callable[..., Any], add_receiver: Callable[..., Any],
) -> None:
    add_receiver()
    add_incident(at_now(incident, "incident.resolved", state="resolved"))  # opened and told before the silence
    silence(state, service="ledger")

    assert plan_deliveries(state, UNTIL + 1) == PlanRun(notices=1, deliveries=1)
    assert told(state) == [("incident.resolved", "pending")]


@pytest.mark.parametrize(("scope", "covered"), [
    ({"partner": "moneta"}, True), ({"partner": "Moneta Pay"}, True), ({"partner": "klar"}, False),
    ({"api": "/accounts"}, True), ({"api": "GET /accounts"}, True), ({"api": "POST /accounts"}, False),
    ({"service": "ledger"}, True), ({"service": "ledger", "partner": "klar"}, False), ({"service": "other"}, False),
])
def test_every_field_of_a_silence_has_to_fit(incident: Incident, scope: dict[str, str], covered: bool) -> None:
    found = replace(incident, services=["ledger"], partners=[Impact("moneta", "Moneta Pay", 3, 9)],
                    apis=[ApiImpact("GET", "/accounts", 3, 9)])

    assert Silence("s", NOW, UNTIL, **scope).covers(found, NOW) is covered


def test_a_silence_of_one_partner_does_not_hide_what_others_suffer(incident: Incident) -> None:
    both = replace(incident, partners=[Impact("moneta", "Moneta Pay", 3, 9), Impact("klar", "Klar", 1, 9)])

    assert not Silence("s", NOW, UNTIL, partner="moneta").covers(both, NOW)


def test_a_silence_begins_and_ends(incident: Incident) -> None:
    always = Silence("s", NOW, UNTIL)

    assert [always.covers(incident, at) for at in (NOW - 1, NOW, UNTIL - 1, UNTIL)] == [False, True, True, False]
