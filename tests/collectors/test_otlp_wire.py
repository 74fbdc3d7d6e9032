"""Attributes that stay bytes until they are asked for are read as the published messages say."""

from __future__ import annotations

from typing import Any

import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList

from collectors.intake import Intake
from collectors.otlp_values import MAX_ATTRIBUTES, MAX_TEXT
from collectors.otlp_wire import Attributes
from triage.domain.records import Records
from triage.errors import BadInput

NOW = 1_764_000_000 * 10**9
PLAIN = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(
    allow_nan=False)
VALUES = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=2), inner, max_size=3), max_leaves=5)
NAMES = st.sampled_from(["a", "b", "http.request.method", "user.role", "é"])


def intake() -> Intake:
    return Intake(keep=lambda records: pytest.fail("nothing is kept here"), clock=lambda: NOW, retention_days=30)


def any_value(value: Any) -> AnyValue:
    if isinstance(value, list):
        return AnyValue(array_value=ArrayValue(values=map(any_value, value)))
    if isinstance(value, dict):
        return AnyValue(kvlist_value=KeyValueList(values=[KeyValue(key=key, value=any_value(item)) for key, item in value.items()]))
    kind = {str: "string_value", bool: "bool_value", int: "int_value", float: "double_value"}[type(value)]
    return AnyValue(**{kind: value})


def pair(key: str, value: Any) -> bytes:
    return bytes(KeyValue(key=key, value=any_value(value)).SerializeToString())


@examples(150)
@given(st.lists(st.dictionaries(NAMES, VALUES, max_size=4), max_size=6))
def test_pairs_come_back_with_their_kinds_however_often_they_come(given_attributes: list[dict[str, Any]]) -> None:
    """1, 1.0, true and "1" are different values, before and after they are remembered."""
    attributes, records = Attributes(), Records()
    for wanted in given_attributes * 2:
        found = attributes.of([pair(key, value) for key, value in wanted.items()], records)
        assert repr(found) == repr(wanted)


def test_more_pairs_than_are_remembered_and_old_names() -> None:
    attributes, records = Attributes(), Records()
    for number in range(10_000):
        assert attributes.of([pair("http.method", f"m{number}")], records) == {"http.request.method": f"m{number}"}
    assert attributes.of([pair("http.method", "m1"), pair("http.request.method", "m2")], records) == {"http.request.method": "m1"}


def test_what_is_cut_is_counted_each_time() -> None:
    attributes, records = Attributes(), Records()
    long, many = [pair("a", "x" * (MAX_TEXT + 1))], [pair(f"k{number}", 1) for number in range(MAX_ATTRIBUTES + 2)]
    for _ in range(2):
        assert len(attributes.of(long, records)["a"]) == MAX_TEXT
        assert len(attributes.of(many, records)) == MAX_ATTRIBUTES
    assert records.cut == 2 * (1 + 2)


@pytest.mark.parametrize("kind", ["traces", "logs"])
def test_a_pair_that_is_none_spoils_the_body(kind: str) -> None:
    request: Any = ExportTraceServiceRequest() if kind == "traces" else ExportLogsServiceRequest()
    block = request.resource_spans.add() if kind == "traces" else request.resource_logs.add()
    record = block.scope_spans.add().spans.add() if kind == "traces" else block.scope_logs.add().log_records.add()
    record.trace_id, record.span_id = b"\1" * 16, b"\2" * 8
    record.attributes.add(key="mark", value=AnyValue(string_value="vvvv"))
    body = request.SerializeToString()

    assert intake().decode(kind, "protobuf", body).rejected or kind == "traces"  # a log record without a time
    for bad in (body.replace(b"mark", b"\xff\xfe\xfd\xfc"), body.replace(b"\x0a\x04mark", b"\x0a\x7fmark")):
        with pytest.raises(BadInput):
            intake().decode(kind, "protobuf", bad)


def test_a_resource_that_comes_in_parts_is_one() -> None:
    """Protobuf: the parts of a message field that comes twice are merged."""
    request = ExportTraceServiceRequest()
    block = request.resource_spans.add()
    block.resource.attributes.add(key="service.name", value=AnyValue(string_value="payments"))
    block.scope_spans.add().spans.add(trace_id=b"\1" * 16, span_id=b"\2" * 8, start_time_unix_nano=NOW, end_time_unix_nano=NOW)
    other = ExportTraceServiceRequest()
    other.resource_spans.add().resource.attributes.add(key="service.version", value=AnyValue(string_value="4.7"))
    joined = request.resource_spans[0].SerializeToString() + other.resource_spans[0].SerializeToString()
    body = b"\x0a" + bytes([len(joined)]) + joined if len(joined) < 128 else pytest.fail("one byte of length is enough here")

    spans = intake().decode("traces", "protobuf", body).spans

    assert (spans["service"], spans["version"]) == (["payments"], ["4.7"])
