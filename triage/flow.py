"""The whole product in three short functions. Read this file first.

    bytes -> Record -> MaskedRecord -> store -> Finding -> IncidentChange -> Notice -> Delivery

Collectors decode bytes and call `receive`; a scheduler calls `analyse_once` and `notify_once`; the console reads the stores.
"""

from __future__ import annotations

from triage.analyse.run import RunReport, analyse_minutes
from triage.domain.records import Records
from triage.incidents.fold import fold_findings
from triage.mask.masker import Masker
from triage.notify.delivery import deliver_due
from triage.notify.outbox import plan_deliveries
from triage.ports.notifier import Notifier
from triage.ports.records import Appended, RecordStore
from triage.ports.state import StateStore


def receive(records: Records, masker: Masker, store: RecordStore) -> tuple[Appended, int]:
    """Mask and keep; nothing else ever writes records. Returns what was kept and how many values were masked."""
    masked = masker.mask(records)
    return store.append(masked), masked.masked


def analyse_once(records: RecordStore, state: StateStore, now_ns: int) -> RunReport:
    """Look at every minute that something new arrived for; fold what was found into incidents."""
    receipts = records.receipts()
    report = analyse_minutes(records, state, [m for receipt in receipts for m in receipt.minutes], now_ns)
    fold_findings(report.findings, state, now_ns)
    records.settle([receipt.receipt_id for receipt in receipts])
    return report


def notify_once(state: StateStore, notifier: Notifier, now_ns: int) -> int:
    """Hand unsent notices to the receivers that want them, and make every delivery that is due. Returns how many were made."""
    plan_deliveries(state, now_ns)
    return deliver_due(state, notifier, now_ns)
