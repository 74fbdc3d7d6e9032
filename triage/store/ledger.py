"""The ledger of the embedded store: which IDs were ever kept, and in which minutes. It outlives the records.

New entries stand in the `ids` table of their day's file, written with their records, and in memory, where a look-up reads them.
Sealing moves them into a sorted file (`ledger_files`). Span IDs are not in the ledger.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from triage.domain.columns import Signal
from triage.domain.windows import MINUTE_NS, from_rfc3339
from triage.store.embedded.days import PINNED
from triage.store.embedded.ledger_files import SortedIds, number_of, open_runs, places_of, sorted_run, write_run
from triage.store.keys import Keys
from triage.store.ledger_ids import BITS, SIGNAL_BITS, Entries

SEAL_ROWS: Final = 1 << 18
"""So many new entries are sealed although their day goes on: comparing them all takes 0.1 ms."""
MOST_RUNS: Final = 8
_PARTS: Final = 32
Hits = dict[int, list[tuple[int, int]]]  # hash -> (epoch minute, signal bits)


@dataclass(slots=True)
class _Day:
    """What is known of one day."""

    start: int  # epoch minute with which it begins
    runs: list[SortedIds] = field(default_factory=list)
    fresh: list[Entries] = field(default_factory=list)
    quiet: int = 0  # entries at the last look: a day that is over is sealed when nothing more comes

    def rows(self) -> int:
        """Entries that are not sealed."""
        return sum(len(hashes) for hashes, _ in self.fresh)


class Ledger:
    """Safe for many threads. What happens to the tables is the caller's."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._days: dict[str, _Day] = {day: _new(day, runs) for day, runs in open_runs(folder, "ids").items()}

    def add(self, day: str, entries: Collection[Entries]) -> None:
        """Know entries that are durable in the day's table."""
        with self._lock:
            known = self._days.get(day) or self._days.setdefault(day, _new(day))
            known.fresh += [part for part in entries if len(part[0])]
            if len(known.fresh) > _PARTS:
                known.fresh = [_joined(known.fresh)]

    def find(self, hashes: Collection[int]) -> Iterator[tuple[str, Hits]]:
        """The days that know any of these hashes, newest first (pinned records before all), with the minutes of each."""
        for day, start, runs, fresh in self._seen():
            hits: Hits = {}
            for wanted in hashes:
                found = [(start + (place >> SIGNAL_BITS), place & 7) for run in runs for place in run.find(wanted).tolist()]
                for known, marks in fresh:
                    rows = np.flatnonzero(known == np.uint64(wanted))
                    found += [(mark >> SIGNAL_BITS, mark & 7) for mark in marks[rows].tolist()]
                if found:
                    hits[wanted] = found
            if hits:
                yield day, hits

    def stretches(self, hashes: Keys, signal: Signal) -> Iterator[tuple[str, tuple[int, int]]]:
        """The days, newest first, and in each the stretch of time, ns, in which a signal has any of these many hashes."""
        bit = BITS[signal]
        for day, start, runs, fresh in self._seen():
            marks = [run.find_all(hashes).astype(np.int32) + np.int32(start << SIGNAL_BITS) for run in runs]
            marks += [known_marks[np.isin(known, hashes)] for known, known_marks in fresh]
            found = np.concatenate(marks) if marks else np.zeros(0, np.int32)
            minutes = found[(found & bit) != 0] >> SIGNAL_BITS
            if len(minutes):
                yield day, (int(minutes.min()) * MINUTE_NS, (int(minutes.max()) + 1) * MINUTE_NS)

    def _seen(self) -> list[tuple[str, int, list[SortedIds], list[Entries]]]:
        with self._lock:
            return [(day, known.start, list(known.runs), list(known.fresh)) for day, known in sorted(self._days.items(), reverse=True)]

    def to_seal(self, today: str) -> list[str]:
        """The days to seal now: those with much that is new, and those that are over and quiet since the last question."""
        chosen = []
        with self._lock:
            for day, known in self._days.items():
                rows = known.rows()
                if day != PINNED and rows and (rows >= SEAL_ROWS or (day < today and rows == known.quiet)):
                    chosen.append(day)
                known.quiet = rows
        return chosen

    def fresh(self, day: str) -> Entries:
        """The entries of a day that are not sealed yet."""
        with self._lock:
            return _joined(self._days[day].fresh if day in self._days else [])

    def write(self, day: str, entries: Entries) -> SortedIds:
        """A durable file of these entries."""
        return write_run(self._next(day), [sorted_run(entries[0], places_of(entries[1], first_minute(day)))])

    def swap(self, day: str, run: SortedIds, rows: int) -> None:
        """The first entries of the day, so many, are in this file now."""
        with self._lock:
            known = self._days[day]
            known.runs.append(run)
            hashes, marks = _joined(known.fresh)
            known.fresh = [(hashes[rows:].copy(), marks[rows:].copy())] if len(hashes) > rows else []
            known.quiet = known.rows()

    def merge(self, day: str, most: int) -> None:
        """Make one file of a day that has more than `most`."""
        with self._lock:
            known = self._days[day]
            runs = list(known.runs)
        if len(runs) <= most:
            return
        merged = write_run(self._next(day), [(run.hashes, run.places) for run in runs])
        with self._lock:
            known.runs = [merged, *known.runs[len(runs) :]]
        for run in runs:
            run.path.unlink()

    def days(self) -> list[str]:
        """The days that have files."""
        with self._lock:
            return sorted(day for day, known in self._days.items() if known.runs)

    def forget(self, before: str) -> None:
        """Delete the files of the days before one; what stands in tables goes with these."""
        for day in self.days():
            if day < before:
                with self._lock:
                    runs, self._days[day].runs = self._days[day].runs, []
                    if not self._days[day].fresh:
                        del self._days[day]
                for run in runs:
                    run.path.unlink()

    def disk_bytes(self) -> int:
        """Bytes of all files."""
        with self._lock:
            return sum(run.path.stat().st_size for known in self._days.values() for run in known.runs)

    def _next(self, day: str) -> Path:
        with self._lock:
            runs = self._days[day].runs if day in self._days else []
            return self._folder / f"ids-{day}.{max((number_of(run.path) for run in runs), default=0) + 1}"


def first_minute(day: str) -> int:
    """The epoch minute with which a day begins."""
    return from_rfc3339(f"{day}T00:00:00Z") // MINUTE_NS


def minutes_of(hits: Hits, signal: Signal) -> tuple[int, int] | None:
    """The stretch of time, ns, in which a signal has any of the IDs; None when it has none of them."""
    minutes = [minute for places in hits.values() for minute, bits in places if bits & BITS[signal]]
    return (min(minutes) * MINUTE_NS, (max(minutes) + 1) * MINUTE_NS) if minutes else None


def _joined(parts: list[Entries]) -> Entries:
    hashes = np.concatenate([np.zeros(0, np.uint64), *(part[0] for part in parts)])
    return hashes, np.concatenate([np.zeros(0, np.int32), *(part[1] for part in parts)])


def _new(day: str, runs: list[SortedIds] | None = None) -> _Day:
    return _Day(0 if day == PINNED else first_minute(day), runs or [])
