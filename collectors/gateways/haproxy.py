"""HAProxy: the HTTP log format (`option httplog`) with or without syslog's head, and JSON with keys of one's own.

Captured headers have no names in a line; IDs in them are found by their look. Times without a zone are taken as UTC.
"""

from __future__ import annotations

import re
from typing import Any, Final

from collectors.gateways.call import Correlation, GatewayCall, correlate
from collectors.gateways.combined import request_line
from collectors.gateways.fields import Names, flat_call, has_keys, whole
from collectors.gateways.times import instant, span
from triage.errors import BadInput

KIND: Final = "haproxy"
NAMES: Final[Names] = {
    "time": ("accept_date", "date_time", "timestamp", "@timestamp"),
    "duration_ms": ("ta", "tt", "time_total", "total_time"),
    "upstream_ms": ("tr", "time_response"),
    "method": ("http_method", "hm"),
    "path": ("http_uri", "hu", "uri", "http_path"),
    "request": ("http_request", "hr"),
    "status": ("status_code", "st", "http_status"),
    "bytes_in": ("bytes_uploaded", "u"),
    "bytes_out": ("bytes_read", "b"),
    "partner": ("ssl_c_s_dn", "client_dn", "consumer"),
    "service": ("backend_name", "backend", "be_name"),
    "flag": ("termination_state", "ts"),
    "client_address": ("client_ip", "ci", "src"),
    "instance": ("hostname", "host"),
    "gateway_request_id": ("unique_id", "id"),
}
_LINE: Final = re.compile(
    r"(?:.{0,200}?haproxy(?:\[\d+\])?: )?(?P<client>\S+) \[(?P<time>\d{1,2}/[A-Za-z]{3}/\d{4}:[\d:.]+)\] (?P<frontend>\S+) "
    r"(?P<backend>[^/\s]+)/(?P<server>\S+) (?P<tq>-?\d+)/(?P<tw>-?\d+)/(?P<tc>-?\d+)/(?P<tr>-?\d+)/\+?(?P<total>\d+) "
    r"(?P<status>-?\d+) \+?(?P<bytes>\d+) \S+ \S+ (?P<state>\S{2,4}) \S+ \S+ "
    r"(?P<captured>(?:\{[^}]*\} ?)*)\"(?P<request>[^\"]*)(?:\"(?P<rest>[^\"]*))?$"
)
_TRACEPARENT: Final = re.compile(r"(?<![0-9a-f])00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(?![0-9a-f])")
_UUID: Final = re.compile(r"(?<![0-9a-f])[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?![0-9a-f])", re.IGNORECASE)


def recognise(line: str) -> bool:
    """Whether a line is one of HAProxy's."""
    return _LINE.match(line) is not None or has_keys(line, "termination_state")


def parse(entry: str | dict[str, Any]) -> GatewayCall:
    """One entry -> one call. Raises BadInput with the reason."""
    if isinstance(entry, dict) or entry.lstrip().startswith("{"):
        return flat_call(KIND, entry, NAMES)
    line = _LINE.match(entry)
    if line is None:
        raise BadInput("the line is not in HAProxy's HTTP log format")
    status = int(line["status"]) if line["status"].isdigit() and 100 <= int(line["status"]) <= 999 else 0
    method, path = request_line(line["request"])
    answered = line["server"] != "<NOSRV>" and not line["tr"].startswith("-")
    total, waited = span(line["total"], "ms"), span(line["tr"], "ms")
    return GatewayCall(
        KIND, instant(line["time"]), total, method, path,
        status=status,
        correlation=_captured(line["captured"] + (line["rest"] or "")),
        service=line["backend"],
        upstream_status=status if answered else 0,
        responder="upstream" if answered else _responder(line["state"]),
        flag=line["state"].rstrip("-"),
        gateway_ms=max(0, total - waited) // 1_000_000 if answered else -1,
        bytes_out=whole(line["bytes"]),
        instance=line["server"] if answered else "",
        network=line["client"],
    )


def _responder(state: str) -> str:
    """By the first letter of the termination state: P, L, R are HAProxy's own doing; S and s the server's; C and c the client's."""
    return "gateway" if state[0] in "PLR" else ""


def _captured(text: str) -> Correlation:
    headers: dict[str, str] = {}
    trace, request_id = _TRACEPARENT.search(text), _UUID.search(text)
    if trace is not None:
        headers["traceparent"] = trace[0]
    if request_id is not None:
        headers["x-request-id"] = request_id[0]
    return correlate(headers)
