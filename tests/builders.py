"""Valid records from keyword overrides: `masked(spans=[span(name="GET /x")])`.

Identities are made from small numbers (`trace_id(7)`), so that a test says which record it means.
JSON columns take Python objects. Times are nanoseconds; `T0` is an ordinary working morning.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import orjson
import pyarrow as pa

from triage.domain.columns import COLUMNS, Signal
from triage.domain.windows import NS, from_rfc3339
from triage.ports.masked import MaskedRecords, arrow_schema
from triage.ports.rollups import CALLS_SCHEMA, CUSTOMERS_SCHEMA, ERRORS_SCHEMA

Row = dict[str, Any]

T0: Final = from_rfc3339("2026-03-02T10:00:00Z")
SECOND: Final = NS
MINUTE: Final = 60 * NS
DAY: Final = 86_400 * NS

_ZERO: Final[dict[str, Any]] = {"str": "", "int": 0, "bool": False}
_JSON: Final = ("attributes", "resource", "events")


def trace_id(number: int) -> str:
    """The trace ID (32 hex) of a small number."""
    return f"{number:032x}"


def span_id(number: int) -> str:
    """The span ID (16 hex) of a small number."""
    return f"{number:016x}"


def uuid(number: int) -> str:
    """A UUID spelling for interaction, request, consent and payment IDs."""
    return f"00000000-0000-4000-8000-{number:012x}"


def span(number: int = 1, **columns: Any) -> Row:
    """A healthy server span, number `number` of its trace."""
    return _row(
        "spans",
        {
            "trace_id": trace_id(1), "span_id": span_id(number), "name": "GET /accounts/{id}", "kind": 2, "time_ns": T0,
            "duration_ns": 40_000_000, "service": "accounts", "instance": "accounts-1", "version": "1.4.0",
            "environment": "test", "http_status": 200, "attributes": {"http.route": "/accounts/{id}"}, "resource": {},
        },
        columns,
    )


def log(number: int = 1, **columns: Any) -> Row:
    """An ordinary log record."""
    return _row(
        "logs",
        {
            "log_id": span_id(number), "time_ns": T0, "trace_id": trace_id(1), "span_id": span_id(1), "severity": 9,
            "body": "request served", "service": "accounts", "instance": "accounts-1", "version": "1.4.0",
            "environment": "test", "attributes": {}, "resource": {},
        },
        columns,
    )


def call(number: int = 1, **columns: Any) -> Row:
    """A good call's witness, a gateway line. It has its own IDs: number 3 has `uuid(3)` as interaction ID."""
    return _row(
        "calls",
        {
            "witness_id": span_id(number), "witness": "line", "time_ns": T0, "duration_ns": 50_000_000,
            "partner": "fintech-one", "method": "GET", "route": "/accounts/{id}", "status": 200, "outcome": "ok",
            "trace_id": trace_id(number), "interaction_id": uuid(number), "service": "accounts",
            "responder": "upstream", "upstream_status": 200, "gateway_ms": 3, "source": "kong", "instance": "gw-1", "sampled": True,
        },
        columns,
    )


def table(signal: Signal, rows: Iterable[Row]) -> pa.Table:
    """Rows as an Arrow table of the signal's schema."""
    return pa.Table.from_pylist(list(rows), schema=arrow_schema(signal))


def masked(spans: Iterable[Row] = (), logs: Iterable[Row] = (), calls: Iterable[Row] = ()) -> MaskedRecords:
    """A batch as the mask would hand it over."""
    return MaskedRecords.of_tables(table("spans", spans), table("logs", logs), table("calls", calls))


def call_rollups(rows: Iterable[Row]) -> pa.Table:
    """Roll-up rows of kind `calls`; what a row leaves out is empty or 0."""
    return _rollups(CALLS_SCHEMA, {"buckets": [40], "counts": [1], "calls": 1, "outcome": "ok"}, rows)


def error_rollups(rows: Iterable[Row]) -> pa.Table:
    """Roll-up rows of kind `errors`; what a row leaves out is empty or 0."""
    return _rollups(ERRORS_SCHEMA, {"count": 1, "outcome": "bank_error", "group_id": "g1"}, rows)


def customer_rollups(rows: Iterable[Row]) -> pa.Table:
    """Roll-up rows of kind `customers`; what a row leaves out is empty or 0."""
    return _rollups(CUSTOMERS_SCHEMA, {"sketch": [], "outcome": "ok"}, rows)


def _rollups(schema: pa.Schema, defaults: Row, rows: Iterable[Row]) -> pa.Table:
    zero = {field.name: 0 if field.type == pa.int64() else "" for field in schema}
    return pa.Table.from_pylist([{**zero, **defaults, **row} for row in rows], schema=schema)


def _row(signal: Signal, defaults: Row, columns: Row) -> Row:
    unknown = columns.keys() - COLUMNS[signal].keys()
    if unknown:
        raise TypeError(f"{signal} have no column {', '.join(sorted(unknown))}")
    row = {name: _ZERO[kind] for name, kind in COLUMNS[signal].items()} | defaults | columns
    for name in _JSON:
        if name in row and not isinstance(row[name], str):
            row[name] = orjson.dumps(row[name]).decode()
    return row
