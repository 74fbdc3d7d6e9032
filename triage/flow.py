"""The whole product in three short functions. Read this file first.

    bytes -> Record -> MaskedRecord -> store -> Finding -> IncidentChange -> Notice -> Delivery

Collectors decode bytes and call `receive`; a scheduler calls `analyse_once` and `notify_once`; the console reads the stores.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Protocol

from triage.domain.records import Records
from triage.domain.windows import MINUTE_NS
from triage.incidents import documents
from triage.incidents.fold import FoldSettings, fold_findings
from triage.mask.masker import Masker
from triage.notify.delivery import Courier, DeliveryRun
from triage.notify.outbox import plan_deliveries
from triage.ports.masked import MaskedRecords
from triage.ports.records import Appended, RecordStore
from triage.ports.state import StateStore

if TYPE_CHECKING:  # scikit-learn is loaded only where `analyse_once` runs
    from triage.analyse.run import RunReport

    class Analyse(Protocol):
        """`triage.analyse.run.analyse_minutes`, its settings filled in."""

        def __call__(
            self, records: RecordStore, state: StateStore, minutes: Iterable[int], now_ns: int, live_since: int | None, /,
        ) -> RunReport:
            """What the run looked at and found."""
            ...


class Keeper(Protocol):
    """Who takes masked records on: a store, or in a helper process the way back to the service, which has the store."""

    def submit(self, batch: MaskedRecords) -> Future[Appended]:
        """See `RecordStore.submit`."""
        ...


def receive(records: Records, masker: Masker, store: Keeper) -> tuple[Future[Appended], int]:
    """Mask and keep; nothing else ever writes records. Returns what will be kept and how many values were masked."""
    masked = masker.mask(records)
    return store.submit(masked), masked.masked


def analyse_once(
    records: RecordStore, state: StateStore, now_ns: int, analyse: Analyse, fold: FoldSettings,
) -> RunReport:
    """Look at every minute that something new arrived for; fold what was found into incidents."""
    receipts = records.receipts()
    minutes = {minute for receipt in receipts for minute in receipt.minutes}
    live_since = min((i.first_seen_ns // MINUTE_NS for i in documents.live(state)), default=None)
    report = analyse(records, state, minutes, now_ns, live_since)
    fold_findings(report.findings, state, now_ns, fold)
    records.settle([receipt.receipt_id for receipt in receipts])
    return report


def notify_once(state: StateStore, courier: Courier, now_ns: int) -> DeliveryRun:
    """Hand unsent notices to the receivers that want them, and make every delivery that is due."""
    plan_deliveries(state, now_ns)
    return courier.deliver_due()
