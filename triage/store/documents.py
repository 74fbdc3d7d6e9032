"""Records to Elasticsearch documents and back; nothing else maps between them.

A document holds the columns of its record by name. Empty text is left out. JSON columns are objects, written from their text
without parsing it. `@timestamp` repeats the time in milliseconds for other tools; `attributes_long` marks a document whose
attributes may not all be indexed.

Writing works on whole Arrow columns: a batch becomes one string array, one bulk item a row (two lines: action, document), at
1 to 3 µs a row. The array's buffer is the body of the bulk request.
"""

from __future__ import annotations

import re
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

_ESCAPED: Final = re.compile(rb'["\\\x00-\x1f]')
_ZERO: Final[dict[ColumnType, Any]] = {"str": "", "int": 0, "bool": False}
_ARROW: Final[dict[ColumnType, pa.DataType]] = {"str": pa.string(), "int": pa.int64(), "bool": pa.bool_()}
_PLAIN: Final = "attributes_text"  # the JSON text of attributes that Elasticsearch cannot index; not mapped, so just kept


def bulk_items(
    signal: Signal, table: pa.Table, index_of_day: Callable[[int], str], *, plain: bool = False
) -> pa.Array:
    """`create` items for every row, as an array of strings. `plain` keeps the attributes without indexing them.

    `index_of_day` names the index for a time in nanoseconds.
    """
    if not len(table):
        return pa.array([], pa.string())
    table = table.combine_chunks()
    times = table.column("time_ns").to_numpy()
    days, day = np.unique(times // DAY_NS, return_inverse=True)
    indices = [index_of_day(int(number) * DAY_NS) for number in days]
    index = indices[0] if len(indices) == 1 else pa.array(indices).take(pa.array(day))
    parts: list[Any] = ['{"create":{"_index":"', index, '","_id":', *_ids(signal, table), '}}\n{"@timestamp":']
    parts.append(pc.cast(pa.array(times // 1_000_000), pa.string()))
    for name, kind in COLUMNS[signal].items():
        column = _whole(table.column(name))
        parts += _text_member(name, column, plain=plain) if kind == "str" else _number_member(name, column)
    return _join([*_with_neighbours(parts), "}\n"])


def _ids(signal: Signal, table: pa.Table) -> list[Any]:
    """The `_id` of every row, as JSON: the record's identity itself, which Elasticsearch packs well because it is hex."""
    columns = [_whole(table.column(name)) for name in ID_COLUMNS[signal]]
    return _quoted(_join(columns) if len(columns) > 1 else columns[0])


def _number_member(name: str, column: pa.Array) -> list[Any]:
    """The pieces of `,"name":value` for every row; texts are the same for all rows. Whether one value fills a column is soon seen,
    and saves a pass over all rows."""
    first = column[0]
    one = column.true_count in (0, len(column)) if pa.types.is_boolean(column.type) else bool((column.to_numpy() == first.as_py()).all())
    return [f',"{name}":', orjson.dumps(first.as_py()).decode() if one else pc.cast(column, pa.string())]


def _text_member(name: str, column: pa.Array, *, plain: bool) -> list[Any]:
    """The same for text, which is left out where it is empty."""
    offsets = np.frombuffer(column.buffers()[1], np.int32)[column.offset : column.offset + len(column) + 1]
    if offsets[0] == offsets[-1]:
        return []
    lengths = np.diff(offsets)
    raw = name in JSON_COLUMNS and not (plain and name == "attributes")
    label = name if raw or name != "attributes" else _PLAIN
    alike = name != "attributes" and _is_one(column, lengths)
    value = _one_line(column[:1] if alike else column) if raw else _quoted(column[:1] if alike else column)
    if alike:
        return [f',"{label}":', *(piece if isinstance(piece, str) else piece[0].as_py() for piece in value)]
    pieces = [f',"{label}":', *value]
    if not lengths.all():
        pieces = [pc.if_else(pa.array(lengths == 0), "", _join(pieces))]
    if name == "attributes" and (plain or lengths.max() > ATTRIBUTE_LIMIT):
        pieces.append(pc.if_else(pa.array((lengths > ATTRIBUTE_LIMIT) | plain), ',"attributes_long":true', ""))
    return pieces


def _is_one(column: pa.Array, lengths: Any) -> bool:
    """Whether all texts are the same."""
    data, length = _bytes(column), int(lengths[0])
    return bool((lengths == length).all()) and data == data[:length] * len(column)


def _bytes(column: pa.Array) -> bytes:
    """The texts of a column, one after the other."""
    offsets = np.frombuffer(column.buffers()[1], np.int32)
    return bytes(memoryview(column.buffers()[2])[offsets[column.offset] : offsets[column.offset + len(column)]])


def _with_neighbours(parts: Sequence[Any]) -> list[Any]:
    """The parts, texts that follow one another made one: every part is a pass over all rows."""
    joined: list[Any] = []
    for part in parts:
        if joined and isinstance(part, str) and isinstance(joined[-1], str):
            joined[-1] += part
        else:
            joined.append(part)
    return joined


def _whole(column: pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)


def _join(parts: Sequence[Any]) -> pa.Array:
    return pc.binary_join_element_wise(*parts, "")


def _quoted(column: pa.Array) -> list[Any]:
    """The pieces of texts as JSON strings. Only those that need it are escaped one by one."""
    if _ESCAPED.search(_bytes(column)) is None:
        return ['"', column, '"']
    needs = pc.match_substring_regex(column, _ESCAPED.pattern)
    escaped = pa.array([orjson.dumps(text).decode()[1:-1] for text in column.filter(needs).to_pylist()], pa.string())
    return ['"', pc.replace_with_mask(column, needs, escaped), '"']


def _one_line(column: pa.Array) -> list[Any]:
    """JSON texts without line breaks, which can only stand between its tokens and would end the bulk item."""
    data = _bytes(column)
    return [pc.replace_substring_regex(column, "[\r\n]", " ") if b"\n" in data or b"\r" in data else column]


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
