"""Read payloads back with opentelemetry-proto, so that nothing is judged by the code that wrote it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import orjson
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from triage.simulator.traffic import Payload


@dataclass(frozen=True)
class ReadSpan:
    """A decoded span with its attributes and its resource's as dicts."""

    raw: Any
    attributes: dict[str, Any]
    resource: dict[str, Any]

    @property
    def events(self) -> list[dict[str, Any]]:
        return [plain(event.attributes) for event in self.raw.events if event.name == "exception"]


@dataclass(frozen=True)
class ReadLog:
    """A decoded log record."""

    raw: Any
    attributes: dict[str, Any]
    resource: dict[str, Any]

    @property
    def body(self) -> str:
        return str(self.raw.body.string_value)


def value(any_value: Any) -> Any:
    kind = any_value.WhichOneof("value")
    if kind == "array_value":
        return [value(item) for item in any_value.array_value.values]
    return getattr(any_value, kind)


def plain(pairs: Any) -> dict[str, Any]:
    return {pair.key: value(pair.value) for pair in pairs}


def spans(payloads: Iterable[Payload]) -> list[ReadSpan]:
    found = []
    for payload in payloads:
        if payload.path == "/v1/traces":
            for group in ExportTraceServiceRequest.FromString(payload.body).resource_spans:
                resource = plain(group.resource.attributes)
                found += [ReadSpan(span, plain(span.attributes), resource) for scope in group.scope_spans for span in scope.spans]
    return found


def logs(payloads: Iterable[Payload]) -> list[ReadLog]:
    found = []
    for payload in payloads:
        if payload.path == "/v1/logs":
            for group in ExportLogsServiceRequest.FromString(payload.body).resource_logs:
                resource = plain(group.resource.attributes)
                found += [
                    ReadLog(record, plain(record.attributes), resource)
                    for scope in group.scope_logs
                    for record in scope.log_records
                ]
    return found


def lines(payloads: Iterable[Payload], front: str) -> list[dict[str, Any]]:
    return [
        orjson.loads(line)
        for payload in payloads
        if payload.path == f"/gateway/{front}"
        for line in payload.body.splitlines()
    ]


def roots(found: Iterable[ReadSpan]) -> list[ReadSpan]:
    return [span for span in found if not span.raw.parent_span_id]
