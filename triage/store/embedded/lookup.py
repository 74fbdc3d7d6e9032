"""Finding records of the embedded store by their IDs: the ledger names the days and minutes to look in."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

import numpy as np
import pyarrow as pa

from triage.domain.columns import ALIAS_COLUMNS, Signal
from triage.ports.masked import arrow_schema
from triage.ports.records import Found
from triage.store.embedded.days import PINNED, DuckFiles
from triage.store.embedded.reads import DuckReader, ordered
from triage.store.embedded.span_index import OF_SPANS, SPAN_ID_LENGTH, SpanIndex
from triage.store.embedded.sql import names
from triage.store.keys import text_key
from triage.store.ledger import Hits, Ledger, minutes_of
from triage.store.lookup import carried, merged, newest_first

_CALL_IDS: Final = [*ALIAS_COLUMNS, "witness_id"]
_CALL_COLUMNS: Final = [*_CALL_IDS, "span_id", "time_ns"]
_FEW: Final = 16
_MANY_ROWS: Final = 200  # of one ID in one day: only then is it worth to let DuckDB sort
_ALWAYS: Final = (0, 2**63 - 1)
_DAYS: Final = 8  # in one statement
_OF_TRACES: Final[tuple[Signal, ...]] = ("spans", "logs")
Stretch = tuple[int, int]  # of time, ns
Place = tuple[str, Hits]  # a database, and what the ledger knows of one ID in it


class DuckLookup:
    """Safe for many threads."""

    def __init__(self, files: DuckFiles, reader: DuckReader, ledger: Ledger, spans: SpanIndex) -> None:
        self._files, self._reader, self._ledger, self._spans = files, reader, ledger, spans

    def by_ids(self, signal: Signal, column: str, values: Collection[str], ledger_ids: Collection[str]) -> pa.Table:
        """Rows whose `column` is one of the values, in order of time; `ledger_ids` are the IDs by which the ledger knows them."""
        parts = [arrow_schema(signal).empty_table()]
        days = {PINNED, *self._files.days()}
        hashes = np.array([text_key(value) for value in ledger_ids], np.uint64)
        for day, stretch in self._ledger.stretches(hashes, signal) if values else ():
            if day in days:
                parts.append(self._rows_of(signal, self._files.database(day), column, values, stretch))
        return ordered(signal, pa.concat_tables(parts), "ascending")

    def _rows_of(
        self, signal: Signal, database: str, column: str, values: Collection[str], stretch: tuple[int, int],
    ) -> pa.Table:
        """A few IDs as parameters and rows as tuples: a third of the time that Arrow and a join take to begin."""
        schema = arrow_schema(signal)
        sql = f'SELECT {names(schema.names)} FROM {database}.{signal} WHERE time_ns >= ? AND time_ns < ? AND "{column}" IN'
        if len(values) > _FEW:
            return self._reader.arrow(f"{sql} (SELECT unnest(?))", [*stretch, list(values)]).cast(schema)
        rows = self._reader.rows(f"{sql} ({', '.join('?' * len(values))})", [*stretch, *values])
        columns = zip(*rows, strict=True) if rows else ((),) * len(schema)
        return pa.table([pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)], schema=schema)

    def find(self, values: Sequence[str], limit: int) -> list[Found]:
        """What carries these IDs: newest first, at most `limit` for each value."""
        keys = {text_key(value): value for value in values if value}
        days = {PINNED, *self._files.days()}
        places: dict[int, list[Place]] = {key: [] for key in keys}
        for day, hits in self._ledger.find(keys):
            for key in hits if day in days else ():
                places[key].append((self._files.database(day), {key: hits[key]}))
        found: list[Found] = []
        for key, value in keys.items():
            items = self._carried(value, places[key], limit)
            if len(value) == SPAN_ID_LENGTH:
                items += self._spans_of(value, key)
            found += merged(items, limit)
        return newest_first(found)

    def last_seen(self, values: Sequence[str]) -> dict[str, str]:
        """The last day on which the ledger saw these IDs."""
        keys = {text_key(value): value for value in values if value}
        seen: dict[str, str] = {}
        for day, hits in self._ledger.find(keys):
            for key in hits if day != PINNED else ():
                seen.setdefault(keys[key], day)
        return seen

    def _carried(self, value: str, places: list[Place], limit: int) -> list[Found]:
        """What the days have of an ID, newest first, until there is enough: one statement for several days, since most of its time is
        planning. Pinned records are of any time. A trace that a call's witness carries needs no look at its spans and logs.
        """
        found: list[Found] = []
        of_days = 0
        while places and of_days < limit:
            part, places = places[:_DAYS], places[_DAYS:]
            calls = self._calls_with(_stretches(part, "calls"), _CALL_IDS, value, limit)
            found += [item for _, item in calls]
            of_days += sum(database != PINNED for database, _ in calls)
            witnessed = {database for database, item in calls if item.kind == "trace_id"}
            traces = self._traces([place for place in part if place[0] not in witnessed], value)
            found += [Found("trace_id", value, value, "", time_ns) for _, time_ns in traces]
            of_days += sum(database != PINNED for database, _ in traces)
        return found

    def _traces(self, places: Sequence[Place], value: str) -> list[tuple[str, int]]:
        """(Database, newest time) of the spans and logs of a trace."""
        parts, parameters = [], []
        for signal in _OF_TRACES:
            for database, stretch in _stretches(places, signal):
                parts.append(f"SELECT '{database}', max(time_ns) FROM {database}.{signal}"
                             " WHERE time_ns >= ? AND time_ns < ? AND trace_id = ?")
                parameters += [*stretch, value]
        rows = self._reader.rows(" UNION ALL ".join(parts), parameters) if parts else []
        return [(database, newest) for database, newest in rows if newest is not None]

    def _calls_with(
        self, stretches: Sequence[tuple[str, Stretch]], columns: Sequence[str], value: str, limit: int,
    ) -> list[tuple[str, Found]]:
        """(Database, what it says) of the newest calls that have the value in one of these columns."""
        sql = " UNION ALL ".join(
            f"SELECT '{database}', {names(_CALL_COLUMNS)} FROM {database}.calls WHERE time_ns >= ? AND time_ns < ?"
            f" AND ? IN ({names(columns)})" for database, _ in stretches)
        parameters = [parameter for _, stretch in stretches for parameter in (*stretch, value)]
        rows = self._reader.rows(f"{sql} LIMIT {_MANY_ROWS}", parameters) if stretches else []
        if len(rows) >= min(limit, _MANY_ROWS):
            rows = self._reader.rows(f"{sql} ORDER BY time_ns DESC LIMIT {int(limit)}", parameters)
        return [(row[0], found) for row in rows for found in carried("calls", dict(zip(_CALL_COLUMNS, row[1:], strict=True)), value)]

    def _spans_of(self, value: str, key: int) -> list[Found]:
        """Spans, and calls whose own span it is, in every day: through the index of the day, or else by a scan."""
        found: list[Found] = []
        for day in [PINNED, *reversed(self._files.days())]:
            database = self._files.database(day)
            for signal in OF_SPANS:
                stretch = self._stretch(day, key, signal)
                if stretch and signal == "calls":
                    calls = self._calls_with([(database, stretch)], ["span_id"], value, 50)
                    found += [item for _, item in calls if item.kind == "span_id"]
                elif stretch:
                    rows = self._reader.rows(
                        f"SELECT trace_id, time_ns FROM {database}.spans WHERE time_ns >= ? AND time_ns < ? AND span_id = ? LIMIT 50",
                        [*stretch, value])
                    found += [Found("span_id", value, trace_id, "", time_ns) for trace_id, time_ns in rows]
        return found

    def _stretch(self, day: str, key: int, signal: Signal) -> tuple[int, int] | None:
        try:
            return self._spans.minutes(day, key, signal)
        except KeyError:
            return _ALWAYS


def _stretches(places: Sequence[Place], signal: Signal) -> list[tuple[str, Stretch]]:
    """Where, and in which stretch of time, a signal has the ID."""
    found = [(database, minutes_of(hits, signal)) for database, hits in places]
    return [(database, stretch) for database, stretch in found if stretch]
