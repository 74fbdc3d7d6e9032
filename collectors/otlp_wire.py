"""OTLP messages whose resources and attributes stay bytes until somebody asks for them.

Senders repeat most pairs of key and value. A pair that was read before is then one look-up, where the protobuf library makes three
objects. On the wire a message and the bytes of a message are the same, so the classes are made from the published descriptors; a
singular field that stays bytes becomes repeated, since the parts of a message that comes in parts are to be joined.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, Final

from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import Default
from google.protobuf.message_factory import GetMessageClass
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.logs.v1 import logs_pb2
from opentelemetry.proto.trace.v1 import trace_pb2

from collectors.naming import OLD_NAMES
from collectors.otlp_values import MAX_ATTRIBUTES, MAX_TEXT, any_value, fewer
from triage.domain.records import Records

_AS_BYTES: Final = (".opentelemetry.proto.common.v1.KeyValue", ".opentelemetry.proto.resource.v1.Resource")
_MOST: Final = 8192
_VALUES: Final = 512  # pairs of a key: of one with more values few come again
_LONGEST: Final = 256  # bytes of a pair that is remembered
_REMEMBERED: Final = frozenset({str, int, bool, float})


class Attributes:
    """Reads attributes. Remembers short pairs by their bytes, within bounds; threads may share it."""

    def __init__(self) -> None:
        self._known: dict[bytes, tuple[str, Any]] = {}
        self._values: dict[str, int] = {}  # key -> how many of its pairs are known

    def of(self, pairs: Iterable[bytes], records: Records) -> dict[str, Any]:
        """KeyValue messages -> dict, old names made new. Of a name that comes twice the first counts. Raises DecodeError."""
        attributes: dict[str, Any] = {}
        known = self._known.get
        for pair in pairs:
            key, value = known(pair) or self._read(pair, records)
            if key not in attributes:
                attributes[key] = value
        return fewer(attributes, records) if len(attributes) > MAX_ATTRIBUTES else attributes

    def _read(self, pair: bytes, records: Records) -> tuple[str, Any]:
        message = KeyValue.FromString(pair)
        key, value = message.key, message.value
        key = OLD_NAMES.get(key, key)
        plain = value.string_value
        if not plain or len(plain) > MAX_TEXT:
            plain = any_value(value, records)
        if type(plain) in _REMEMBERED and len(pair) <= _LONGEST:
            values = self._values.get(key, 0)
            if values < _VALUES:
                self._remember(pair, key, plain, values + 1)
        return key, plain

    def _remember(self, pair: bytes, key: str, plain: Any, values: int) -> None:
        if len(self._known) >= _MOST:
            self._known.clear()
            self._values.clear()
        self._known[pair], self._values[key] = (key, plain), values


@cache
def traces_class() -> Any:
    """An ExportTraceServiceRequest."""
    return _with_bytes(trace_pb2.DESCRIPTOR, "TracesData")


@cache
def logs_class() -> Any:
    """An ExportLogsServiceRequest."""
    return _with_bytes(logs_pb2.DESCRIPTOR, "LogsData")


def _with_bytes(published: Any, name: str) -> Any:
    file = FileDescriptorProto()
    published.CopyToProto(file)
    old, file.name, file.package = f".{file.package}.", f"triage/{file.name}", f"triage.{file.package}"
    for field in _fields(file.message_type):
        if field.type_name in _AS_BYTES:
            field.type, field.label = FieldDescriptorProto.TYPE_BYTES, FieldDescriptorProto.LABEL_REPEATED
            field.ClearField("type_name")
        elif field.type_name.startswith(old):
            field.type_name = f".triage{field.type_name}"
    pool = Default()
    pool.AddSerializedFile(file.SerializeToString())
    return GetMessageClass(pool.FindMessageTypeByName(f"{file.package}.{name}"))


def _fields(messages: Iterable[DescriptorProto]) -> Iterator[FieldDescriptorProto]:
    for message in messages:
        yield from message.field
        yield from _fields(message.nested_type)
