"""Where span IDs are: for each day that is over, a sorted file of four bytes of hash and two of place a span and call witness.

A help only: it goes with its day, is made again from the rows, and says in which minutes to look. A day without one is scanned.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa

from triage.domain.columns import Signal
from triage.domain.windows import MINUTE_NS
from triage.store.embedded.ledger_files import Run, number_of, open_runs, sorted_run, write_run
from triage.store.keys import text_keys
from triage.store.ledger import first_minute
from triage.store.ledger_ids import BITS, SIGNAL_BITS

SPAN_ID_LENGTH: Final = 16
OF_SPANS: Final[tuple[Signal, ...]] = ("spans", "calls")
_HALF: Final = np.uint64(32)


class SpanIndex:
    """Safe for many threads. A day counts as indexed from `add` to `stale`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._files = {day: runs[-1] for day, runs in open_runs(folder, "spans").items()}
        self._changes: dict[str, int] = {}

    def keep_valid(self, rows: Mapping[str, int]) -> None:
        """After a start: forget the files of days that do not have so many rows any more."""
        for day, file in list(self._files.items()):
            if rows.get(day) != file.records:
                self.drop(day)

    def stale(self, day: str) -> None:
        """The rows of a day have changed."""
        with self._lock:
            self._changes[day] = self._changes.get(day, 0) + 1
        self.drop(day)

    def drop(self, day: str) -> None:
        """Delete the file of a day."""
        with self._lock:
            file = self._files.pop(day, None)
        if file:
            file.path.unlink(missing_ok=True)

    def changes(self, day: str) -> int:
        """How often the day has changed since the start."""
        with self._lock:
            return self._changes.get(day, 0)

    def has(self, day: str) -> bool:
        """Whether a day is indexed."""
        with self._lock:
            return day in self._files

    def minutes(self, day: str, wanted: int, signal: Signal) -> tuple[int, int] | None:
        """The stretch of time, ns, in which a signal may have the ID; None: it has not. Raises KeyError without an index."""
        with self._lock:
            file = self._files[day]
        places = [place >> SIGNAL_BITS for place in file.find(wanted).tolist() if place & BITS[signal]]
        start = first_minute(day)
        return ((start + min(places)) * MINUTE_NS, (start + max(places) + 1) * MINUTE_NS) if places else None

    def add(self, day: str, runs: Iterable[Run], rows: int, changes: int) -> None:
        """Index a day by these runs of `span_run`, unless it has changed since `changes` was read."""
        number = 1 + max((number_of(path) for path in self._folder.glob(f"spans-{day}.*")), default=0)
        file = write_run(self._folder / f"spans-{day}.{number}", list(runs), records=rows)
        with self._lock:
            good = self._changes.get(day, 0) == changes
            if good:
                self._files[day] = file
        if not good:
            file.path.unlink()

    def disk_bytes(self) -> int:
        """Bytes of all files."""
        with self._lock:
            return sum(file.path.stat().st_size for file in self._files.values())


def span_run(day: str, signal: Signal, rows: pa.Table) -> Run:
    """The entries of rows with `span_id` and `time_ns`."""
    present = rows.column("span_id").to_numpy(zero_copy_only=False) != ""
    hashes = (text_keys(rows.column("span_id")) >> _HALF).astype(np.uint32)
    minutes = rows.column("time_ns").to_numpy() // MINUTE_NS - first_minute(day)
    places = ((minutes << SIGNAL_BITS) | BITS[signal]).astype(np.uint16)
    return sorted_run(hashes[present], places[present])
