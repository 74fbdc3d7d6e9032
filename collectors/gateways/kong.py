"""Kong: http-log and file-log entries (the fields of its `pdk/log.lua`), and its text access log with a request ID.

Of the entry's `tries` only the status list of the upstream is used: its last one is the answer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from collectors.gateways.call import GatewayCall, code_in, correlate, partner_among, responder_of
from collectors.gateways.combined import COMBINED, combined_call
from collectors.gateways.fields import as_object, has_keys, headers_of, status_of, text, whole
from collectors.gateways.times import instant, span
from triage.errors import BadInput

KIND: Final = "kong"
_TAIL: Final = re.compile(r'\s+kong_request_id: "([^"]*)"\s*$')
_PATTERN: Final = re.compile(r"\(\?P?<(\w+)>(?:[^()\\]|\\.)*\)")


def recognise(line: str) -> bool:
    """Whether a line is one of Kong's."""
    return has_keys(line, "started_at", "latencies", "request") or 'kong_request_id: "' in line


def parse(entry: str | dict[str, Any]) -> GatewayCall:
    """One entry -> one call. Raises BadInput with the reason."""
    if isinstance(entry, str) and not entry.lstrip().startswith("{"):
        tail = _TAIL.search(entry)
        line = COMBINED.match(entry[: tail.start()] if tail else entry)
        if line is None:
            raise BadInput("the line is neither a JSON entry nor Kong's text access log")
        return combined_call(KIND, line, gateway_request_id=tail[1] if tail else "")
    return _call(as_object(entry))


def _call(entry: dict[str, Any]) -> GatewayCall:
    request, response, latencies = (_part(entry, name) for name in ("request", "response", "latencies"))
    if not request:
        raise BadInput("the entry has no request")
    headers, answer = headers_of(request.get("headers")), headers_of(response.get("headers"))
    consumer, service = _part(entry, "consumer"), _part(entry, "service")
    kong_ms = latencies.get("kong")
    status = status_of(response.get("status"))
    return GatewayCall(
        KIND,
        instant(entry.get("started_at"), "ms"),
        span(latencies.get("request"), "ms"),
        text(request.get("method")).upper(),
        text(request.get("uri")) or text(request.get("url")),
        route=_route(_part(entry, "route")),
        status=status,
        partner=partner_among((text(consumer.get("username")), text(consumer.get("custom_id"))), headers),
        correlation=correlate(
            headers, answer, kong=_part(entry, "trace_id"),
            gateway_request_id=text(request.get("id")) or text(entry.get("correlation_id")),
        ),
        codes=code_in(answer),
        service=text(service.get("name")) or text(service.get("host")),
        upstream_status=whole(entry.get("upstream_status")),
        responder=_responder(text(entry.get("source")), status),
        gateway_ms=whole(kong_ms) if isinstance(kong_ms, int) and kong_ms >= 0 else -1,
        bytes_in=whole(request.get("size")),
        bytes_out=whole(response.get("size")),
        instance=text(entry.get("node")) or text(entry.get("hostname")),
        network=text(entry.get("client_ip")),
        environment=text(entry.get("workspace_name")) if entry.get("workspace_name") != "default" else "",
    )


def _responder(source: str, status: int) -> str:
    return "upstream" if source in ("upstream", "service") else responder_of(status, 0) if source else ""


def _part(entry: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = entry.get(name)
    return part if isinstance(part, dict) else {}


def _route(route: Mapping[str, Any]) -> str:
    """The template of a route with one regular expression (`~/accounts/(?<id>[^/]+)$`); plain paths are prefixes, no templates."""
    paths = route.get("paths")
    if not isinstance(paths, list) or len(paths) != 1 or not text(paths[0]).startswith("~/"):
        return ""
    template = _PATTERN.sub(lambda found: "{" + found[1] + "}", text(paths[0])[1:]).removesuffix("$").replace("\\", "")
    return "" if set("()[]*+?|^$") & set(template) else template
