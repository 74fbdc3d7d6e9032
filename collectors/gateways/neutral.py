"""The neutral JSON format (kind `json`): for gateways without a module of their own.

One object a call. Needed: `time` (ISO 8601, or epoch in s, ms, µs or ns) and `method` or `path`. Known besides, all optional:
`duration_ms` (also `_s`, `_us`, `_ns`), `status`, `route`, `partner`, `service`, `upstream_status`, `upstream_ms`,
`gateway_ms`, `responder` (`gateway` or `upstream`), `flag`, `code`, `message`, `body` (an error body: only its codes are
kept), `bytes_in`, `bytes_out`, `instance`, `version`, `environment`, `trace_id`, `span_id`, `interaction_id`, `request_id`,
`gateway_request_id`, `consent_id`, `payment_id`, `idempotency`, `customer`, `customer_present`, `client_address` (only a keyed
pseudonym of its network is kept), and `headers`, an object with the request's headers. A field map renames other keys to these.
"""

from __future__ import annotations

from typing import Any, Final

from collectors.gateways.call import GatewayCall
from collectors.gateways.fields import Names, flat_call, has_keys

KIND: Final = "json"
NAMES: Final[Names] = {
    "time": ("timestamp", "@timestamp", "start_time", "ts"),
    "status": ("status_code", "http_status", "http_response_status_code"),
    "method": ("http_method", "http_request_method"),
    "path": ("url_path", "uri", "url"),
    "route": ("http_route", "path_template"),
    "partner": ("partner_id", "client_id", "consumer"),
    "client_address": ("client_ip",),
    "code": ("error_code",),
    "message": ("error_message",),
}


def recognise(line: str) -> bool:
    """Whether a line is in the neutral format."""
    return has_keys(line, "time", "path") or has_keys(line, "timestamp", "path") or has_keys(line, "time", "method")


def parse(entry: str | dict[str, Any]) -> GatewayCall:
    """One entry -> one call. Raises BadInput with the reason."""
    return flat_call(KIND, entry, NAMES)
