"""Traefik: its JSON access log (durations in nanoseconds) and its common format with router, server and duration at the end."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, Final

from collectors.gateways.call import GatewayCall, responder_of
from collectors.gateways.combined import combined_call, match_combined
from collectors.gateways.fields import Names, as_object, flat_call, has_keys, text
from collectors.gateways.times import span

KIND: Final = "traefik"
NAMES: Final[Names] = {
    "time": ("startutc", "startlocal"),
    "duration_ns": ("duration",),
    "method": ("requestmethod",),
    "path": ("requestpath",),
    "status": ("downstreamstatus",),
    "bytes_in": ("requestcontentsize",),
    "bytes_out": ("downstreamcontentsize",),
    "partner": ("clientusername", "tlsclientsubject", "request_x_consumer_username"),
    "service": ("servicename", "serviceurl", "serviceaddr"),
    "upstream_status": ("originstatus",),
    "upstream_ns": ("originduration",),
    "gateway_ns": ("overhead",),
    "client_address": ("clienthost", "clientaddr"),
    "trace_id": ("traceid",),
    "span_id": ("spanid",),
    "request_id": ("request_x_request_id",),
}
_TAIL: Final = re.compile(r' "(?:[^"\\]|\\.)*" "(?:[^"\\]|\\.)*" (\d+) "([^"]*)" "([^"]*)" (\d+)ms\s*$')


def recognise(line: str) -> bool:
    """Whether a line is one of Traefik's."""
    return has_keys(line, "DownstreamStatus") or _TAIL.search(line) is not None


def parse(entry: str | dict[str, Any]) -> GatewayCall:
    """One entry -> one call. Raises BadInput with the reason."""
    if isinstance(entry, dict) or entry.lstrip().startswith("{"):
        found = dict(as_object(entry))
        if "StartUTC" in found or "StartLocal" in found:
            found.pop("time", None)  # when the line was written
        return flat_call(KIND, found, NAMES)
    line = match_combined(entry)
    call = combined_call(KIND, line)
    tail = _TAIL.search(line["rest"])
    if tail is None:
        return call
    server = text(tail[3])
    upstream_status = call.status if server else 0
    return replace(  # the time is the start of the request
        call, duration_ns=span(tail[4], "ms"), service=server.partition("://")[2] or server or text(tail[2]),
        upstream_status=upstream_status, responder=responder_of(call.status, upstream_status),
    )
