"""Writing the embedded store's files: one thread makes the batches that wait durable with one commit a day touched."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from triage.domain.columns import SIGNALS, Signal
from triage.domain.windows import DAY_NS, MINUTE_NS, day_of
from triage.errors import StoreUnavailable
from triage.ports.masked import MaskedRecords
from triage.ports.records import Appended
from triage.store.embedded.day_keys import DayKeys
from triage.store.embedded.days import PINNED, DuckFiles, first_line
from triage.store.embedded.span_index import OF_SPANS, SpanIndex
from triage.store.group import GroupCommit
from triage.store.keys import Keys, distinct, record_keys
from triage.store.ledger import Ledger
from triage.store.ledger_ids import Entries, entries_of

_DAYS_IN_MEMORY: Final = 3
Bools = npt.NDArray[np.bool_]


@dataclass(slots=True)
class Part:
    """One day's rows of one signal: keys, times, and which batch each row came with."""

    table: pa.Table
    keys: Keys
    times: npt.NDArray[np.int64]
    owner: npt.NDArray[np.int64]

    def only(self, rows: npt.NDArray[Any]) -> Part:
        """Some of the rows."""
        return Part(self.table.take(pa.array(rows)), self.keys[rows], self.times[rows], self.owner[rows])


class DuckWriter:
    """Group commit. `exclusive` is held while files change."""

    def __init__(self, files: DuckFiles, folder: Path, ledger: Ledger, spans: SpanIndex) -> None:
        self._files, self._folder, self._ledger, self._spans = files, folder, ledger, spans
        self.exclusive = threading.Lock()
        self._known: dict[tuple[str, Signal], DayKeys] = {}
        self.group = GroupCommit(self._commit_group, "store-writer")

    def close(self) -> None:
        """Finish what waits."""
        self.group.close()

    def forget(self, day: str) -> None:
        """The day's rows have changed behind this writer."""
        self._known = {key: value for key, value in self._known.items() if key[0] != day}

    def change(self, work: Callable[[duckdb.DuckDBPyConnection], Any]) -> Any:
        """Run a transaction of its own, alone."""
        with self.exclusive:
            return self.change_alone(work)

    def change_alone(self, work: Callable[[duckdb.DuckDBPyConnection], Any]) -> Any:
        """Run a transaction; the caller holds `exclusive`."""
        cursor = self._files.cursor()
        try:
            cursor.begin()
            result = work(cursor)
            cursor.commit()
        except duckdb.Error as error:
            _roll_back(cursor)
            raise self._failed(error) from error
        return result

    def _commit_group(self, batches: list[MaskedRecords]) -> list[Appended]:
        self._files.check_room()
        with self.exclusive:
            self._files.mend()
            try:
                return self._commit(batches)
            except duckdb.Error as error:
                raise self._failed(error) from error

    def _failed(self, error: duckdb.Error) -> StoreUnavailable:
        self._files.note(error)
        self._known.clear()  # whether a commit that failed has written is seen in the file
        return StoreUnavailable(f"cannot write: {first_line(error)}")

    def _commit(self, batches: list[MaskedRecords]) -> list[Appended]:
        results = [Appended(dict.fromkeys(SIGNALS, 0), dict.fromkeys(SIGNALS, 0)) for _ in batches]
        by_day: dict[int, dict[Signal, Part]] = {}
        for signal, table in MaskedRecords.joined(batches).items():
            if not len(table):
                continue
            times = table.column("time_ns").to_numpy()
            owner = np.repeat(np.arange(len(batches)), [batch.size(signal) for batch in batches])
            part = Part(table, record_keys(signal, table), times, owner)
            days = times // DAY_NS
            for day in distinct(days):
                mine = np.flatnonzero(days == day)
                by_day.setdefault(day, {})[signal] = part if len(mine) == len(times) else part.only(mine)
        for day, parts in sorted(by_day.items()):
            self._commit_day(day_of(day * DAY_NS), parts, results)
        return results

    def _commit_day(self, day: str, parts: dict[Signal, Part], results: list[Appended]) -> None:
        cursor, database = self._files.cursor(), self._files.day(day)
        fresh = {signal: self._fresh(day, database, signal, part) for signal, part in parts.items()}
        new = {signal: parts[signal].only(np.flatnonzero(mask)) for signal, mask in fresh.items() if mask.any()}
        if new:
            minutes = sorted({minute for part in new.values() for minute in distinct(part.times // MINUTE_NS)})
            cursor.begin()
            try:
                entries = [insert(cursor, database, signal, part.table, part.keys) for signal, part in new.items()]
                cursor.execute(f"INSERT INTO {database}.receipts VALUES (?, ?, ?)", [uuid.uuid4().hex, time.time_ns(), minutes])
                cursor.commit()
            except BaseException:
                _roll_back(cursor)
                raise
            self._ledger.add(day, entries)
            if new.keys() & OF_SPANS:
                self._spans.stale(day)
            for signal, part in new.items():
                self._known[(day, signal)].add(part.keys)
        for signal, mask in fresh.items():
            _count(signal, parts[signal].owner, mask, results)

    def _fresh(self, day: str, database: str, signal: Signal, part: Part) -> Bools:
        """Which rows are new: the first of its key in this group, and not in the day or among the pinned."""
        order = np.argsort(part.keys, kind="stable")
        ordered = part.keys[order]
        fresh = np.zeros(len(part.keys), bool)
        fresh[order[np.r_[True, ordered[1:] != ordered[:-1]]]] = True
        known = self._known.pop((day, signal), None)
        if known is None:
            sql = f"SELECT key FROM {database}.{signal} UNION ALL SELECT key FROM {PINNED}.{signal}"
            known = DayKeys(self._folder, self._files.cursor().execute(sql).fetchnumpy()["key"].astype(np.uint64))
        self._known[(day, signal)] = known  # the newest last
        while len(self._known) > _DAYS_IN_MEMORY * len(SIGNALS):
            self._known.pop(next(iter(self._known)))
        return fresh & ~known.known(part.keys)


def insert(cursor: duckdb.DuckDBPyConnection, database: str, signal: Signal, table: pa.Table, keys: Keys) -> Entries:
    """Insert rows and the entries of their IDs, which the ledger must be told of after the commit."""
    cursor.register("incoming", table.add_column(0, "key", pa.array(keys)))
    cursor.execute(f"INSERT INTO {database}.{signal} SELECT * FROM incoming")
    entries = entries_of(signal, table)
    if len(entries[0]):
        insert_entries(cursor, database, entries)
    return entries


def insert_entries(cursor: duckdb.DuckDBPyConnection, database: str, entries: Entries) -> None:
    """Insert entries into the table of what is not sealed."""
    cursor.register("incoming_ids", pa.table({"hash": entries[0], "mark": entries[1]}))
    cursor.execute(f"INSERT INTO {database}.ids SELECT * FROM incoming_ids")


def _count(signal: Signal, owner: npt.NDArray[np.int64], fresh: Bools, results: list[Appended]) -> None:
    new = np.bincount(owner[fresh], minlength=len(results))
    old = np.bincount(owner[~fresh], minlength=len(results))
    for result, kept, duplicate in zip(results, new.tolist(), old.tolist(), strict=True):
        result.kept[signal] += kept
        result.duplicate[signal] += duplicate


def _roll_back(cursor: duckdb.DuckDBPyConnection) -> None:
    try:
        cursor.rollback()
    except duckdb.Error:
        return  # the transaction is gone already
