from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triage.domain.incident import Incident, Notice
from triage.domain.notice import Filter, Receiver
from triage.notify.plan import delivery_token, plan, refusal, snapshot

OPENED = Notice("n1", "incident.opened", 1, "new")


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        (Filter(), ""),
        (Filter(severity=["critical", "high"]), ""),
        (Filter(severity=["critical"]), "the receiver does not want severity high"),
        (Filter(types=["incident.opened"]), ""),
        (Filter(types=["incident.resolved"]), "the receiver does not want incident.opened"),
        (Filter(partner=["tpp-2"]), ""),
        (Filter(partner=["Aurora Pay"]), ""),
        (Filter(partner=["tpp-9"]), "none of the receiver's partners is affected"),
        (Filter(api=["POST /payments"]), ""),
        (Filter(api=["/payments"]), ""),
        (Filter(api=["GET /payments"]), "none of the receiver's APIs is affected"),
        (Filter(severity=["high"], partner=["tpp-1"], api=["/accounts"]), "none of the receiver's APIs is affected"),
    ],
)
def test_a_filter_lets_through_what_matches_each_of_its_lists(
    incident: Incident, receiver: Receiver, wanted: Filter, reason: str
) -> None:
    receiver.filter = wanted

    [delivery] = plan(incident, OPENED, [receiver], 99)

    assert (reason, "dropped" if reason else "pending") == (delivery.reason, delivery.state)


def test_a_restricted_incident_goes_only_to_receivers_that_take_such(incident: Incident, receiver: Receiver) -> None:
    secret = replace(incident, restricted=True)

    assert "restricted" in refusal(receiver, secret, OPENED)
    assert refusal(replace(receiver, filter=Filter(restricted=True)), secret, OPENED) == ""


def test_a_disabled_receiver_is_told_nothing_and_the_delivery_says_why(incident: Incident, receiver: Receiver) -> None:
    disabled = replace(receiver, enabled=False, disabled_reason="answered 410 Gone")

    assert refusal(disabled, incident, OPENED) == "the receiver is disabled: answered 410 Gone"


def test_planning_again_gives_the_same_ids(incident: Incident, receiver: Receiver) -> None:
    first, again = plan(incident, OPENED, [receiver], 1), plan(incident, OPENED, [receiver], 2)

    assert [(first[0].id, first[0].webhook_id)] == [(again[0].id, again[0].webhook_id)]


@given(st.lists(st.tuples(*[st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))] * 3), unique=True))
def test_different_deliveries_have_different_ids(names: list[tuple[str, str, str]]) -> None:
    assert len(names) == len({delivery_token(*parts) for parts in names})


def test_a_snapshot_is_bounded_and_leaves_the_incident_alone(incident: Incident) -> None:
    incident.title, incident.trace_ids = "x" * 5000, [f"{number:032x}" for number in range(500)]

    short = snapshot(incident)

    assert (len(short.title), len(short.trace_ids), short.notices) == (300, 10, [])
    assert (len(incident.title), len(incident.trace_ids), len(incident.notices)) == (5000, 500, 1)
