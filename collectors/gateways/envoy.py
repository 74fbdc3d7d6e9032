"""Envoy: the default text format, and JSON (`json_format`) with the names of its command operators."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, Final

from collectors.gateways.call import GatewayCall, correlate, partner_among, responder_of
from collectors.gateways.fields import Names, flat_call, has_keys, status_of, text, whole
from collectors.gateways.times import instant, span
from triage.errors import BadInput

KIND: Final = "envoy"
NAMES: Final[Names] = {
    "time": ("start_time", "@timestamp", "timestamp"),
    "duration_ms": ("duration",),
    "method": ("req_method", "request_method", "x_envoy_method"),
    "path": ("x_envoy_original_path", "original_path", "req_path", "request_path", "uri"),
    "status": ("response_code",),
    "bytes_in": ("bytes_received",),
    "bytes_out": ("bytes_sent",),
    "partner": ("x_consumer_username", "client_id", "jwt_client_id", "downstream_peer_subject", "downstream_peer_uri_san"),
    "route": ("route_name", "route_template"),
    "service": ("upstream_cluster", "upstream_host"),
    "upstream_ms": ("upstream_service_time", "x_envoy_upstream_service_time", "resp_x_envoy_upstream_service_time"),
    "flag": ("response_flags",),
    "message": ("upstream_transport_failure_reason",),
    "code": ("ob_error_code", "error_code"),
    "client_address": ("x_forwarded_for", "downstream_remote_address", "downstream_direct_remote_address"),
    "instance": ("node_id", "hostname", "pod_name"),
    "request_id": ("x_request_id", "req_x_request_id"),
}
_LINE: Final = re.compile(
    r'\[(?P<time>[^\]]+)\] "(?P<method>\S+) (?P<path>\S*) (?P<protocol>[^"]*)" (?P<status>\d+|-) (?P<flags>\S+) '
    r"(?:(?P<details>\S+) (?P<termination>\S+) \"[^\"]*\" )?"  # Istio writes details, termination and failure reason here
    r'(?P<bytes_in>\d+|-) (?P<bytes_out>\d+|-) (?P<duration>\d+|-) (?P<upstream>\d+|-) '
    r'"(?P<forwarded>[^"]*)" "(?P<agent>[^"]*)" "(?P<request_id>[^"]*)" "(?P<authority>[^"]*)" "(?P<host>[^"]*)"(?P<rest>.*)',
    re.DOTALL,
)
_FROM_GATEWAY: Final = re.compile(r"[A-Z]{2,5}(?:,[A-Z]{2,5})*")


def recognise(line: str) -> bool:
    """Whether a line is one of Envoy's."""
    return has_keys(line, "response_flags") or has_keys(line, "response_code", "upstream_cluster") or _LINE.match(line) is not None


def parse(entry: str | dict[str, Any]) -> GatewayCall:
    """One entry -> one call. Raises BadInput with the reason."""
    if isinstance(entry, dict) or entry.lstrip().startswith("{"):
        return _judged(flat_call(KIND, entry, NAMES))
    line = _LINE.match(entry)
    if line is None:
        raise BadInput("the line is neither JSON nor Envoy's default text format")
    headers = {"x-request-id": text(line["request_id"])}
    duration, upstream = span(line["duration"], "ms"), span(line["upstream"], "ms")
    return _judged(GatewayCall(
        KIND, instant(line["time"]), duration, line["method"].upper()[:32], line["path"],
        status=_status(line["status"]),
        partner=partner_among((), headers),
        correlation=correlate(headers),
        service=text(line["host"]),
        flag=text(line["flags"]),
        gateway_ms=max(0, duration - upstream) // 1_000_000 if line["upstream"] != "-" else -1,
        bytes_in=whole(line["bytes_in"]),
        bytes_out=whole(line["bytes_out"]),
        network=text(line["forwarded"]) or _istio_caller(line["rest"]),
    ))


def _status(value: str) -> int:
    """Envoy writes 0 when the client went away before an answer."""
    return 0 if value in ("0", "-") else status_of(value)


def _istio_caller(rest: str) -> str:
    """Istio writes cluster, own address to it, address called and the caller's behind Envoy's own fields."""
    return more[3] if len(more := rest.split()) > 3 else ""


def _judged(call: GatewayCall) -> GatewayCall:
    """Of several flags the first; an answer of the upstream itself carries no flag, one of Envoy's own does."""
    flag = call.flag.partition(",")[0] if _FROM_GATEWAY.fullmatch(call.flag) else ""
    answered = not flag and call.gateway_ms >= 0
    return replace(
        call, flag=flag, upstream_status=call.upstream_status or (call.status if answered else 0),
        responder="upstream" if answered else responder_of(call.status, call.upstream_status),
    )
