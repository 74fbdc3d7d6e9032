"""One attempt of one delivery: claim it, send it, record how it went.

The claim moves `next_at_ns` beyond the longest time that sending can take. If the process dies before the result is
recorded, the delivery is due again after that: told at least once; a receiver knows a repetition by its `webhook-id`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from triage.domain.notice import Attempt, Delivery, Message, Receiver
from triage.domain.windows import NS, rfc3339
from triage.errors import Conflict, NotifyError
from triage.notify.ledger import put_delivery, read_delivery, read_told
from triage.notify.receivers import disable_receiver
from triage.notify.schedule import next_attempt_ns
from triage.ports.notifier import Notifier
from triage.ports.state import Document, StateStore

CLAIM_NS: Final = 120 * NS
MAX_ATTEMPTS_KEPT: Final = 50

Clock = Callable[[], int]  # nanoseconds since 1970


def attempt_once(
    state: StateStore, notifier: Notifier, receiver: Receiver, document: Document, clock: Clock,
) -> tuple[Delivery, NotifyError | None] | None:
    """Make one attempt; the delivery as recorded and what went wrong. None when somebody else has claimed it first."""
    delivery = read_delivery(document)
    started_ns = clock()
    try:
        claimed = put_delivery(state, replace(delivery, next_at_ns=started_ns + CLAIM_NS), document.version)
    except Conflict:
        return None
    attempt, error = _send(state, notifier, receiver, delivery, started_ns, clock)
    delivery = recorded(delivery, attempt, error, clock())
    try:
        put_delivery(state, delivery, claimed.version)
    except Conflict:
        return None
    if error and error.disable:
        disable_receiver(state, receiver.id, f"{error.reason} at {rfc3339(started_ns)}")
    return delivery, error


def recorded(delivery: Delivery, attempt: Attempt, error: NotifyError | None, now_ns: int) -> Delivery:
    """The delivery after an attempt: delivered, to be tried again, or failed with the reason. Pure."""
    tried = replace(
        delivery, tries=delivery.tries + 1, attempts=[*delivery.attempts, attempt][-MAX_ATTEMPTS_KEPT:], reason="",
    )
    if error is None:
        return replace(tried, state="delivered")
    if not error.retry or delivery.type == "receiver.test":  # somebody is waiting for the answer of a test
        return replace(tried, state="failed", reason=error.reason)
    next_at_ns = next_attempt_ns(delivery.webhook_id, tried.tries, now_ns, error.retry_after_s)
    if next_at_ns is None:
        return replace(tried, state="failed", reason=f"gave up after {tried.tries} attempts; the last: {error.reason}")
    return replace(tried, state="pending", next_at_ns=next_at_ns)


def _send(
    state: StateStore, notifier: Notifier, receiver: Receiver, delivery: Delivery, started_ns: int, clock: Clock,
) -> tuple[Attempt, NotifyError | None]:
    told = read_told(state, delivery)
    try:
        if told is None:
            raise NotifyError("what it had to tell is no longer kept", retry=False)
        message = Message(receiver, told.incident, told.notice, delivery.webhook_id, started_ns)
        return notifier.send(message), None
    except NotifyError as failed:
        error = failed
    except Exception as fault:
        # A fault of our own in one message must not stop those behind it; its text could hold a URL: only name it.
        error = NotifyError(f"internal fault ({type(fault).__name__})", retry=True)
    seconds = (clock() - started_ns) / NS
    return Attempt(started_ns, error.status or 0, error.reason, seconds), error
