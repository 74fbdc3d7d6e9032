"""What each collecting process last said of itself: how much waits in its spool, and what the store refused for good.

Each keeps one document and writes it every REPORT_S; one that cannot reach the store falls silent, which is shown, too.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from triage.domain.codec import from_body, to_body
from triage.domain.windows import DAY_NS, NS
from triage.errors import Conflict, StoreError
from triage.ports.state import StateStore

COLLECTOR: Final = "collector"
REPORT_S: Final = 10
SILENT_S: Final = 60
_FORGOTTEN_NS: Final = 7 * DAY_NS
_MOST: Final = 200


@dataclass(frozen=True, slots=True)
class CollectorReport:
    """One report, made at `at_ns`. `oldest_ns`: wall clock since when the oldest batch waits, 0 when none does."""

    id: str
    host: str
    pid: int
    at_ns: int
    spool_batches: int
    spool_bytes: int
    spool_limit_bytes: int
    spool_oldest_ns: int
    spool_full: bool
    dead_pieces: int
    dead_records: int
    dead_bytes: int

    def silent(self, now_ns: int) -> bool:
        """Whether it should have said something since."""
        return now_ns - self.at_ns > SILENT_S * NS


def report(state: StateStore, said: CollectorReport) -> None:
    """Write it over the last one. Raises StoreUnavailable."""
    last = state.get(COLLECTOR, said.id)
    with contextlib.suppress(Conflict):  # a former process of the same folder wrote just now; the next report follows soon
        state.put(COLLECTOR, said.id, to_body(said), version=last.version if last else None, sort=said.at_ns)


def forget(state: StateStore, now_ns: int) -> int:
    """Delete the reports that are not shown any more; machines come and go. Returns their number."""
    return state.purge(COLLECTOR, now_ns - _FORGOTTEN_NS)


def report_always(state: StateStore, say: Callable[[], CollectorReport], stopping: threading.Event) -> None:
    """Report now and then until told to stop; a store that is away hears of it later."""
    while True:
        with contextlib.suppress(StoreError):
            report(state, say())
        if stopping.wait(REPORT_S):
            return


def reports(state: StateStore, now_ns: int) -> list[CollectorReport]:
    """The last report of each collector that was heard within a week, by ID. Raises StoreUnavailable."""
    found = [from_body(CollectorReport, document.body) for document in state.select(COLLECTOR, limit=_MOST).items]
    return sorted((said for said in found if now_ns - said.at_ns < _FORGOTTEN_NS), key=lambda said: said.id)
