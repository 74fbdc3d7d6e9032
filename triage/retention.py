"""What is kept for how long: whole days of records, old roll-ups and old documents go; the evidence of incidents and complaints stays.

In: both stores, the periods, now. Out: a `RetentionRun`, which is kept too, so that people see what was dropped and given back.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from triage.accounts.sessions import SESSION
from triage.domain.calls import FAILED_OUTCOMES
from triage.domain.columns import Signal
from triage.domain.incident import Incident
from triage.domain.windows import DAY_NS, MINUTE_NS, Window, day_of
from triage.errors import Conflict
from triage.incidents import documents
from triage.notify.ledger import DELIVERY, NOTICE
from triage.ports.records import Condition, RecordStore
from triage.ports.state import StateStore

RUN: Final = "retention"
LAST: Final = "last"
COMPLAINT: Final = "complaint"
ANALYSIS_RUN: Final = "run"
_PAGE: Final = 500
_EXAMPLES: Final = 20  # calls of an incident
_DAY_MINUTES: Final = DAY_NS // MINUTE_NS


@dataclass(frozen=True, slots=True)
class Periods:
    """Days that things are kept. `documents`: deliveries, the notices that they tell, and the history of runs."""

    records: Mapping[Signal, int]
    rollups: int
    documents: int


@dataclass(slots=True)
class RetentionRun:
    """What a run dropped. `freed_bytes` may be below 0: records keep coming while it runs."""

    at_ns: int
    seconds: float = 0.0
    records: dict[Signal, int] = field(default_factory=dict)
    days: list[str] = field(default_factory=list)
    rollups: int = 0
    documents: int = 0
    freed_bytes: int = 0
    disk_bytes: int = 0


def expire(records: RecordStore, state: StateStore, periods: Periods, now_ns: int) -> RetentionRun:
    """Drop what is beyond its period. Raises StoreUnavailable; what was done until then stays done."""
    run, began, before = RetentionRun(now_ns), time.perf_counter(), records.disk_bytes()
    _drop_days(records, state, periods, run)
    oldest_day = (now_ns - periods.rollups * DAY_NS) // DAY_NS
    run.rollups = records.drop_rollups(oldest_day * _DAY_MINUTES)
    old = now_ns - periods.documents * DAY_NS
    run.documents = sum(state.purge(kind, old) for kind in (DELIVERY, NOTICE, ANALYSIS_RUN, RUN)) + state.purge(SESSION, now_ns)
    try:
        records.give_back()
    finally:  # where there is no room to write a day anew, what was dropped is still told
        run.disk_bytes = records.disk_bytes()
        run.freed_bytes = before - run.disk_bytes
        run.seconds = round(time.perf_counter() - began, 3)
        _keep_run(state, run)
    return run


def last_run(state: StateStore) -> Mapping[str, Any] | None:
    """The last run as it was kept, or None."""
    document = state.get(RUN, LAST)
    return document.body if document else None


def _drop_days(records: RecordStore, state: StateStore, periods: Periods, run: RetentionRun) -> None:
    due = sorted(
        (day, signal) for signal, days in records.counts().days.items()
        for day in days if day < day_of(run.at_ns - periods.records[signal] * DAY_NS)
    )
    if not due:
        return
    records.pin(*_evidence(records, state))
    for day, signal in due:
        run.records[signal] = run.records.get(signal, 0) + records.drop_day(signal, day)
    run.days = sorted({day for day, _ in due})


def _evidence(records: RecordStore, state: StateStore) -> tuple[set[str], set[str]]:
    """The traces that incidents show and complaints are about, and the call witnesses of both, since some have no trace."""
    traces: set[str] = set()
    witnesses: set[str] = set()
    for incident in documents.every(state):
        traces.update(incident.trace_ids)
        if not incident.trace_ids:
            witnesses.update(_failed_calls(records, incident))
    cursor: str | None = None
    while True:
        page = state.select(COMPLAINT, limit=_PAGE, cursor=cursor)
        for document in page.items:
            traces.update(document.body["trace_ids"])
            witnesses.update(document.body["calls"])
        cursor = page.next
        if cursor is None:
            return traces, witnesses


def _failed_calls(records: RecordStore, incident: Incident) -> list[str]:
    """Some failed calls of an incident whose calls have no traces."""
    where = [Condition(column, "in", values) for column, values in (
        ("outcome", FAILED_OUTCOMES),
        ("route", tuple(api.route for api in incident.apis)),
        ("partner", tuple(partner.id for partner in incident.partners)),
    ) if values]
    window = Window(incident.first_seen_ns, incident.last_seen_ns + MINUTE_NS)
    found: list[str] = records.search("calls", where, window, _EXAMPLES).rows.column("witness_id").to_pylist()
    return found


def _keep_run(state: StateStore, run: RetentionRun) -> None:
    """The last run, and the history of those that dropped something."""
    body = asdict(run)
    last = state.get(RUN, LAST)
    try:
        state.put(RUN, LAST, body, version=last.version if last else None)
        if run.days or run.rollups:
            state.put(RUN, str(run.at_ns), body, version=None, sort=run.at_ns)
    except Conflict:
        return  # another worker keeps its own run
