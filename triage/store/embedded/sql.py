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
        return _attribute_sql(column.removeprefix("attributes."), operator, str(value))
    if column in known:
        left = f'"{column}"'
    else:
        raise StoreError(f"there is no column {column!r}")
    if operator == "in":
        values = list(value) if isinstance(value, tuple) else [value]
        return f"{left} IN ({', '.join('?' * len(values)) or 'NULL'})", values
    if operator == "prefix":
        return f"starts_with({left}, ?)", [value]
    if operator == "contains":
        return f"contains(lower({left}), ?)", [str(value).lower()]
    return f"{left} {operator} ?", [value]


def _attribute_sql(name: str, operator: str, value: str) -> tuple[str, list[Any]]:
    """A scalar attribute, or any element of an array."""
    if operator not in ("=", "prefix"):
        raise StoreError(f"attributes can be compared with = and prefix only, not {operator}")
    path = '$."' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
    document = "nullif(attributes, '')"
    test = "x = ?" if operator == "=" else "starts_with(x, ?)"
    scalar = test.replace("x", f"json_extract_string({document}, ?)", 1)
    kind = f"json_type({document}, ?) NOT IN ('ARRAY', 'OBJECT', 'NULL') AND {scalar}"
    element = f"len(list_filter(json_extract_string({document}, ?), lambda x: {test})) > 0"
    return f"(({kind}) OR ({element}))", [path, path, value, path + "[*]", value]
