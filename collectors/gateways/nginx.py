"""nginx: the combined format, and JSON with keys that the bank chose (the names of nginx' variables are known)."""

from __future__ import annotations

import re
from typing import Any, Final

from collectors.gateways.call import GatewayCall
from collectors.gateways.combined import COMBINED, combined_call, match_combined
from collectors.gateways.fields import Names, as_object, flat_call, has_keys
from collectors.gateways.times import span

KIND: Final = "nginx"
NAMES: Final[Names] = {
    "time": ("start_time", "request_start"),
    "end_time": ("msec", "time_iso8601", "time_local", "timestamp", "@timestamp"),
    "duration_s": ("request_time",),
    "method": ("request_method",),
    "path": ("request_uri", "uri", "url"),
    "status": ("status_code", "response_code"),
    "bytes_in": ("request_length",),
    "bytes_out": ("body_bytes_sent", "bytes_sent"),
    "partner": ("http_x_consumer_username", "consumer", "client_id", "ssl_client_s_dn", "ssl_client_subject", "remote_user"),
    "service": ("upstream_name", "proxy_host", "upstream_addr"),
    "upstream_s": ("upstream_response_time",),
    "code": ("ob_error_code", "error_code"),
    "client_address": ("remote_addr", "http_x_forwarded_for"),
    "instance": ("hostname", "server_instance"),
    "gateway_request_id": ("req_id",),
    "request_id": ("http_x_request_id", "sent_http_x_request_id"),
}
_TIMES: Final = re.compile(r'^\s*"(?:[^"\\]|\\.)*" "(?:[^"\\]|\\.)*"(?: "(?:[^"\\]|\\.)*")? (?:rt=)?(\d+\.\d{3})(?!\d)')


def recognise(line: str) -> bool:
    """Whether a line is one of nginx's."""
    return has_keys(line, "remote_addr") or has_keys(line, "request_method", "status") or COMBINED.match(line) is not None


def parse(entry: str | dict[str, Any]) -> GatewayCall:
    """One entry -> one call. Raises BadInput with the reason."""
    if isinstance(entry, dict) or entry.lstrip().startswith("{"):
        found = dict(as_object(entry))
        own = found.pop("request_id", None)  # nginx' own ID of the request; X-Request-ID is `http_x_request_id`
        return flat_call(KIND, found if own is None else {"gateway_request_id": own, **found}, NAMES)
    line = match_combined(entry)
    seconds = _TIMES.match(line["rest"])
    return combined_call(KIND, line, duration_ns=span(seconds[1], "s") if seconds else 0)
