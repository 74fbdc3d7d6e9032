"""Records to Elasticsearch documents and back; nothing else maps between them.

A document holds the columns of its record by name. Empty text is left out. JSON columns are objects, written from their text
without parsing it. `@timestamp` repeats the time in milliseconds for other tools; `attributes_long` marks a document whose
attributes may not all be indexed.

Writing works on whole Arrow columns: a batch becomes one string array, one bulk item a row (two lines: action, document), at
1 to 3 µs a row. The array's buffer is the body of the bulk request.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from triage.domain.columns import COLUMNS, ID_COLUMNS, ColumnType, Signal
from triage.domain.windows import DAY_NS
from triage.ports.masked import arrow_schema
from triage.store.conditions import JSON_COLUMNS
from triage.store.elastic.schema import ATTRIBUTE_LIMIT

Source = Mapping[str, Any]

_ESCAPED: Final = r'["\\\x00-\x1f]'
_ZERO: Final[dict[ColumnType, Any]] = {"str": "", "int": 0, "bool": False}
_ARROW: Final[dict[ColumnType, pa.DataType]] = {"str": pa.string(), "int": pa.int64(), "bool": pa.bool_()}
_PLAIN: Final = "attributes_text"  # the JSON text of attributes that Elasticsearch cannot index; not mapped, so just kept


def bulk_items(
    signal: Signal, table: pa.Table, index_of_day: Callable[[int], str], *, plain: bool = False
) -> pa.Array:
    """`create` items for every row, as an array of strings. `plain` keeps the attributes without indexing them.

    `index_of_day` names the index for a time in nanoseconds.
    """
    table = table.combine_chunks()
    times = table.column("time_ns").to_numpy()
    days, day = np.unique(times // DAY_NS, return_inverse=True)
    indices = pa.array([index_of_day(int(number) * DAY_NS) for number in days]).take(pa.array(day))
    parts: list[Any] = ['{"create":{"_index":"', indices, '","_id":', record_ids(signal, table), '}}\n{"@timestamp":']
    parts.append(pc.cast(pa.array(times // 1_000_000), pa.string()))
    for name, kind in COLUMNS[signal].items():
        parts += _member(name, kind, _whole(table.column(name)), plain=plain)
    return _join([*parts, "}\n"])


def record_ids(signal: Signal, table: pa.Table) -> pa.Array:
    """The `_id` of every row, as JSON: the record's identity itself, which Elasticsearch packs well because it is hex."""
    columns = [_whole(table.column(name)) for name in ID_COLUMNS[signal]]
    return _quoted(_join(columns) if len(columns) > 1 else columns[0])


def _member(name: str, kind: ColumnType, column: pa.Array, *, plain: bool) -> list[Any]:
    """The pieces of `,"name":value` for every row."""
    if kind != "str":
        return [f',"{name}":', pc.cast(column, pa.string())]
    lengths = pc.binary_length(column)
    if not pc.max(lengths).as_py():
        return []
    raw = name in JSON_COLUMNS and not (plain and name == "attributes")
    value = _one_line(column) if raw else _quoted(column)
    label = name if raw or name != "attributes" else _PLAIN
    pieces = [f',"{label}":', value]
    if pc.min(lengths).as_py() == 0:
        pieces = [pc.if_else(pc.equal(lengths, 0), "", _join(pieces))]
    if name == "attributes" and (plain or pc.max(lengths).as_py() > ATTRIBUTE_LIMIT):
        long = pc.or_(pc.greater(lengths, ATTRIBUTE_LIMIT), plain)
        pieces.append(pc.if_else(long, ',"attributes_long":true', ""))
    return pieces


def _whole(column: pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)


def _join(parts: Sequence[Any]) -> pa.Array:
    return pc.binary_join_element_wise(*parts, "")


def _quoted(column: pa.Array) -> pa.Array:
    """Texts as JSON strings. Only those that need it are escaped one by one."""
    needs = pc.match_substring_regex(column, _ESCAPED)
    if not pc.any(needs).as_py():
        return _join(['"', column, '"'])
    escaped = pa.array([orjson.dumps(text).decode()[1:-1] for text in column.filter(needs).to_pylist()], pa.string())
    return _join(['"', pc.replace_with_mask(column, needs, escaped), '"'])


def _one_line(column: pa.Array) -> pa.Array:
    """JSON texts without line breaks, which can only stand between its tokens and would end the bulk item."""
    if not pc.any(pc.match_substring_regex(column, "[\r\n]")).as_py():
        return column
    return pc.replace_substring_regex(column, "[\r\n]", " ")


def source_fields(columns: Sequence[str]) -> list[str]:
    """What to ask of `_source` for these columns."""
    return [*columns, _PLAIN] if "attributes" in columns else list(columns)


def to_table(signal: Signal, columns: Sequence[str], sources: Sequence[Source]) -> pa.Table:
    """Documents as an Arrow table with these columns."""
    schema = pa.schema([arrow_schema(signal).field(name) for name in columns])
    return pa.table([_column(name, COLUMNS[signal][name], sources) for name in columns], schema=schema)


def _column(name: str, kind: ColumnType, sources: Sequence[Source]) -> pa.Array:
    if name in JSON_COLUMNS:
        return pa.array([_json_text(name, source) for source in sources], pa.string())
    zero = _ZERO[kind]
    return pa.array([source.get(name, zero) for source in sources], _ARROW[kind])


def _json_text(name: str, source: Source) -> str:
    value = source.get(name)
    if value is None:
        return str(source.get(_PLAIN, "")) if name == "attributes" else ""
    return orjson.dumps(value).decode()
