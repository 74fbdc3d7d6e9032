from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from triage.domain.incident import Incident
from triage.domain.notice import Delivery, Filter
from triage.errors import NotAllowed, NotifyError
from triage.notify.delivery import Courier
from triage.notify.ledger import DELIVERY, read_delivery
from triage.notify.manual import replay, send_test
from triage.notify.outbox import plan_deliveries
from triage.notify.receivers import change_receiver
from triage.ports.state import StateStore


@pytest.fixture
def deliver(state: StateStore, notifier: Any, clock: Any) -> Callable[[], Delivery]:
    """One run of the courier; the one delivery after it."""

    def run() -> Delivery:
        courier = Courier(state, notifier, clock)
        courier.deliver_due(30.0)
        courier.close()
        return read_delivery(state.select(DELIVERY).items[0])

    return run


def refuse(message: object) -> None:
    raise NotifyError("answered 400 Bad Request", retry=False, status=400)


def test_a_failed_delivery_can_be_replayed_with_its_whole_schedule(
    state: StateStore, notifier: Any, clock: Any, incident: Incident, add_incident: Any, add_receiver: Any, deliver: Any
) -> None:
    add_receiver()
    add_incident(incident)
    plan_deliveries(state, clock())
    notifier.answer = refuse
    failed = deliver()
    notifier.answer = lambda message: None

    again = replay(state, failed.id, clock())
    delivered = deliver()

    assert (failed.state, again.state, delivered.state) == ("failed", "pending", "delivered")
    assert (again.tries, again.reason, len(delivered.attempts)) == (0, "", 2)
    assert len({message.webhook_id for message in notifier.sent}) == 1


def test_what_the_receiver_does_not_want_is_not_replayed_until_it_does(
    state: StateStore, clock: Any, incident: Incident, add_incident: Any, add_receiver: Any, deliver: Any
) -> None:
    add_receiver(filter=Filter(severity=["critical"]))
    add_incident(incident)
    plan_deliveries(state, clock())
    dropped = deliver()

    with pytest.raises(NotAllowed, match="does not want severity high"):
        replay(state, dropped.id, clock())

    def want_all(receiver: Any) -> Any:
        receiver.filter = Filter()
        return receiver

    change_receiver(state, "rcv-a", want_all)
    replay(state, dropped.id, clock())
    assert deliver().state == "delivered"


def test_a_pending_or_unknown_delivery_is_not_replayed(
    state: StateStore, clock: Any, incident: Incident, add_incident: Any, add_receiver: Any
) -> None:
    add_receiver()
    add_incident(incident)
    plan_deliveries(state, clock())

    with pytest.raises(NotAllowed, match="pending already"):
        replay(state, state.select(DELIVERY).items[0].doc_id, clock())
    with pytest.raises(NotAllowed, match="no delivery dlv_x"):
        replay(state, "dlv_x", clock())


def test_a_test_message_is_sent_at_once_even_to_a_disabled_receiver(
    state: StateStore, notifier: Any, clock: Any, add_receiver: Any
) -> None:
    add_receiver(enabled=False, filter=Filter(types=["incident.opened"]))

    delivery = send_test(state, notifier, "rcv-a", clock)

    assert (delivery.state, delivery.type) == ("delivered", "receiver.test")
    assert "nothing is broken" in notifier.sent[0].incident.title
    assert state.count(DELIVERY, [["receiver:rcv-a"]]) == 1


def test_a_test_message_is_tried_once(state: StateStore, notifier: Any, clock: Any, add_receiver: Any, deliver: Any) -> None:
    def answer(message: object) -> None:
        raise NotifyError("answered 503 Service Unavailable", retry=True, status=503)

    notifier.answer = answer
    add_receiver()

    delivery = send_test(state, notifier, "rcv-a", clock)
    clock.forward(1e6)
    deliver()

    assert (delivery.state, delivery.reason, len(notifier.sent)) == ("failed", "answered 503 Service Unavailable", 1)


def test_there_is_no_test_without_a_receiver(state: StateStore, notifier: Any, clock: Any) -> None:
    with pytest.raises(NotAllowed, match="no receiver rcv-x"):
        send_test(state, notifier, "rcv-x", clock)
