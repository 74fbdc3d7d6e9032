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
        found: dict[str, list[Found]] = {value: [] for value in keys.values()}
        days = {PINNED, *self._files.days()}
        for day, hits in self._ledger.find(keys):
            if day not in days:
                continue
            for key, value in keys.items():
                if key in hits and (day == PINNED or len(found[value]) < limit):
                    found[value] += self._carried(self._files.database(day), value, {key: hits[key]}, limit)
        for key, value in keys.items():
            if len(value) == SPAN_ID_LENGTH:
                found[value] += self._spans_of(value, key)
        return newest_first(item for items in found.values() for item in merged(items, limit))

    def last_seen(self, values: Sequence[str]) -> dict[str, str]:
        """The last day on which the ledger saw these IDs."""
        keys = {text_key(value): value for value in values if value}
        seen: dict[str, str] = {}
        for day, hits in self._ledger.find(keys):
            for key in hits if day != PINNED else ():
                seen.setdefault(keys[key], day)
        return seen

    def _carried(self, database: str, value: str, hits: Hits, limit: int) -> list[Found]:
        """What a day has of an ID. A trace that a call's witness carries needs no look at its spans and logs."""
        found: list[Found] = []
        if stretch := minutes_of(hits, "calls"):
            found = self._calls_with(database, _CALL_IDS, value, stretch, limit)
        if any(item.kind == "trace_id" for item in found):
            return found
        for signal in ("spans", "logs"):
            if stretch := minutes_of(hits, signal):
                newest = self._reader.rows(
                    f"SELECT max(time_ns) FROM {database}.{signal} WHERE time_ns >= ? AND time_ns < ? AND trace_id = ?",
                    [*stretch, value])[0][0]
                if newest is not None:
                    found.append(Found("trace_id", value, value, "", newest))
        return found

    def _calls_with(self, database: str, columns: Sequence[str], value: str, stretch: tuple[int, int], limit: int) -> list[Found]:
        sql = (f"SELECT {names(_CALL_COLUMNS)} FROM {database}.calls WHERE time_ns >= ? AND time_ns < ?"
               f" AND ? IN ({names(columns)})")
        rows = self._reader.rows(f"{sql} LIMIT {_MANY_ROWS}", [*stretch, value])
        if len(rows) >= min(limit, _MANY_ROWS):
            rows = self._reader.rows(f"{sql} ORDER BY time_ns DESC LIMIT {int(limit)}", [*stretch, value])
        return [found for row in rows for found in carried("calls", dict(zip(_CALL_COLUMNS, row, strict=True)), value)]

    def _spans_of(self, value: str, key: int) -> list[Found]:
        """Spans, and calls whose own span it is, in every day: through the index of the day, or else by a scan."""
        found: list[Found] = []
        for day in [PINNED, *reversed(self._files.days())]:
            database = self._files.database(day)
            for signal in OF_SPANS:
                stretch = self._stretch(day, key, signal)
                if stretch and signal == "calls":
                    found += [item for item in self._calls_with(database, ["span_id"], value, stretch, 50) if item.kind == "span_id"]
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
