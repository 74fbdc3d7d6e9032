"""OTLP protobuf written by hand: pieces that never change are encoded once, the rest is joined.

A simulated hour holds some 200,000 spans that differ in a dozen values; building each through protobuf objects costs
several times as much as joining ready-made bytes. Field numbers are those of opentelemetry-proto 1.x (trace.proto,
logs.proto, common.proto, resource.proto); the tests decode everything with the official classes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

Value = str | int | bool | Sequence[str]

SPAN_ATTRIBUTES: Final = b"\x4a"  # Span.attributes = 9
EVENT_ATTRIBUTES: Final = b"\x1a"  # Span.Event.attributes = 3
LOG_ATTRIBUTES: Final = b"\x32"  # LogRecord.attributes = 6

SERVER: Final = 2
CLIENT: Final = 3

STATUS_ERROR: Final = b"\x7a\x02\x18\x02"  # Span.status { code: ERROR }

fixed64 = struct.Struct("<Q").pack


def varint(number: int) -> bytes:
    """Base-128 encoding of a number that is not negative."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def field(tag: bytes, data: bytes) -> bytes:
    """One length-delimited field."""
    return tag + varint(len(data)) + data


def any_value(value: Value) -> bytes:
    """An AnyValue; sequences become arrays of strings."""
    if isinstance(value, bool):
        return b"\x10" + (b"\x01" if value else b"\x00")
    if isinstance(value, int):
        return b"\x18" + varint(value)
    if isinstance(value, str):
        return field(b"\x0a", value.encode())
    return field(b"\x2a", b"".join(field(b"\x0a", any_value(item)) for item in value))


def attribute(tag: bytes, key: str, value: Value) -> bytes:
    """One KeyValue in the repeated field `tag`."""
    return field(tag, field(b"\x0a", key.encode()) + field(b"\x12", any_value(value)))


def attributes(tag: bytes, pairs: Mapping[str, Value]) -> bytes:
    """Several attributes of one span, event, record or resource."""
    return b"".join(attribute(tag, key, value) for key, value in pairs.items())


class TextAttribute:
    """An attribute whose key is fixed and whose text changes; what precedes the text is kept by length of text."""

    __slots__ = ("_heads", "_key", "_listed", "_tag")

    def __init__(self, tag: bytes, key: str, *, listed: bool = False) -> None:
        self._tag, self._key, self._listed = tag, field(b"\x0a", key.encode()), listed
        self._heads: dict[int, bytes] = {}

    def __call__(self, text: bytes) -> bytes:
        """The encoded attribute with this UTF-8 text."""
        head = self._heads.get(len(text))
        if head is None:
            head = self._heads[len(text)] = self._head(len(text))
        return head + text

    def _head(self, size: int) -> bytes:
        inner = b"\x0a" + varint(size)
        wrappers = [b"\x0a", b"\x2a", b"\x12"] if self._listed else [b"\x12"]
        for tag in wrappers:
            inner = tag + varint(len(inner) + size) + inner
        return self._tag + varint(len(self._key) + len(inner) + size) + self._key + inner


def span(
    ids: bytes,
    fixed: bytes,
    start_ns: int,
    end_ns: int,
    rest: bytes,
) -> bytes:
    """One span as an entry of ScopeSpans.spans. `ids` and `fixed` are ready-made; `rest` follows the times."""
    body = b"%b%b\x39%b\x41%b%b" % (ids, fixed, fixed64(start_ns), fixed64(end_ns), rest)
    return b"\x12" + varint(len(body)) + body


def span_ids(trace_id: bytes, span_id: bytes, parent_id: bytes) -> bytes:
    """The identity fields of a span; `parent_id` is empty on a root."""
    if parent_id:
        return b"\x0a\x10%b\x12\x08%b\x22\x08%b" % (trace_id, span_id, parent_id)
    return b"\x0a\x10%b\x12\x08%b" % (trace_id, span_id)


def span_head(name: str, kind: int) -> bytes:
    """Name and kind of a span."""
    return field(b"\x2a", name.encode()) + b"\x30" + varint(kind)


def event(time_ns: int, name: str, attributes_: bytes) -> bytes:
    """One entry of Span.events."""
    return field(b"\x5a", b"\x09" + fixed64(time_ns) + field(b"\x12", name.encode()) + attributes_)


def log_record(
    time_ns: int,
    severity: int,
    severity_text: str,
    body: str,
    attributes_: bytes,
    trace_id: bytes,
    span_id: bytes,
) -> bytes:
    """One record as an entry of ScopeLogs.log_records; empty IDs leave it unlinked."""
    parts = [
        b"\x09",
        fixed64(time_ns),
        b"\x10",
        varint(severity),
        field(b"\x1a", severity_text.encode()),
        field(b"\x2a", any_value(body)),
        attributes_,
    ]
    if trace_id:
        parts += [b"\x4a\x10", trace_id, b"\x52\x08", span_id]
    parts += [b"\x59", fixed64(time_ns)]
    return field(b"\x12", b"".join(parts))


def resource(pairs: Mapping[str, Value]) -> bytes:
    """The resource field of ResourceSpans and ResourceLogs."""
    return field(b"\x0a", attributes(b"\x0a", pairs))


def export_request(groups: Iterable[tuple[bytes, str, list[bytes]]]) -> bytes:
    """An Export{Trace,Logs}ServiceRequest from (resource field, scope name, entries); both have the same shape."""
    parts = []
    for resource_field, scope_name, entries in groups:
        scope = field(b"\x0a", field(b"\x0a", scope_name.encode()))
        parts.append(field(b"\x0a", resource_field + field(b"\x12", scope + b"".join(entries))))
    return b"".join(parts)
