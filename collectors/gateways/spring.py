"""Spring Cloud Gateway: the access log of Reactor Netty, today's and the older form. It names neither consumer nor route."""

from __future__ import annotations

import re
from typing import Any, Final

from collectors.gateways.call import GatewayCall, partner_among
from collectors.gateways.fields import Names, flat_call, status_of, whole
from collectors.gateways.times import instant, span
from triage.errors import BadInput

KIND: Final = "spring"
NAMES: Final[Names] = {
    "time": ("timestamp", "@timestamp", "accessdatetime"),
    "duration_ms": ("duration",),
    "path": ("uri",),
    "bytes_out": ("contentlength",),
    "partner": ("user",),
    "client_address": ("remoteaddress", "remote_address", "address"),
}
_LINE: Final = re.compile(
    r'(?:.{0,200}?[ :])??(?P<host>[0-9A-Fa-f.:\[\]%/]+|-) - (?P<user>\S+) \[(?P<time>[^"]+)\] '
    r'"(?P<method>[A-Z]+) (?P<path>\S*) [^"]*" '
    r"(?P<status>\d{3}) (?P<bytes>\d+|-)(?: (?P<port>\d+))? (?P<ms>\d+)(?: ms)?\s*$"
)


def recognise(line: str) -> bool:
    """Whether a line is one of Spring Cloud Gateway's."""
    return _LINE.match(line) is not None


def parse(entry: str | dict[str, Any]) -> GatewayCall:
    """One entry -> one call. Raises BadInput with the reason."""
    if isinstance(entry, dict) or entry.lstrip().startswith("{"):
        return flat_call(KIND, entry, NAMES)
    line = _LINE.match(entry)
    if line is None:
        raise BadInput("the line is not in Reactor Netty's access-log format")
    return GatewayCall(
        KIND, instant(line["time"]), span(line["ms"], "ms"), line["method"], line["path"],
        status=status_of(line["status"]),
        partner=partner_among((line["user"],), {}),
        bytes_out=whole(line["bytes"]),
        network=line["host"],
    )
