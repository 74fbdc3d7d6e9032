from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from triage.domain.codec import to_body
from triage.domain.incident import Incident, Notice, NoticeType
from triage.domain.notice import Delivery, Message, Receiver
from triage.domain.windows import NS
from triage.errors import NotifyError
from triage.notify.attempt import CLAIM_NS
from triage.notify.delivery import Courier, DeliveryRun
from triage.notify.ledger import DELIVERY, read_delivery
from triage.notify.outbox import plan_deliveries
from triage.notify.receivers import read_receiver
from triage.notify.schedule import DELAYS_S
from triage.ports.state import Document, StateStore
from triage.store.memory import MemoryDocuments, MemoryStateStore

LONG_S = 30.0  # ends at once when all is sent


@pytest.fixture
def courier(state: StateStore, notifier: Any, clock: Any) -> Iterator[Courier]:
    courier = Courier(state, notifier, clock)
    yield courier
    courier.close()


@pytest.fixture
def tell(state: StateStore, incident: Incident, clock: Any) -> Callable[..., None]:
    """Plans a notice of an incident for all receivers."""

    def tell(number: int = 7, type_: NoticeType = "incident.opened") -> None:
        notice = Notice(f"{type_}-{clock()}", type_, clock(), "because")
        body = to_body(replace(incident, id=f"INC-{number}", notices=[notice]))
        known = state.get("incident", f"INC-{number}")
        state.put("incident", f"INC-{number}", body, version=known.version if known else None, tags=["unsent:yes"])
        plan_deliveries(state, clock())
        clock.forward(0.001)

    return tell


def all_deliveries(state: StateStore) -> list[Delivery]:
    return [read_delivery(document) for document in state.select(DELIVERY, limit=1000).items][::-1]


def failing(**options: Any) -> Callable[[Message], None]:
    def answer(message: Message) -> None:
        raise NotifyError("answered 503 Service Unavailable", **{"retry": True, "status": 503, **options})

    return answer


def test_a_due_delivery_is_sent_and_the_attempt_recorded(
    state: StateStore, courier: Courier, notifier: Any, add_receiver: Any, tell: Any
) -> None:
    add_receiver()
    tell()

    assert DeliveryRun(delivered=1) == courier.deliver_due(LONG_S)
    [delivery] = all_deliveries(state)
    assert (delivery.state, delivery.tries) == ("delivered", 1)
    assert [(attempt.status, attempt.error, attempt.seconds) for attempt in delivery.attempts] == [(204, "", 0.25)]
    assert state.count(DELIVERY, [["state:delivered"]]) == 1
    assert DeliveryRun() == courier.deliver_due(LONG_S)
    assert len(notifier.sent) == 1


def test_ten_attempts_on_schedule_with_one_webhook_id_then_failed(
    state: StateStore, courier: Courier, notifier: Any, clock: Any, add_receiver: Any, tell: Any
) -> None:
    notifier.answer = failing()
    add_receiver()
    tell()

    for delay in DELAYS_S:
        clock.forward(delay * 0.99)
        early = len(notifier.sent)
        courier.deliver_due(LONG_S)
        assert delay == 0 or early == len(notifier.sent)
        clock.forward(delay * 0.12 + 0.001)
        courier.deliver_due(LONG_S)

    [delivery] = all_deliveries(state)
    assert (delivery.state, delivery.tries, len(notifier.sent)) == ("failed", 10, 10)
    assert delivery.reason == "gave up after 10 attempts; the last: answered 503 Service Unavailable"
    assert len({message.webhook_id for message in notifier.sent}) == 1
    clock.forward(1e6)
    assert DeliveryRun() == courier.deliver_due(LONG_S)


def test_a_permanent_error_fails_at_once(
    state: StateStore, courier: Courier, notifier: Any, add_receiver: Any, tell: Any
) -> None:
    notifier.answer = failing(retry=False, status=404)
    add_receiver()
    tell()

    assert DeliveryRun(failed=1) == courier.deliver_due(LONG_S)
    [delivery] = all_deliveries(state)
    assert (delivery.state, delivery.attempts[0].status) == ("failed", 404)


def test_gone_disables_the_receiver_and_what_waits_for_it_is_dropped_with_the_reason(
    state: StateStore, courier: Courier, notifier: Any, add_receiver: Any, tell: Any
) -> None:
    def answer(message: Message) -> None:
        raise NotifyError("answered 410 Gone", retry=False, status=410, disable=True)

    notifier.answer = answer
    add_receiver()
    tell(1)
    tell(2)

    assert DeliveryRun(failed=1, dropped=1) == courier.deliver_due(LONG_S)
    receiver = read_receiver(state, "rcv-a")
    assert receiver is not None
    assert not receiver.enabled
    assert receiver.disabled_reason.startswith("answered 410 Gone at 2026-03-02T10:00:00")
    assert "the receiver is disabled: answered 410 Gone" in all_deliveries(state)[1].reason


def test_a_receiver_that_asks_for_time_gets_it_for_all_its_messages(
    courier: Courier, notifier: Any, clock: Any, add_receiver: Any, tell: Any
) -> None:
    notifier.answer = failing(status=429, retry_after_s=60.0)
    add_receiver()
    tell(1)
    courier.deliver_due(LONG_S)
    tell(2)

    clock.forward(50)
    courier.deliver_due(LONG_S)
    assert notifier.told() == [("rcv-a", "INC-1", "incident.opened")]
    notifier.answer = lambda message: None
    clock.forward(11)
    assert DeliveryRun(delivered=2) == courier.deliver_due(LONG_S)


def test_messages_about_an_incident_keep_their_order_and_others_do_not_wait(
    courier: Courier, notifier: Any, clock: Any, add_receiver: Any, tell: Any
) -> None:
    notifier.answer = failing()
    add_receiver()
    tell(1, "incident.opened")
    courier.deliver_due(LONG_S)
    notifier.answer = lambda message: None
    notifier.sent.clear()
    tell(1, "incident.resolved")
    tell(2, "incident.opened")

    courier.deliver_due(LONG_S)
    assert notifier.told() == [("rcv-a", "INC-2", "incident.opened")]
    clock.forward(6)
    courier.deliver_due(LONG_S)
    assert notifier.told()[1:] == [("rcv-a", "INC-1", "incident.opened"), ("rcv-a", "INC-1", "incident.resolved")]


def test_a_failing_receiver_is_tried_once_a_run(courier: Courier, notifier: Any, add_receiver: Any, tell: Any) -> None:
    notifier.answer = failing()
    add_receiver()
    for number in range(5):
        tell(number)

    assert DeliveryRun(retried=1) == courier.deliver_due(LONG_S)


def test_a_dead_receiver_delays_no_other(courier: Courier, notifier: Any, add_receiver: Any, tell: Any) -> None:
    release = threading.Event()

    def answer(message: Message) -> None:
        if message.receiver.id == "rcv-dead":
            release.wait(60)

    notifier.answer = answer
    add_receiver(id="rcv-dead")
    add_receiver(id="rcv-well")
    tell(1)
    total = courier.deliver_due(0.05)
    tell(2)  # while the dead one still hangs
    for _ in range(1000):
        if total.delivered == 2:
            break
        total.add(courier.deliver_due(0.02))

    assert [
        told for told in notifier.told() if told[0] == "rcv-well"
    ] == [("rcv-well", "INC-1", "incident.opened"), ("rcv-well", "INC-2", "incident.opened")]
    assert len([told for told in notifier.told() if told[0] == "rcv-dead"]) == 1
    release.set()
    total.add(courier.deliver_due(LONG_S))
    total.add(courier.deliver_due(LONG_S))
    assert total.delivered == 4


def test_a_fault_of_our_own_does_not_stop_the_messages_behind_it(
    state: StateStore, courier: Courier, notifier: Any, clock: Any, add_receiver: Any, tell: Any
) -> None:
    def answer(message: Message) -> None:
        if message.incident.id == "INC-1":
            raise ValueError("https://hooks.example.com/path-secret")

    notifier.answer = answer
    add_receiver()
    tell(1)
    tell(2)
    courier.deliver_due(LONG_S)
    courier.deliver_due(LONG_S)

    first, second = all_deliveries(state)
    assert (first.state, second.state) == ("pending", "delivered")
    assert first.attempts[0].error == "internal fault (ValueError)"


def test_two_processes_send_each_delivery_once(state: StateStore, notifier: Any, clock: Any, add_receiver: Any, tell: Any) -> None:
    for name in range(4):
        add_receiver(id=f"rcv-{name}")
    for number in range(10):
        tell(number)
    couriers = [Courier(state, notifier, clock) for _ in range(2)]
    threads = [threading.Thread(target=courier.deliver_due, args=[LONG_S]) for courier in couriers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    while couriers[0].deliver_due(LONG_S).delivered:
        pass
    for courier in couriers:
        courier.close()

    assert 40 == len(notifier.sent) == len({message.webhook_id for message in notifier.sent})
    assert state.count(DELIVERY, [["state:delivered"]]) == 40


@pytest.mark.parametrize("lives", range(2))
def test_a_process_that_dies_while_sending_leaves_a_delivery_that_is_sent_again(
    incident: Incident, receiver: Receiver, notifier: Any, clock: Any, lives: int
) -> None:
    data = MemoryDocuments()
    whole = MemoryStateStore(data)
    whole.put("receiver", receiver.id, to_body(receiver), version=None)
    whole.put("incident", incident.id, to_body(incident), version=None, tags=["unsent:yes"])
    plan_deliveries(whole, clock())

    class Dying(MemoryStateStore):
        left = lives

        def put(self, *args: Any, **kwargs: Any) -> Document:
            self.left -= 1
            if self.left < 0:
                raise InterruptedError
            return super().put(*args, **kwargs)

    first = Courier(Dying(data), notifier, clock)
    with pytest.raises(InterruptedError):
        first.deliver_due(LONG_S)
    first.close()
    second = Courier(whole, notifier, clock)
    clock.forward(CLAIM_NS / NS - 1)
    early = second.deliver_due(LONG_S)
    clock.forward(2)
    late = second.deliver_due(LONG_S)
    second.close()

    assert early.delivered + late.delivered == 1
    assert lives == late.delivered  # claimed: again when the claim is over; not claimed: at once
    assert 1 + lives == len(notifier.sent)
    assert len({message.webhook_id for message in notifier.sent}) == 1


def test_what_is_no_longer_kept_fails_and_says_so(
    state: StateStore, courier: Courier, add_receiver: Any, tell: Any
) -> None:
    add_receiver()
    tell()
    [told] = state.select("notice").items
    state.delete("notice", told.doc_id, version=told.version)

    assert DeliveryRun(failed=1) == courier.deliver_due(LONG_S)
    assert all_deliveries(state)[0].reason == "what it had to tell is no longer kept"
