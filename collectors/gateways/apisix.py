"""APISIX: http-logger and file-logger entries, its default text access log, and entries of a `log_format` of one's own."""

from __future__ import annotations

import re
from typing import Any, Final

from collectors.gateways.call import GatewayCall, code_in, correlate, partner_among, responder_of
from collectors.gateways.combined import request_line
from collectors.gateways.fields import Names, as_object, flat_call, has_keys, headers_of, status_of, text, whole
from collectors.gateways.times import checked, instant, span
from triage.errors import BadInput

KIND: Final = "apisix"
NAMES: Final[Names] = {
    "time": ("start_time", "@timestamp", "timestamp"),
    "end_time": ("time_iso8601", "time_local", "msec"),
    "duration_s": ("request_time",),
    "duration_ms": ("latency",),
    "method": ("request_method",),
    "path": ("request_uri", "uri"),
    "bytes_in": ("request_length",),
    "bytes_out": ("body_bytes_sent", "bytes_sent"),
    "partner": ("consumer_username", "consumer_name", "consumer"),
    "service": ("upstream_addr", "upstream", "service_id"),
    "upstream_s": ("upstream_response_time",),
    "upstream_ms": ("upstream_latency",),
    "gateway_ms": ("apisix_latency",),
    "trace_id": ("opentelemetry_trace_id",),
    "span_id": ("opentelemetry_span_id",),
    "gateway_request_id": ("apisix_request_id",),
    "client_address": ("client_ip", "remote_addr"),
    "instance": ("server_hostname", "hostname"),
}
_LINE: Final = re.compile(
    r'(?P<host>\S+) - (?P<user>\S+) \[(?P<time>[^\]]+)\] (?P<vhost>\S+) "(?P<request>[^"]*)" (?P<status>\d{3}) (?P<bytes>\d+|-) '
    r'(?P<seconds>[\d.]+|-) "[^"]*" "[^"]*" (?P<upstream>[^"]+?) (?P<upstream_status>[\d ,:-]+) (?P<upstream_seconds>[\d. ,:-]+) '
    r'"[^"]*"(?: "(?P<id>[^"]*)")?\s*$'
)


def recognise(line: str) -> bool:
    """Whether a line is one of APISIX'."""
    return has_keys(line, "start_time", "route_id") or has_keys(line, "apisix_latency") or _LINE.match(line) is not None


def parse(entry: str | dict[str, Any]) -> GatewayCall:
    """One entry -> one call. Raises BadInput with the reason."""
    if isinstance(entry, str) and not entry.lstrip().startswith("{"):
        return _text_call(entry)
    found = as_object(entry)
    request = found.get("request")
    return _call(found, request) if isinstance(request, dict) else flat_call(KIND, found, NAMES)


def _call(entry: dict[str, Any], request: dict[str, Any]) -> GatewayCall:
    response = entry.get("response") if isinstance(entry.get("response"), dict) else {}
    headers, answer = headers_of(request.get("headers")), headers_of((response or {}).get("headers"))
    consumer, server = entry.get("consumer"), entry.get("server")
    status = status_of((response or {}).get("status"))
    answered = entry.get("upstream_latency") is not None
    return GatewayCall(
        KIND,
        instant(entry.get("start_time"), "ms"),
        span(entry.get("latency"), "ms"),
        text(request.get("method")).upper(),
        text(request.get("uri")) or text(request.get("url")),
        status=status,
        partner=partner_among((text(consumer.get("username")),) if isinstance(consumer, dict) else (), headers),
        correlation=correlate(
            {**headers, **({"x-b3-traceid": trace} if (trace := text(entry.get("opentelemetry_trace_id"))) else {})},
            answer, gateway_request_id=text(entry.get("apisix_request_id")) or answer.get("apisix-request-id", ""),
        ),
        codes=code_in(answer),
        service=text(entry.get("service_id")) or text(entry.get("upstream")),
        upstream_status=status if answered else 0,
        responder=responder_of(status, status if answered else 0),
        gateway_ms=span(entry.get("apisix_latency"), "ms") // 1_000_000 if entry.get("apisix_latency") is not None else -1,
        bytes_in=whole(request.get("size")),
        bytes_out=whole((response or {}).get("size")),
        instance=text(server.get("hostname")) if isinstance(server, dict) else "",
        network=text(entry.get("client_ip")),
    )


def _text_call(entry: str) -> GatewayCall:
    line = _LINE.match(entry)
    if line is None:
        raise BadInput("the line is neither JSON nor APISIX' default text format")
    duration = span(line["seconds"], "s")
    method, path = request_line(line["request"])
    status, upstream_status = status_of(line["status"]), whole(line["upstream_status"])
    return GatewayCall(
        KIND, checked(instant(line["time"]) - duration), duration, method, path,
        status=status,
        partner=partner_among((line["user"],), {}),
        correlation=correlate({}, gateway_request_id=line["id"] or ""),
        service=text(line["upstream"]),
        upstream_status=upstream_status,
        responder=responder_of(status, upstream_status),
        bytes_out=whole(line["bytes"]),
        network=line["host"],
    )
