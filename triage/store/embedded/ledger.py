"""Keeping the ledger of the embedded store: read at the start, sealed in small steps beside the writer, forgotten when it is old."""

from __future__ import annotations

import time
from functools import partial
from typing import Final

import duckdb
import numpy as np

from triage.domain.windows import DAY_NS, HOUR_NS, day_of
from triage.store.embedded.days import PINNED, DuckFiles
from triage.store.embedded.ledger_files import Run
from triage.store.embedded.reads import DuckReader
from triage.store.embedded.span_index import OF_SPANS, SpanIndex, span_run
from triage.store.embedded.writes import DuckWriter, insert_entries
from triage.store.ledger import MOST_RUNS, SEAL_ROWS, Ledger, first_minute
from triage.store.ledger_ids import Entries

_AT_ONCE_S: Final = 5.0  # then the rest waits for the next time
_STEP_HOURS: Final = 4  # of a day's spans that are read at once


class LedgerKeeper:
    """One at a time; beside the writer, which waits only while a day's small table is exchanged."""

    def __init__(self, files: DuckFiles, reader: DuckReader, writer: DuckWriter, ledger: Ledger, spans: SpanIndex) -> None:
        self._files, self._reader, self._writer, self._ledger, self._spans = files, reader, writer, ledger, spans

    def load(self) -> None:
        """After a start: what stands in the tables. Much of it (an older format, a long crash) is sealed at once."""
        for day in [PINNED, *self._files.days()]:
            columns = self._reader.arrow(f"SELECT hash, mark FROM {self._files.database(day)}.ids")
            self._ledger.add(day, [(columns.column("hash").to_numpy(), columns.column("mark").to_numpy())])
            if day != PINNED and len(columns) >= SEAL_ROWS:
                self.seal(day)
        self._spans.keep_valid({day: self._span_rows(day) for day in self._files.days()})

    def tend(self, now_ns: int, ledger_days: int) -> None:
        """Seal, merge, index spans, forget; for some seconds at most."""
        today, end = day_of(now_ns), time.monotonic() + _AT_ONCE_S
        oldest = day_of(max(0, now_ns - ledger_days * DAY_NS))
        self._ledger.forget(min([oldest, *self._files.days()]))  # a day that is there is found through its ledger
        for day in self._ledger.to_seal(today):
            if time.monotonic() < end:
                self.seal(day)
        for day in self._ledger.days():
            if time.monotonic() < end:
                self._ledger.merge(day, MOST_RUNS if day >= today else 1)
        for day in reversed(self._files.days()):
            if day < today and not self._spans.has(day) and time.monotonic() < end:
                self._index(day)

    def seal(self, day: str) -> None:
        """Move what is new of a day into a file. A crash in between leaves entries in both places, which does no harm."""
        entries = self._ledger.fresh(day)
        if not len(entries[0]):
            return
        run = self._ledger.write(day, entries)
        if day not in self._files.days():
            self._ledger.swap(day, run, len(entries[0]))
            return
        with self._writer.exclusive:
            rest = self._ledger.fresh(day)
            left = rest[0][len(entries[0]) :], rest[1][len(entries[0]) :]
            self._writer.change_alone(partial(_only, self._files.database(day), left))
            self._ledger.swap(day, run, len(entries[0]))

    def _span_rows(self, day: str) -> int:
        database = self._files.database(day)
        return sum(int(self._reader.rows(f"SELECT count(*) FROM {database}.{signal}")[0][0]) for signal in OF_SPANS)

    def _index(self, day: str) -> None:
        """Index the spans of a day that nobody has written to in between."""
        changes, database = self._spans.changes(day), self._files.database(day)
        start = first_minute(day) * 60 * 10**9
        runs: list[Run] = []
        for signal in OF_SPANS:
            for hour in range(0, 24, _STEP_HOURS):
                window = [start + hour * HOUR_NS, start + (hour + _STEP_HOURS) * HOUR_NS]
                rows = self._reader.arrow(
                    f"SELECT span_id, time_ns FROM {database}.{signal} WHERE time_ns >= ? AND time_ns < ?", window)
                runs.append(span_run(day, signal, rows))
        self._spans.add(day, runs, self._span_rows(day), changes)


def _only(database: str, entries: Entries, cursor: duckdb.DuckDBPyConnection) -> None:
    """Leave only these entries in a day's table: to make it anew is quicker than to delete most rows."""
    cursor.execute(f"DROP TABLE {database}.ids")
    cursor.execute(f"CREATE TABLE {database}.ids (hash UBIGINT, mark INTEGER)")
    if len(entries[0]):
        insert_entries(cursor, database, (np.ascontiguousarray(entries[0]), np.ascontiguousarray(entries[1])))
