"""Sends what is due: receivers side by side, each receiver's messages in order."""

from __future__ import annotations

from collections import defaultdict
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, fields, replace
from typing import Final

from triage.domain.notice import Receiver
from triage.domain.windows import NS
from triage.errors import Conflict
from triage.notify.attempt import Clock, attempt_once
from triage.notify.ledger import pending, put_delivery, read_delivery
from triage.notify.plan import because
from triage.notify.receivers import read_receiver
from triage.ports.notifier import Notifier
from triage.ports.state import Document, StateStore

WORKERS: Final = 32  # receivers served at once; they wait for the network, not for a core
WAIT_S: Final = 1.0
BATCH: Final = 200  # messages of one receiver in one run


@dataclass(slots=True)
class DeliveryRun:
    """How many deliveries came to which end in a run."""

    delivered: int = 0
    retried: int = 0
    failed: int = 0
    dropped: int = 0

    def add(self, other: DeliveryRun) -> None:
        """Count another run's deliveries as well."""
        for counter in fields(self):
            setattr(self, counter.name, getattr(self, counter.name) + getattr(other, counter.name))


class Courier:
    """Serves every receiver on a thread of its own, so that a dead one delays nobody else.

    A receiver gets the messages about one incident in order: a later one waits while an earlier one has to be retried
    (a late 'opened' after 'resolved' would never be closed). Messages about other incidents do not wait for it. After a
    failure that a retry may heal the receiver has peace until the next run, or for as long as it asked.

    Call `deliver_due` from one thread; several processes may do so on one store, since each delivery is claimed first.
    """

    def __init__(self, state: StateStore, notifier: Notifier, clock: Clock, workers: int = WORKERS) -> None:
        self._state, self._notifier, self._clock = state, notifier, clock
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="courier")
        self._running: dict[str, Future[DeliveryRun]] = {}
        self._not_before_ns: dict[str, int] = {}

    def deliver_due(self, wait_s: float = WAIT_S) -> DeliveryRun:
        """Start every delivery that is due, wait up to `wait_s`, and count what has ended since the last call.

        Receivers that are not through by then are left to their threads and counted in a later call. Raises what the
        store raised; the deliveries concerned are due again when their claim is over.
        """
        now_ns = self._clock()
        for receiver_id, documents in due_by_receiver(self._state, now_ns).items():
            if receiver_id not in self._running and self._not_before_ns.get(receiver_id, 0) <= now_ns:
                self._running[receiver_id] = self._pool.submit(self._serve, receiver_id, documents[:BATCH])
        done, _ = wait(self._running.values(), timeout=wait_s)
        self._running = {key: future for key, future in self._running.items() if future not in done}
        run = DeliveryRun()
        for future in done:
            run.add(future.result())
        return run

    def close(self) -> None:
        """Let the messages under way end, start no more."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _serve(self, receiver_id: str, documents: list[Document]) -> DeliveryRun:
        run = DeliveryRun()
        for document in documents:
            receiver = read_receiver(self._state, receiver_id)
            if receiver is None or not receiver.enabled:
                run.dropped += self._drop(document, receiver)
            elif not self._deliver(receiver, document, run):
                break
        return run

    def _deliver(self, receiver: Receiver, document: Document, run: DeliveryRun) -> bool:
        """One attempt; whether the receiver's next message should follow at once."""
        result = attempt_once(self._state, self._notifier, receiver, document, self._clock)
        if result is None:
            return False
        delivery, error = result
        run.delivered += delivery.state == "delivered"
        run.failed += delivery.state == "failed"
        run.retried += delivery.state == "pending"
        if error and error.retry_after_s:
            self._not_before_ns[receiver.id] = min(self._clock() + int(error.retry_after_s * NS), delivery.next_at_ns)
        return error is None or not error.retry

    def _drop(self, document: Document, receiver: Receiver | None) -> bool:
        reason = f"the receiver is disabled{because(receiver.disabled_reason)}" if receiver else "the receiver is gone"
        try:
            dropped = replace(read_delivery(document), state="dropped", reason=reason)
            put_delivery(self._state, dropped, document.version)
        except Conflict:
            return False
        return True


def due_by_receiver(state: StateStore, now_ns: int) -> dict[str, list[Document]]:
    """What may be sent now, for each receiver the oldest first. A message waits for earlier ones about its incident."""
    due: dict[str, list[Document]] = defaultdict(list)
    waiting: set[tuple[str, str]] = set()
    for document in sorted(pending(state), key=lambda document: (document.sort, document.doc_id)):
        body = document.body
        thread = (body["receiver_id"], body["incident_id"])
        if body["next_at_ns"] > now_ns:
            waiting.add(thread)
        if thread not in waiting:
            due[body["receiver_id"]].append(document)
    return due
