"""Tyk: analytics records of the pump (JSON), and the gateway's access log (logrus text or JSON).

Of the pump's `raw_request` and `raw_response` only headers and error codes are read; the payloads are not kept.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import replace
from typing import Any, Final

from collectors.codes import codes_and_message
from collectors.gateways.call import GatewayCall, correlate, partner_among, responder_of
from collectors.gateways.fields import Names, as_object, flat_call, has_keys, status_of, text, whole
from collectors.gateways.times import checked, instant, span, yearless
from triage.errors import BadInput

KIND: Final = "tyk"
NAMES: Final[Names] = {
    "end_time": ("timestamp", "@timestamp"),
    "duration_ms": ("latency_total",),
    "path": ("original_path",),
    "partner": ("alias", "oauth_id", "client_id", "api_key"),
    "service": ("upstream_addr", "api_name", "api_id"),
    "upstream_ms": ("upstream_latency",),
    "gateway_ms": ("latency_gateway",),
    "flag": ("response_flag",),
    "message": ("response_code_details",),
    "client_address": ("client_ip", "remote_addr"),
    "instance": ("hostname",),
}
_PAIR: Final = re.compile(r'([A-Za-z_][\w.]*)=("(?:[^"\\]|\\.)*"|\S*)')
_LARGEST: Final = 1 << 20
_YEARLESS: Final = re.compile(r"[A-Za-z]{3}\s+\d")


def recognise(line: str) -> bool:
    """Whether a line is one of Tyk's."""
    return has_keys(line, "api_id", "response_code") or "prefix=access-log" in line or (
        has_keys(line, "prefix", "latency_total") and "access-log" in line)


def parse(entry: str | dict[str, Any]) -> GatewayCall:
    """One entry -> one call. Raises BadInput with the reason."""
    if isinstance(entry, str) and not entry.lstrip().startswith("{"):
        return _access(_pairs(entry))
    found = as_object(entry)
    return _record(found) if "response_code" in found and "request_time" in found else _access(found)


def _pairs(line: str) -> dict[str, Any]:
    found = {key: value.strip('"') for key, value in _PAIR.findall(line)}
    if "method" not in found or "status" not in found:
        raise BadInput("the line is not an access-log line of Tyk")
    return found


def _access(entry: dict[str, Any]) -> GatewayCall:
    said = text(entry.get("time"))
    entry = {**entry, "end_time": said, "time": ""}
    if not _YEARLESS.match(said):
        return _judged(flat_call(KIND, entry, NAMES))
    end = yearless(said)
    call = flat_call(KIND, {**entry, "end_time": end}, NAMES)
    return replace(_judged(call), yearless=True)


def _judged(call: GatewayCall) -> GatewayCall:
    """No flag: the upstream answered. `upstream_status` is only written on errors."""
    answered = not call.flag and call.gateway_ms >= 0
    if not answered:
        return call
    return replace(call, responder="upstream", upstream_status=call.upstream_status or call.status)


def _record(entry: dict[str, Any]) -> GatewayCall:
    duration = span(entry.get("request_time"), "ms")
    latency = entry.get("latency") if isinstance(entry.get("latency"), dict) else {}
    network = entry.get("network") if isinstance(entry.get("network"), dict) else {}
    headers, _ = _message(entry.get("raw_request"))
    answer, body = _message(entry.get("raw_response"))
    codes, message = codes_and_message(body)
    upstream_ms = whole((latency or {}).get("upstream"))
    status = status_of(entry.get("response_code"))
    return GatewayCall(
        KIND,
        checked(instant(entry.get("timestamp")) - duration),
        duration,
        text(entry.get("method")).upper(),
        text(entry.get("raw_path")) or text(entry.get("path")),
        status=status,
        partner=partner_among((text(entry.get("alias")), text(entry.get("oauth_id")), text(entry.get("api_key"))), headers),
        correlation=correlate(headers, answer),
        codes=codes,
        message=message,
        service=text(entry.get("api_name")) or text(entry.get("api_id")),
        upstream_status=status if upstream_ms else 0,
        responder=responder_of(status, status if upstream_ms else 0),
        gateway_ms=max(0, duration // 1_000_000 - upstream_ms) if upstream_ms else -1,
        bytes_in=whole((network or {}).get("bytes_in")) or whole(entry.get("content_length")),
        bytes_out=whole((network or {}).get("bytes_out")),
        network=text(entry.get("ip_address")),
        version=text(entry.get("api_version")) if entry.get("api_version") != "Non Versioned" else "",
    )


def _message(raw: object) -> tuple[dict[str, str], bytes]:
    """Headers (lower-case names) and body of an HTTP message in base64; nothing of what is none."""
    if not isinstance(raw, str) or not raw or len(raw) > _LARGEST:
        return {}, b""
    try:
        decoded = base64.b64decode(raw, validate=False)
    except (binascii.Error, ValueError):
        return {}, b""
    head, _, body = decoded.partition(b"\r\n\r\n")
    headers: dict[str, str] = {}
    for line in head.decode("utf-8", "replace").split("\r\n")[1:]:
        name, sign, value = line.partition(":")
        if sign:
            headers.setdefault(name.strip().lower(), value.strip())
    return headers, body
