"""`MaskedRecords`: the only thing a store accepts. Only `triage.mask` constructs it (a test looks for the call)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from itertools import chain
from typing import Any, Final

import pyarrow as pa

from triage.domain.columns import COLUMNS, SIGNALS, ColumnType, Signal
from triage.domain.records import Columns

_ARROW: Final[dict[ColumnType, pa.DataType]] = {"str": pa.string(), "int": pa.int64(), "bool": pa.bool_()}
_INT64: Final = 2**63


@cache
def arrow_schema(signal: Signal) -> pa.Schema:
    """The Arrow schema of a signal's table, its columns in the order of `triage.domain.columns`."""
    return pa.schema([(name, _ARROW[kind]) for name, kind in COLUMNS[signal].items()])


class MaskedRecords:
    """Masked records. They stay columns of Python values until somebody asks for a table, so that many small batches can be
    joined into one table at the price of one. Never null, never raw; text is str or UTF-8 bytes.
    """

    __slots__ = ("_columns", "_tables", "masked")

    def __init__(self, columns: Mapping[Signal, Columns], masked: int = 0) -> None:
        self._columns: dict[Signal, Columns] = dict(columns)
        self._tables: dict[Signal, pa.Table] = {}
        self.masked = masked  # how many values were masked

    @classmethod
    def of_tables(cls, spans: pa.Table, logs: pa.Table, calls: pa.Table, masked: int = 0) -> MaskedRecords:
        """From tables with exactly the columns of `arrow_schema`."""
        made = cls({}, masked)
        made._tables = {"spans": spans, "logs": logs, "calls": calls}
        return made

    def size(self, signal: Signal) -> int:
        """Number of records of a signal."""
        if signal in self._tables:
            return len(self._tables[signal])
        columns = self._columns.get(signal)
        return len(columns["time_ns"]) if columns else 0

    def table(self, signal: Signal) -> pa.Table:
        """The table of a signal, with the columns of `arrow_schema`."""
        if signal not in self._tables:
            self._tables[signal] = _table(signal, [self._columns.get(signal)])
        return self._tables[signal]

    def part(self, start: int, stop: int) -> MaskedRecords:
        """The records from `start` up to `stop`, counted through all signals in their order."""
        tables: dict[Signal, pa.Table] = {}
        for signal in SIGNALS:
            size = self.size(signal)
            first, end = (min(max(place, 0), size) for place in (start, stop))
            tables[signal] = self.table(signal).slice(first, end - first)
            start, stop = start - size, stop - size
        return MaskedRecords.of_tables(tables["spans"], tables["logs"], tables["calls"])

    @property
    def spans(self) -> pa.Table:
        """The spans."""
        return self.table("spans")

    @property
    def logs(self) -> pa.Table:
        """The log records."""
        return self.table("logs")

    @property
    def calls(self) -> pa.Table:
        """The call witnesses."""
        return self.table("calls")

    @staticmethod
    def joined(batches: Sequence[MaskedRecords]) -> dict[Signal, pa.Table]:
        """One table a signal of several batches, their rows in order."""
        return {signal: _joined(signal, batches) for signal in SIGNALS}


def _joined(signal: Signal, batches: Sequence[MaskedRecords]) -> pa.Table:
    if len(batches) == 1:
        return batches[0].table(signal)
    if any(signal in batch._tables for batch in batches):
        return pa.concat_tables(batch.table(signal) for batch in batches)
    return _table(signal, [batch._columns.get(signal) for batch in batches])


def _table(signal: Signal, parts: Sequence[Columns | None]) -> pa.Table:
    schema = arrow_schema(signal)
    filled = [part for part in parts if part and part["time_ns"]]
    if not filled:
        return schema.empty_table()
    return pa.table([
        _array(filled[0][name] if len(filled) == 1 else list(chain.from_iterable(part[name] for part in filled)), kind)
        for name, kind in COLUMNS[signal].items()
    ], schema=schema)


_CLEAN: Final[dict[ColumnType, Callable[[Any], Any]]] = {
    "str": lambda value: _valid_text(value),
    "int": lambda value: max(-_INT64, min(_INT64 - 1, int(value))) if value == value and value is not None else 0,
    "bool": bool,
}


def _valid_text(value: Any) -> str:
    """Text that can be written as UTF-8: lone surrogates become '?'."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    text = value if isinstance(value, str) else "" if value is None else str(value)
    return text.encode("utf-8", "replace").decode()


def _array(values: list[Any], kind: ColumnType) -> pa.Array:
    try:
        first = values[0]
        if first is not None and (kind != "str" or not first) and values[-1] == first and values.count(first) == len(values):
            return pa.repeat(pa.scalar(first, type=_ARROW[kind]), len(values))  # eight times as fast as value by value
        array = pa.array(values, type=_ARROW[kind])
    except (pa.ArrowException, UnicodeEncodeError, OverflowError, TypeError, ValueError):
        array = None
    if array is None or array.null_count:
        array = pa.array([_CLEAN[kind](value) for value in values], type=_ARROW[kind])
    return array
