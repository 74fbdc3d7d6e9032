"""The columns of what is kept: spans, logs and call witnesses.

Records travel in batches of columns, not as one object each, so that the hot path (decode, mask, append) works on lists.
A column type is one of `str`, `int` (64 bit), `bool`. Times are nanoseconds since 1970 (UTC), durations nanoseconds.
Text that is absent is the empty string; a number that is absent is 0 unless a comment says otherwise.
"""

from __future__ import annotations

from typing import Final, Literal

Signal = Literal["spans", "logs", "calls"]
SIGNALS: Final[tuple[Signal, ...]] = ("spans", "logs", "calls")

ColumnType = Literal["str", "int", "bool"]

SPAN_COLUMNS: Final[dict[str, ColumnType]] = {
    "trace_id": "str",  # 32 lower-case hex
    "span_id": "str",  # 16 lower-case hex
    "parent_id": "str",  # 16 lower-case hex, empty on a root
    "name": "str",
    "kind": "int",  # OTLP SpanKind, 0 to 5
    "time_ns": "int",  # start
    "duration_ns": "int",
    "status": "int",  # OTLP StatusCode: 0 unset, 1 ok, 2 error
    "status_message": "str",
    "service": "str",
    "instance": "str",
    "version": "str",
    "environment": "str",
    "http_status": "int",
    "error_type": "str",
    "exception_type": "str",  # of the first exception event
    "exception_message": "str",
    "exception_stack": "str",
    "attributes": "str",  # JSON object, masked
    "resource": "str",  # JSON object, masked, without the columns above
    "events": "str",  # JSON array of {time_ns, name, attributes}, masked; empty when there are none
}

LOG_COLUMNS: Final[dict[str, ColumnType]] = {
    "log_id": "str",  # 16 hex: hash of the content and the ordinal among identical ones of its request or file
    "time_ns": "int",
    "trace_id": "str",
    "span_id": "str",
    "severity": "int",  # OTLP SeverityNumber, 1 to 24
    "body": "str",
    "service": "str",
    "instance": "str",
    "version": "str",
    "environment": "str",
    "event_name": "str",
    "exception_type": "str",
    "exception_message": "str",
    "exception_stack": "str",
    "attributes": "str",
    "resource": "str",
}

CALL_COLUMNS: Final[dict[str, ColumnType]] = {
    "witness_id": "str",  # span: trace ID + span ID; line: 16 hex like log_id
    "witness": "str",  # 'span' or 'line'
    "time_ns": "int",  # start of the request
    "duration_ns": "int",
    "partner": "str",  # the partner's ID as the gateway names it; 'unknown' where none is known
    "method": "str",
    "route": "str",  # template
    "status": "int",  # HTTP status to the partner; 0 unknown or no answer
    "outcome": "str",
    "codes": "str",  # error codes of the standard, space separated, sorted
    "message": "str",  # masked text of the error, where there is one
    "trace_id": "str",
    "span_id": "str",
    "interaction_id": "str",
    "request_id": "str",
    "gateway_request_id": "str",
    "consent_id": "str",
    "payment_id": "str",
    "idempotency": "str",  # keyed hash
    "customer": "str",  # keyed pseudonym
    "customer_present": "bool",
    "resource_ref": "str",  # keyed pseudonym of the account or other resource in the path
    "service": "str",  # upstream service, where it is known
    "upstream_status": "int",  # 0 unknown
    "responder": "str",  # 'gateway', 'upstream' or ''
    "flag": "str",  # the gateway's own word for what went wrong (Envoy, Tyk response flags)
    "gateway_ms": "int",  # time spent in the gateway itself, -1 unknown
    "bytes_in": "int",
    "bytes_out": "int",
    "source": "str",  # 'otlp' or the gateway's kind
    "instance": "str",  # gateway instance
    "version": "str",
    "environment": "str",
    "sampled": "bool",  # false: the trace flags say that no spans were recorded
    "network": "str",  # keyed pseudonym of the network (/24, IPv6 /48) that the call came from
}

COLUMNS: Final[dict[Signal, dict[str, ColumnType]]] = {
    "spans": SPAN_COLUMNS,
    "logs": LOG_COLUMNS,
    "calls": CALL_COLUMNS,
}

ID_COLUMNS: Final[dict[Signal, tuple[str, ...]]] = {
    "spans": ("trace_id", "span_id"),
    "logs": ("log_id",),
    "calls": ("witness_id",),
}
"""What makes a record the same record (design: Storage, promise 2)."""

ALIAS_COLUMNS: Final[dict[str, str]] = {
    "trace_id": "trace_id",
    "interaction_id": "interaction_id",
    "request_id": "request_id",
    "gateway_request_id": "gateway_request_id",
    "consent_id": "consent_id",
    "payment_id": "payment_id",
}
"""Columns of a call witness by which support finds it -> the word for it in `matched.kind`."""

NO_PARTNER: Final = "unknown"
