"""What a condition means, in one place: checked before a store is asked, and applied to Arrow tables.

In: `Condition`s and a table. Out: the rows that meet all of them.
An attribute is met by a string, by the JSON text of a number or boolean (`200`, `true`), and by an array with such an
element.
`contains` compares lower-cased text.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from triage.domain.columns import COLUMNS, ColumnType, Signal
from triage.errors import StoreError
from triage.ports.records import Condition, RollupKind
from triage.ports.rollups import SCHEMAS

ATTRIBUTE: Final = "attributes."
JSON_COLUMNS: Final = ("attributes", "resource", "events")
"""Columns that hold JSON. Nothing can be searched in their text, only single attributes."""

_OPERATORS: Final[dict[ColumnType, frozenset[str]]] = {
    "str": frozenset({"=", "in", "prefix", "contains"}),
    "int": frozenset({"=", "in", ">=", "<="}),
    "bool": frozenset({"="}),
}
_ATTRIBUTE_OPERATORS: Final = frozenset({"=", "prefix"})

_APPLY: Final[dict[str, Callable[[pa.ChunkedArray, Any], pa.ChunkedArray]]] = {
    "=": pc.equal,
    ">=": pc.greater_equal,
    "<=": pc.less_equal,
    "in": lambda column, value: pc.is_in(column, value_set=pa.array(list(value), column.type)),
    "prefix": pc.starts_with,
    "contains": lambda column, value: pc.match_substring(pc.utf8_lower(column), value.lower()),
}


def rollup_columns(kind: RollupKind) -> dict[str, ColumnType]:
    """The columns of a roll-up that conditions may name."""
    types: dict[pa.DataType, ColumnType] = {pa.string(): "str", pa.int64(): "int"}
    return {field.name: types[field.type] for field in SCHEMAS[kind] if field.type in types}


def check(columns: Mapping[str, ColumnType], where: Sequence[Condition]) -> None:
    """Raise StoreError for a condition that cannot be answered: an unknown column, or an operator that it lacks."""
    for condition in where:
        if condition.column.startswith(ATTRIBUTE) and "attributes" in columns:
            allowed: Collection[str] = _ATTRIBUTE_OPERATORS
        elif condition.column in columns and condition.column not in JSON_COLUMNS:
            allowed = _OPERATORS[columns[condition.column]]
        else:
            raise StoreError(f"there is no column {condition.column!r} to search by")
        if condition.operator not in allowed:
            raise StoreError(f"{condition.column!r} cannot be searched with {condition.operator!r}")


def check_columns(signal: Signal, columns: Sequence[str]) -> None:
    """Raise StoreError for a column that the signal does not have."""
    for name in columns:
        if name not in COLUMNS[signal]:
            raise StoreError(f"{signal} have no column {name!r}")


def matching(table: pa.Table, where: Sequence[Condition]) -> pa.Table:
    """The rows that meet every condition, in their order. The table must hold the columns that the conditions name."""
    for condition in where:
        table = table.filter(_mask(table, condition))
    return table


def _mask(table: pa.Table, condition: Condition) -> pa.ChunkedArray | pa.Array:
    if condition.column.startswith(ATTRIBUTE):
        name = condition.column.removeprefix(ATTRIBUTE)
        texts = table.column("attributes").to_pylist()
        return pa.array([_attribute_meets(text, name, condition) for text in texts], pa.bool_())
    return _APPLY[condition.operator](table.column(condition.column), condition.value)


def _attribute_meets(text: str, name: str, condition: Condition) -> bool:
    value = orjson.loads(text).get(name) if text else None
    wanted = str(condition.value)
    for found in map(_text, value if isinstance(value, list) else [value]):
        if found is not None and (found == wanted or (condition.operator == "prefix" and found.startswith(wanted))):
            return True
    return False


def _text(value: object) -> str | None:
    """A scalar as it is compared; None for what is not compared (null, objects, arrays in arrays)."""
    if isinstance(value, str):
        return value
    return orjson.dumps(value).decode() if isinstance(value, bool | int | float) else None
