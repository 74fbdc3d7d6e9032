from __future__ import annotations

from dataclasses import replace

import pytest

from triage.domain.notice import Filter, Receiver
from triage.errors import BadInput
from triage.notify.receivers import all_receivers, change_receiver, create_receiver, disable_receiver, read_receiver
from triage.ports.state import StateStore


def test_a_signed_format_gets_a_fresh_secret(state: StateStore) -> None:
    made = create_receiver(state, name=" Ops ", url="https://hooks.example.com/x", form="native", now_ns=5)

    assert made.secret.startswith("whsec_")
    assert (made.name, made.enabled, made.created_ns) == ("Ops", True, 5)
    assert made == read_receiver(state, made.id)


def test_pagerduty_knows_its_address_and_needs_a_routing_key(state: StateStore) -> None:
    made = create_receiver(state, name="PD", url="", form="pagerduty", secret="R0UT1NG", now_ns=1)

    assert made.url == "https://events.pagerduty.com/v2/enqueue"
    with pytest.raises(BadInput, match="routing key"):
        create_receiver(state, name="PD", url="", form="pagerduty", now_ns=1)


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("", "has to start with https"),
        ("ftp://hooks.example.com/", "has to start with https"),
        ("hooks.example.com/x", "has to start with https"),
        ("https://", "has to start with https"),
        ("https://user:pass-secret@hooks.example.com/", "may not hold a user name"),
        ("https://[half/path-secret", "cannot be read"),
        ("https://hooks.example.com/" + "x" * 3000, "longer than 2048"),
    ],
)
def test_a_wrong_url_is_refused_and_not_shown(state: StateStore, url: str, fault: str) -> None:
    with pytest.raises(BadInput, match=fault) as caught:
        create_receiver(state, name="Ops", url=url, form="slack", now_ns=1)

    assert "secret" not in str(caught.value)
    assert all_receivers(state) == []


def test_all_faults_are_told_at_once(state: StateStore) -> None:
    wanted = Filter(severity=["urgent"], types=["incident.closed"])
    with pytest.raises(BadInput) as caught:
        create_receiver(state, name="", url="x", form="smoke", wanted=wanted, now_ns=1)  # type: ignore[arg-type]

    for part in ("name", "URL", "format is one of native", "'urgent'", "'incident.closed'"):
        assert part in str(caught.value)


def test_a_receiver_shows_neither_url_nor_secret(receiver: Receiver) -> None:
    assert receiver.secret not in repr(receiver)
    assert "path-secret" not in repr(receiver)


def test_receivers_change_and_are_disabled_with_a_reason(state: StateStore) -> None:
    made = create_receiver(state, name="Ops", url="https://hooks.example.com/x", form="native", now_ns=1)

    change_receiver(state, made.id, lambda receiver: replace(receiver, name="Night"))
    disable_receiver(state, made.id, "answered 410 Gone")

    assert [(r.name, r.enabled, r.disabled_reason) for r in all_receivers(state)] == [("Night", False, "answered 410 Gone")]
    assert change_receiver(state, "rcv-none", lambda receiver: receiver) is None
    with pytest.raises(BadInput):
        change_receiver(state, made.id, lambda receiver: replace(receiver, url="gopher://x"))
