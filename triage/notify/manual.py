"""What people start by hand: send a delivery once more, send a test message."""

from __future__ import annotations

from dataclasses import replace

from triage.domain.incident import ApiImpact, Impact, Incident, Notice, Suspect
from triage.domain.notice import Delivery, Receiver
from triage.domain.windows import MINUTE_NS
from triage.errors import NotAllowed
from triage.notify.attempt import Clock, attempt_once
from triage.notify.ledger import DELIVERY, Told, keep_told, put_delivery, read_delivery, read_told
from triage.notify.plan import delivery_token, refusal
from triage.notify.receivers import read_receiver
from triage.ports.notifier import Notifier
from triage.ports.state import StateStore


def replay(state: StateStore, delivery_id: str, now_ns: int) -> Delivery:
    """Make a delivery due again, with its whole schedule and the same webhook ID. Raises NotAllowed, Conflict."""
    document = state.get(DELIVERY, delivery_id)
    if document is None:
        raise NotAllowed(f"there is no delivery {delivery_id}")
    delivery = read_delivery(document)
    if delivery.state == "pending":
        raise NotAllowed("the delivery is pending already; it is sent when it is due")
    receiver = read_receiver(state, delivery.receiver_id)
    told = read_told(state, delivery)
    if receiver is None or told is None:
        raise NotAllowed("the receiver is gone" if receiver is None else "what it had to tell is no longer kept")
    reason = refusal(receiver, told.incident, told.notice)
    if reason and not (delivery.type == "receiver.test" and receiver.enabled):
        raise NotAllowed(reason)
    again = replace(delivery, state="pending", next_at_ns=now_ns, tries=0, reason="")
    put_delivery(state, again, document.version)
    return again


def send_test(state: StateStore, notifier: Notifier, receiver_id: str, clock: Clock) -> Delivery:
    """Send a test message now, once, even to a disabled receiver, and say how it went. Raises NotAllowed."""
    receiver = read_receiver(state, receiver_id)
    if receiver is None:
        raise NotAllowed(f"there is no receiver {receiver_id}")
    now_ns = clock()
    told = Told(sample_incident(receiver, now_ns), Notice(f"test-{now_ns}", "receiver.test", now_ns, "a test by hand"))
    keep_told(state, told, now_ns)
    token = delivery_token(told.incident.id, told.notice.id, receiver.id)
    delivery = Delivery(
        id=f"dlv_{token}", receiver_id=receiver.id, incident_id=told.incident.id, notice_id=told.notice.id,
        type="receiver.test", state="pending", created_ns=now_ns, webhook_id=f"msg_{token}", next_at_ns=now_ns,
    )
    document = put_delivery(state, delivery, None)
    result = attempt_once(state, notifier, receiver, document, clock)
    return result[0] if result else delivery


def sample_incident(receiver: Receiver, now_ns: int) -> Incident:
    """What a test message shows: clearly a test, with every field that a real message has."""
    return Incident(
        id=f"TEST-{receiver.id}", key="test", title="Gateway Triage reaches this receiver; nothing is broken", state="open",
        severity="low", kind="errors", whose_side="unknown", scope="a test",
        summary=f"Somebody tested the receiver '{receiver.name}'. Nothing has to be done.",
        first_seen_ns=now_ns - 5 * MINUTE_NS, last_seen_ns=now_ns, opened_ns=now_ns, failed_calls=12, total_calls=340,
        customers=7, partners=[Impact("example-partner", "Example Partner", 12, 340)],
        apis=[ApiImpact("GET", "/example/{id}", 12, 340)], services=["example-service"],
        suspects=[Suspect("service", "example-service", 0.9, ["only an example"])],
    )
