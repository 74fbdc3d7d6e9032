"""Conditions as Elasticsearch queries.

A query may give more than what was asked for, never less: text that is too long to be indexed, or too long to be looked for,
is compared by the client (`needs_check`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from triage.domain.columns import COLUMNS, Signal
from triage.domain.windows import Window
from triage.ports.records import Condition
from triage.store.conditions import ATTRIBUTE
from triage.store.elastic.schema import ATTRIBUTE_LIMIT, IGNORE_ABOVE, ROLLUP_SELECTORS, TEXT_COLUMNS

Query = dict[str, Any]

_LOOKED_FOR: Final = 200  # characters of `contains` and `prefix` that the index compares; each costs automaton states
_LAST: Final = 2**63 - 1


def records_query(signal: Signal, where: Sequence[Condition], window: Window | None) -> Query:
    """All records of a window that meet the conditions, and possibly some that `needs_check` must take out."""
    filters = [] if window is None else [_range("time_ns", window.start_ns, window.end_ns)]
    filters += [query for condition in where if (query := _condition(signal, condition)) is not None]
    return {"bool": {"filter": filters}} if filters else {"match_all": {}}


def needs_check(where: Sequence[Condition]) -> list[Condition]:
    """The conditions that the client must check again."""
    return [c for c in where if c.column in TEXT_COLUMNS or c.column.startswith(ATTRIBUTE) or c.operator == "contains"]


def rollups_query(first: int, end: int, where: Sequence[Condition]) -> Query:
    """Blocks of roll-ups that can hold rows of the minutes from `first` to before `end` with the values asked for.

    A block holds many rows, so minutes and conditions must be applied to these again.
    """
    filters: list[Query] = [{"range": {"first": {"lt": min(end, _LAST)}}}, {"range": {"last": {"gte": max(first, -_LAST)}}}]
    for condition in where:
        values = condition.value if isinstance(condition.value, tuple) else (condition.value,)
        indexed = all(len(str(value)) <= IGNORE_ABOVE for value in values)
        if condition.column in ROLLUP_SELECTORS and condition.operator in ("=", "in") and indexed:
            filters.append({"terms": {condition.column: list(map(str, values))}})
    return {"bool": {"filter": filters}}


def _range(field: str, start: int, end: int) -> Query:
    return {"range": {field: {"gte": max(start, -_LAST), "lt": min(end, _LAST)}}}


def _condition(signal: Signal, condition: Condition) -> Query | None:
    """The query of one condition; None where every record meets it."""
    column, operator, value = condition.column, condition.operator, condition.value
    if column.startswith(ATTRIBUTE):
        return _attribute(column, operator, str(value))
    if COLUMNS[signal][column] != "str":
        return _NUMBER[operator](column, value)
    query = _TEXT[operator](column, value)
    if query is None or column not in TEXT_COLUMNS:
        return query
    return _any([query, {"term": {"_ignored": column}}])


def _attribute(column: str, operator: str, value: str) -> Query:
    """Attributes that are too long to be indexed are checked by the client."""
    query = {"term": {column: value}} if operator == "=" else {"prefix": {column: value[:_LOOKED_FOR]}}
    if operator == "prefix" and not value:
        query = {"exists": {"field": "attributes"}}
    if len(value) > ATTRIBUTE_LIMIT:
        query = {"match_none": {}}
    return _any([query, {"term": {"attributes_long": True}}])


def _equal(column: str, value: str) -> Query:
    if not value:
        return _absent(column)
    return {"term": {column: value}} if len(value) <= IGNORE_ABOVE else {"match_none": {}}


def _one_of(column: str, values: Sequence[str]) -> Query:
    query = {"terms": {column: [value for value in values if 0 < len(value) <= IGNORE_ABOVE]}}
    return _any([query, _absent(column)]) if "" in values else query


def _contains(column: str, value: str) -> Query | None:
    pattern = "".join(_letter(letter) for letter in value[:_LOOKED_FOR])
    return {"regexp": {column: {"value": f".*{pattern}.*", "flags": "NONE"}}} if value else None


def _letter(letter: str) -> str:
    """A letter in both cases; anything else as itself."""
    if letter.isalnum():
        cases = dict.fromkeys(case for case in (letter, letter.lower(), letter.upper()) if len(case) == 1)
        return f"[{''.join(cases)}]" if len(cases) > 1 else letter
    return f"\\{letter}" if letter.isascii() and letter.isprintable() and letter != " " else letter


def _absent(column: str) -> Query:
    return {"bool": {"must_not": [{"exists": {"field": column}}]}}


def _any(queries: list[Query]) -> Query:
    return {"bool": {"should": queries}}


_TEXT: Final[dict[str, Callable[[str, Any], Query | None]]] = {
    "=": _equal,
    "in": _one_of,
    "prefix": lambda column, value: {"prefix": {column: value[:_LOOKED_FOR]}} if value else None,
    "contains": _contains,
}
_NUMBER: Final[dict[str, Callable[[str, Any], Query]]] = {
    "=": lambda column, value: {"term": {column: value}},
    "in": lambda column, value: {"terms": {column: list(value)}},
    ">=": lambda column, value: {"range": {column: {"gte": value}}},
    "<=": lambda column, value: {"range": {column: {"lte": value}}},
}
