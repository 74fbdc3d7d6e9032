"""The hand-written OTLP is what the official classes read."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from otlp_decoding import plain

from triage.simulator import wire

VALUES = st.one_of(st.text(), st.booleans(), st.integers(0, 2**63 - 1), st.lists(st.text(), min_size=1, max_size=3))


@given(st.dictionaries(st.text(min_size=1), VALUES, max_size=5))
def test_attributes_come_back(pairs: dict[str, wire.Value]) -> None:
    assert plain(Span.FromString(wire.attributes(wire.SPAN_ATTRIBUTES, pairs)).attributes) == pairs


@given(st.text(min_size=1, max_size=200), st.text(max_size=400), st.booleans())
def test_text_attributes_come_back(key: str, text: str, listed: bool) -> None:
    encode = wire.TextAttribute(wire.SPAN_ATTRIBUTES, key, listed=listed)
    for content in (text, text + "x" * 130, text):
        decoded = plain(Span.FromString(encode(content.encode())).attributes)
        assert decoded == {key: [content] if listed else content}


@given(st.binary(min_size=16, max_size=16), st.binary(min_size=8, max_size=8), st.integers(0, 2**63), st.integers(0, 2**40))
def test_spans_come_back(trace_id: bytes, span_id: bytes, start: int, length: int) -> None:
    event = wire.event(start, "exception", wire.attribute(wire.EVENT_ATTRIBUTES, "exception.type", "ValueError"))
    body = wire.span(
        wire.span_ids(trace_id, span_id, span_id), wire.span_head("GET /x", wire.SERVER), start, start + length,
        event + wire.STATUS_ERROR,
    )
    request = wire.export_request([(wire.resource({"service.name": "s"}), "scope", [body, body])])
    group = ExportTraceServiceRequest.FromString(request).resource_spans[0]
    span = group.scope_spans[0].spans[1]
    assert plain(group.resource.attributes) == {"service.name": "s"}
    assert (span.trace_id, span.span_id, span.parent_span_id, span.name, span.kind) == (trace_id, span_id, span_id, "GET /x", 2)
    assert (span.start_time_unix_nano, span.end_time_unix_nano, span.status.code) == (start, start + length, 2)
    assert plain(span.events[0].attributes) == {"exception.type": "ValueError"}


@given(st.text(), st.integers(1, 24), st.booleans())
def test_log_records_come_back(body: str, severity: int, linked: bool) -> None:
    trace_id, span_id = (b"t" * 16, b"s" * 8) if linked else (b"", b"")
    record = wire.log_record(7, severity, "ERROR", body, b"", trace_id, span_id)
    request = wire.export_request([(wire.resource({"service.name": "s"}), "app", [record])])
    read = ExportLogsServiceRequest.FromString(request).resource_logs[0].scope_logs[0].log_records[0]
    assert (read.body.string_value, read.severity_number, read.time_unix_nano) == (body, severity, 7)
    assert (read.trace_id, read.span_id) == (trace_id, span_id)
