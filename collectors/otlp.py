"""OTLP requests to Records: protobuf, and JSON with its deviations (hex IDs, 64-bit integers as numbers or strings).

Source: OpenTelemetry protocol specification 1.11, `opentelemetry/proto/{trace,logs,common}/v1`. Decoding never raises for what a
record holds: a record that cannot be kept is rejected with a reason, the others are kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson
from google.protobuf.message import DecodeError

from collectors.otlp_records import LogSink, Resource, Resources, SpanSink
from collectors.otlp_values import any_value, cut_text, json_attributes, json_int, json_value
from collectors.otlp_wire import logs_class, traces_class
from triage.domain.records import Records
from triage.errors import BadInput


def decode_traces(body: bytes, records: Records, sink: SpanSink, resources: Resources) -> None:
    """An ExportTraceServiceRequest in protobuf. Raises BadInput when it is none."""
    try:
        _traces(body, records, sink, resources)
    except DecodeError as error:
        raise BadInput("the body is not a protobuf ExportTraceServiceRequest") from error


def _traces(body: bytes, records: Records, sink: SpanSink, resources: Resources) -> None:
    attributes_of = resources.attributes.of
    for resource_spans in traces_class().FromString(body).resource_spans:
        resource = resources.of(resource_spans.resource, records)
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                pairs, events, status = span.attributes, span.events, span.status
                sink.add(
                    records, resource, span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex(), span.name, span.kind,
                    span.start_time_unix_nano, span.end_time_unix_nano, status.code, status.message,
                    attributes_of(pairs, records) if pairs else {},
                    [(e.time_unix_nano, e.name, attributes_of(e.attributes, records)) for e in events] if events else (),
                )


def decode_logs(body: bytes, records: Records, sink: LogSink, resources: Resources) -> None:
    """An ExportLogsServiceRequest in protobuf. Raises BadInput when it is none."""
    try:
        _logs(body, records, sink, resources)
    except DecodeError as error:
        sink.rows.clear()
        raise BadInput("the body is not a protobuf ExportLogsServiceRequest") from error


def _logs(body: bytes, records: Records, sink: LogSink, resources: Resources) -> None:
    attributes_of = resources.attributes.of
    for resource_logs in logs_class().FromString(body).resource_logs:
        resource = resources.of(resource_logs.resource, records)
        for scope_logs in resource_logs.scope_logs:
            for log in scope_logs.log_records:
                pairs, content = log.attributes, log.body
                sink.add(
                    records, resource,
                    time=log.time_unix_nano, observed=log.observed_time_unix_nano, trace_id=log.trace_id.hex(),
                    span_id=log.span_id.hex(), severity=log.severity_number, severity_text=log.severity_text,
                    body=cut_text(content.string_value, records) or any_value(content, records), event_name=log.event_name,
                    attributes=attributes_of(pairs, records) if pairs else {},
                )


def decode_traces_json(body: bytes, records: Records, sink: SpanSink) -> None:
    """The same in OTLP/JSON. Unknown fields are ignored."""
    for resource_spans in _items(_document(body), "resourceSpans"):
        resource = Resource.of(json_attributes(_object(resource_spans.get("resource")).get("attributes"), records))
        for scope_spans in _items(resource_spans, "scopeSpans"):
            for span in _items(scope_spans, "spans"):
                try:
                    _json_span(span, resource, records, sink)
                except (ValueError, TypeError, OverflowError) as error:
                    records.reject("spans", f"a field has the wrong type: {error}")


def _json_span(span: dict[str, Any], resource: Resource, records: Records, sink: SpanSink) -> None:
    status = _object(span.get("status"))
    sink.add(
        records, resource, _hex_id(span.get("traceId")), _hex_id(span.get("spanId")), _hex_id(span.get("parentSpanId")),
        _text(span.get("name")), json_int(span.get("kind", 0)), json_int(span.get("startTimeUnixNano", 0)),
        json_int(span.get("endTimeUnixNano", 0)), json_int(status.get("code", 0)), _text(status.get("message")),
        json_attributes(span.get("attributes"), records),
        [
            (json_int(event.get("timeUnixNano", 0)), _text(event.get("name")), json_attributes(event.get("attributes"), records))
            for event in _items(span, "events")
        ],
    )


def decode_logs_json(body: bytes, records: Records, sink: LogSink) -> None:
    """The same in OTLP/JSON. Unknown fields are ignored."""
    for resource_logs in _items(_document(body), "resourceLogs"):
        resource = Resource.of(json_attributes(_object(resource_logs.get("resource")).get("attributes"), records))
        for scope_logs in _items(resource_logs, "scopeLogs"):
            for log in _items(scope_logs, "logRecords"):
                try:
                    _json_log(log, resource, records, sink)
                except (ValueError, TypeError, OverflowError) as error:
                    records.reject("logs", f"a field has the wrong type: {error}")


def _json_log(log: dict[str, Any], resource: Resource, records: Records, sink: LogSink) -> None:
    sink.add(
        records, resource,
        time=json_int(log.get("timeUnixNano", 0)), observed=json_int(log.get("observedTimeUnixNano", 0)),
        trace_id=_hex_id(log.get("traceId")), span_id=_hex_id(log.get("spanId")),
        severity=json_int(log.get("severityNumber", 0)), severity_text=_text(log.get("severityText")),
        body=json_value(log.get("body"), records), event_name=_text(log.get("eventName")),
        attributes=json_attributes(log.get("attributes"), records),
    )


def _document(body: bytes) -> dict[str, Any]:
    try:
        document = orjson.loads(body or b"{}")
    except orjson.JSONDecodeError as error:
        raise BadInput(f"the body is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise BadInput("the body is JSON, but not an object")
    return document


def _items(parent: dict[str, Any], name: str) -> Iterator[dict[str, Any]]:
    items = parent.get(name)
    if items is None:
        return
    if not isinstance(items, list):
        raise BadInput(f"{name} is not an array")
    for item in items:
        if not isinstance(item, dict):
            raise BadInput(f"{name} holds something that is not an object")
        yield item


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise TypeError("a text is expected")
    return value


def _hex_id(value: Any) -> str:
    """Hex in any case as lower case; what is no hex becomes empty, and is refused as an invalid ID."""
    text = _text(value).lower()
    try:
        return text if len(bytes.fromhex(text)) * 2 == len(text) else ""
    except ValueError:
        return ""
