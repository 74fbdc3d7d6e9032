"""Rows from decoded spans and log records: what both encodings of OTLP share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from hashlib import blake2b
from typing import Any, Final

import orjson
from opentelemetry.proto.resource.v1.resource_pb2 import Resource as ResourceMessage

from collectors.codes import codes_and_message
from collectors.naming import Finder, Naming, first
from collectors.otlp_wire import Attributes
from collectors.routes import RouteCatalogue, ids_in_path, resource_in, template_of
from triage.domain.calls import outcome_of
from triage.domain.columns import NO_PARTNER
from triage.domain.records import Records

SERVER: Final = 2
_MAX_NS: Final = 2**63 - 1
_NO_SPAN: Final = "0" * 16
_ID_BYTES: Final = 8  # of a log record's ID
_ZEROS: Final = {16: "0" * 16, 32: "0" * 32}
_NO_EXCEPTION: Final = ("", "", "")
_RESOURCE_COLUMNS: Final = ("service.name", "service.instance.id", "service.version", "deployment.environment.name")
Event = tuple[int, str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Resource:
    """What one resource block says, read once for all its records."""

    service: str
    instance: str
    version: str
    environment: str
    rest: dict[str, Any]

    @classmethod
    def of(cls, attributes: dict[str, Any]) -> Resource:
        """Split a resource's attributes into the columns and the rest."""
        instance = first(attributes, ("service.instance.id", "k8s.pod.name", "host.name"))
        rest = {name: value for name, value in attributes.items() if name not in _RESOURCE_COLUMNS}
        return cls(
            first(attributes, ("service.name",)) or "unknown_service", instance, first(attributes, ("service.version",)),
            first(attributes, ("deployment.environment.name",)), rest,
        )


class Resources:
    """Resources and attributes that were read before, by their bytes: a sender repeats its own with every request. Bounded; threads
    may share it."""

    def __init__(self, most: int = 2_000) -> None:
        self.attributes = Attributes()
        self._known: dict[bytes, Resource] = {}
        self._most = most

    def of(self, parts: Iterable[bytes], records: Records) -> Resource:
        """The resource of a protobuf message, in however many parts it came. Raises DecodeError."""
        data = b"".join(parts)
        known = self._known.get(data)
        if known is None:
            pairs = (pair.SerializeToString() for pair in ResourceMessage.FromString(data).attributes)
            known = Resource.of(self.attributes.of(pairs, records))
            if len(self._known) >= self._most:
                self._known.clear()
            self._known[data] = known
        return known


_RESPONDERS: Final = {"upstream": "upstream", "service": "upstream", "kong": "gateway", "gateway": "gateway"}


def valid_id(text: str, length: int) -> bool:
    """Whether hex text is an ID of the length (16 or 32), and not all zero."""
    return len(text) == length and text != _ZEROS[length]


@dataclass(slots=True)
class SpanSink:
    """Appends spans, and a call witness for each gateway SERVER span, to the columns of Records."""

    naming: Naming
    routes: RouteCatalogue
    finder: Finder
    rows: list[tuple[Any, ...]] = field(default_factory=list)
    calls: list[tuple[Any, ...]] = field(default_factory=list)

    def close(self, records: Records) -> None:
        """Write the gathered rows to the columns; a row at a time would cost a list operation a value."""
        for columns, rows in ((records.spans, self.rows), (records.calls, self.calls)):
            for column, values in zip(columns.values(), zip(*rows, strict=True), strict=False):
                column.extend(values)
        self.rows, self.calls = [], []

    def add(
        self, records: Records, resource: Resource, trace_id: str, span_id: str, parent_id: str, name: str, kind: int,
        start: int, end: int, status: int, status_message: str, attributes: dict[str, Any], events: Sequence[Event],
    ) -> None:
        """One span. Invalid IDs and times beyond 64 bits are rejected with the reason."""
        if not valid_id(trace_id, 32) or not valid_id(span_id, 16):
            records.reject("spans", "invalid trace ID or span ID: 16 and 8 bytes, not all zero, are needed", ids=_good(trace_id, span_id))
            return
        if not (0 <= start <= _MAX_NS and 0 <= end <= _MAX_NS):
            records.reject("spans", "the time does not fit nanoseconds since 1970 in 63 bits", ids=(trace_id, span_id))
            return
        start = start or end
        duration = end - start if end > start else 0
        if parent_id == _NO_SPAN:
            parent_id = ""
        http_status, error_type, exception = 0, "", _NO_EXCEPTION
        if attributes:
            http_status = _status(attributes.get("http.response.status_code", 0))
            error_type = _plain(attributes.get("error.type"))
            exception = _exception(attributes)
        written: list[dict[str, Any]] | None = None
        if events:
            written = [{"time_ns": at, "name": event, "attributes": values} for at, event, values in events]
            exception = next((_exception(values) for _, event, values in events if event == "exception"), exception)
        self.rows.append((
            trace_id, span_id, parent_id, name, kind if 0 <= kind <= 5 else 0, start, duration, status if 0 <= status <= 2 else 0,
            status_message, resource.service, resource.instance, resource.version, resource.environment, http_status, error_type,
            *exception, attributes, resource.rest, written,
        ))
        if kind == SERVER and (not parent_id or resource.service in self.naming.gateway_services):
            self._add_call(records, resource, trace_id, span_id, name, start, duration, status == 2, http_status, attributes)

    def _add_call(
        self, records: Records, resource: Resource, trace_id: str, span_id: str, name: str, start: int, duration: int,
        span_error: bool, http_status: int, attributes: dict[str, Any],
    ) -> None:
        part = self.finder.parts(attributes).get
        codes, message = self._codes(attributes)
        path = first(attributes, ("url.path", "url.full"))
        route = _plain(attributes.get("http.route")) or (self.routes.match(path) or template_of(path) if path else name)
        upstream_status = _status(part("upstream_status", "0").rpartition(",")[2].strip())
        responder = _RESPONDERS.get(part("responder", "").lower(), "upstream" if upstream_status else "")
        flag = part("flag", "")
        consent, payment = ids_in_path(path) if path else ("", "")
        outcome = outcome_of(http_status, responder=responder, upstream_status=upstream_status, flag=flag, codes=codes,
                             span_error=span_error)
        self.calls.append((
            trace_id + span_id, "span", start, duration, part("partner") or NO_PARTNER,
            _plain(attributes.get("http.request.method")).upper(), route, http_status, outcome, " ".join(codes), message, trace_id,
            span_id, part("interaction_id", ""), part("request_id", ""), part("gateway_request_id", ""),
            part("consent_id") or consent, part("payment_id") or payment, part("idempotency", ""), part("customer", ""),
            bool(part("customer_present")),
            resource_in(path) if path and route != path else "",
            "" if resource.service in self.naming.gateway_services else resource.service, upstream_status, responder, flag, -1,
            _size(attributes, "http.request"), _size(attributes, "http.response"), "otlp", resource.instance, resource.version,
            resource.environment, True, part("network", ""),
        ))

    def _codes(self, attributes: dict[str, Any]) -> tuple[tuple[str, ...], str]:
        naming = self.naming
        if not any(name in attributes for name in (*naming.codes, *naming.body)):
            return (), ""
        codes: set[str] = set()
        for name in naming.codes:
            value = attributes.get(name)
            for code in value if isinstance(value, list) else [value]:
                if isinstance(code, str) and code and not code.isdigit():
                    codes.add(code)
        message = ""
        for name in naming.body:
            if name in attributes:
                more, message = codes_and_message(attributes[name])
                codes.update(more)
        return tuple(sorted(codes)), message


@dataclass(slots=True)
class LogSink:
    """Appends log records. One sink a request, since identical records of one request are told apart by their ordinal."""

    seen: dict[bytes, int] = field(default_factory=dict)
    empty: blake2b = field(default_factory=partial(blake2b, digest_size=_ID_BYTES))  # a copy is cheaper than a new one
    rows: list[tuple[Any, ...]] = field(default_factory=list)

    def close(self, records: Records) -> None:
        """Write the gathered rows to the columns; the sink may go on with the next piece of the same file."""
        for column, values in zip(records.logs.values(), zip(*self.rows, strict=True), strict=False):
            column.extend(values)
        self.rows = []

    def add(
        self, records: Records, resource: Resource, *, time: int, observed: int, trace_id: str, span_id: str, severity: int,
        severity_text: str, body: Any, event_name: str, attributes: dict[str, Any],
    ) -> None:
        """One log record. A zero time takes the observed time; an invalid trace ID means: not linked to a trace."""
        at = time or observed
        if not 0 < at <= _MAX_NS:
            reason = "the record has no time" if at == 0 else "the time does not fit nanoseconds since 1970 in 63 bits"
            records.reject("logs", reason, ids=_good(trace_id, ""))
            return
        if not valid_id(trace_id, 32):
            trace_id = span_id = ""
        elif not valid_id(span_id, 16):
            span_id = ""
        if severity_text and "severity_text" not in attributes:
            severity = severity or _SEVERITIES.get(severity_text.upper(), 0)
        text = body if isinstance(body, str) else "" if body is None else orjson.dumps(body).decode()
        severity = severity if 1 <= severity <= 24 else 9
        self.rows.append((
            self._identity(_content(at, trace_id, span_id, severity, text, resource, event_name, attributes)), at, trace_id, span_id,
            severity, text, resource.service, resource.instance, resource.version, resource.environment, event_name,
            *_exception(attributes), attributes, resource.rest,
        ))

    def _identity(self, content: bytes) -> str:
        hashed = self.empty.copy()
        hashed.update(content)
        digest = hashed.digest()
        ordinal = self.seen.get(digest, 0)
        self.seen[digest] = ordinal + 1
        return digest.hex() if not ordinal else blake2b(digest + ordinal.to_bytes(4, "big"), digest_size=_ID_BYTES).hexdigest()


_SEVERITIES: Final = {
    "TRACE": 1, "DEBUG": 5, "INFO": 9, "INFORMATION": 9, "NOTICE": 10, "WARN": 13, "WARNING": 13, "ERROR": 17, "ERR": 17,
    "CRITICAL": 21, "FATAL": 21, "ALERT": 22, "EMERGENCY": 24,
}


def _exception(attributes: dict[str, Any]) -> tuple[str, str, str]:
    if "exception.type" not in attributes and "exception.message" not in attributes:
        return _NO_EXCEPTION
    return (
        _plain(attributes.get("exception.type")), _plain(attributes.get("exception.message")),
        _plain(attributes.get("exception.stacktrace")),
    )


def _plain(value: Any) -> str:
    return "" if value is None else value if isinstance(value, str) else str(value)


def _status(value: Any) -> int:
    if isinstance(value, list):
        value = value[0] if value else 0
    try:
        status = int(value or 0)
    except (TypeError, ValueError):
        return 0
    return status if 100 <= status <= 599 else 0


def _size(attributes: dict[str, Any], prefix: str) -> int:
    for name in (prefix + ".body.size", prefix + ".size"):
        value = attributes.get(name)
        if isinstance(value, int) and 0 <= value <= _MAX_NS:
            return value
    return 0


def _content(
    at: int, trace_id: str, span_id: str, severity: int, text: str, resource: Resource, event_name: str, attributes: dict[str, Any],
) -> bytes:
    """What makes a log record the same record."""
    parts = [at, trace_id, span_id, severity, text, resource.service, resource.instance, event_name, attributes]
    try:
        return orjson.dumps(parts)
    except TypeError:  # lone surrogates, numbers beyond 64 bits
        return repr(parts).encode("utf-8", "replace")


def _good(trace_id: str, span_id: str) -> tuple[str, ...]:
    """Those of the IDs of a refused record that somebody may ask for."""
    return tuple(value for value, length in ((trace_id, 32), (span_id, 16)) if valid_id(value, length))
