"""Apache httpd: common, combined and vhost_combined, with `%D` (microseconds) at the end where it is written; and JSON.

Unlike nginx, Apache writes the time at which the request was received.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, Final

from collectors.gateways.call import GatewayCall
from collectors.gateways.combined import COMBINED, combined_call, match_combined
from collectors.gateways.fields import Names, flat_call
from collectors.gateways.times import span

KIND: Final = "apache"
NAMES: Final[Names] = {
    "time": ("timestamp", "@timestamp", "request_time"),
    "duration_us": ("duration", "response_time_us", "d"),
    "path": ("uri", "request_uri", "url"),
    "method": ("request_method",),
    "status": ("status_code", "response"),
    "bytes_out": ("bytes", "bytes_sent", "size"),
    "partner": ("ssl_client_s_dn", "remote_user", "user", "auth"),
    "client_address": ("remote_addr", "remote_ip", "remote_host", "clientip", "client_ip"),
    "instance": ("hostname", "server"),
    "gateway_request_id": ("unique_id", "log_id"),
}
_MICROSECONDS: Final = re.compile(r'(?:^|")\s+(?:\*\*\d+/)?(\d+)(?:\*\*)?\s*$')


def recognise(line: str) -> bool:
    """Whether a line is in one of Apache's formats."""
    return COMBINED.match(line) is not None


def parse(entry: str | dict[str, Any]) -> GatewayCall:
    """One entry -> one call. Raises BadInput with the reason."""
    if isinstance(entry, dict) or entry.lstrip().startswith("{"):
        return flat_call(KIND, entry, NAMES)
    line = match_combined(entry)
    taken = _MICROSECONDS.search(line["rest"])
    call = combined_call(KIND, line)
    return replace(call, duration_ns=span(taken[1], "us")) if taken else call
