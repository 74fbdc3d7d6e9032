"""Conditions and schemas as DuckDB SQL. Every value is a parameter; every name comes from `triage.domain.columns`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import pyarrow as pa

from triage.domain.columns import COLUMNS, ColumnType, Signal
from triage.errors import StoreError
from triage.ports.records import Condition

_TYPES: Final[dict[ColumnType, str]] = {"str": "VARCHAR", "int": "BIGINT", "bool": "BOOLEAN"}
_ARROW_TYPES: Final[dict[pa.DataType, str]] = {
    pa.string(): "VARCHAR", pa.int64(): "BIGINT", pa.list_(pa.int32()): "INTEGER[]", pa.list_(pa.int64()): "BIGINT[]",
}


def signal_ddl(signal: Signal) -> str:
    """The column list of a signal's table; `key` is its record key."""
    columns = ", ".join(f'"{name}" {_TYPES[kind]}' for name, kind in COLUMNS[signal].items())
    return f"key UBIGINT, {columns}"


def arrow_ddl(schema: pa.Schema) -> str:
    """The column list of a table with an Arrow schema."""
    return ", ".join(f'"{field.name}" {_ARROW_TYPES[field.type]}' for field in schema)


def names(columns: Sequence[str]) -> str:
    """Column names, quoted."""
    return ", ".join(f'"{name}"' for name in columns)


def where_sql(known: Sequence[str], conditions: Sequence[Condition]) -> tuple[str, list[Any]]:
    """`AND …` for conditions over known columns, and its parameters. Raises StoreError for an unknown column."""
    parts: list[str] = []
    parameters: list[Any] = []
    for condition in conditions:
        text, values = _condition_sql(known, condition)
        parts.append(f" AND {text}")
        parameters += values
    return "".join(parts), parameters


def _condition_sql(known: Sequence[str], condition: Condition) -> tuple[str, list[Any]]:
    column, operator, value = condition.column, condition.operator, condition.value
    if column.startswith("attributes.") and "attributes" in known:
        if operator not in ("=", "prefix"):
            raise StoreError(f"attributes can be compared with = and prefix only, not {operator}")
        path = '$."' + column.removeprefix("attributes.").replace("\\", "\\\\").replace('"', '\\"') + '"'
        left, parameters = "json_extract_string(nullif(attributes, ''), ?)", [path]
    elif column in known:
        left, parameters = f'"{column}"', []
    else:
        raise StoreError(f"there is no column {column!r}")
    if operator == "in":
        values = list(value) if isinstance(value, tuple) else [value]
        return f"{left} IN ({', '.join('?' * len(values)) or 'NULL'})", [*parameters, *values]
    if operator == "prefix":
        return f"starts_with({left}, ?)", [*parameters, value]
    if operator == "contains":
        return f"contains(lower({left}), ?)", [*parameters, str(value).lower()]
    return f"{left} {operator} ?", [*parameters, value]
