"""The combined log format (NCSA, Apache, nginx) that several gateways build on."""

from __future__ import annotations

import re
from typing import Final

from collectors.gateways.call import Correlation, GatewayCall
from collectors.gateways.fields import status_of, whole
from collectors.gateways.partner import partner_of
from collectors.gateways.times import checked, instant
from triage.domain.columns import NO_PARTNER
from triage.errors import BadInput

_QUOTED: Final = r'"((?:[^"\\]|\\.)*)"'
COMBINED: Final = re.compile(
    r"(?P<host>\S+) (?:(?P<second>\S+) )?(?P<identity>\S+) (?P<user>\S+(?: \S+)?) \[(?P<time>[^\]]+)\] "
    rf"(?P<request>{_QUOTED}) (?P<status>\d{{3}}|-) (?P<bytes>\d+|-)(?P<rest>.*)",
    re.DOTALL,
)
"""Groups: host, user, time, request (with its quotes), status, bytes, rest (referer, user agent and what follows)."""


def combined_call(
    kind: str, line: re.Match[str], *, duration_ns: int = 0, gateway_request_id: str = "",
) -> GatewayCall:
    """A call out of a match of COMBINED. The time of such a line is the end of the request, but for Apache."""
    method, path = request_line(line["request"].strip('"'))
    return GatewayCall(
        kind,
        checked(instant(line["time"]) - duration_ns),
        duration_ns,
        method,
        path,
        status=status_of(line["status"]),
        partner=partner_of(line["user"]) or NO_PARTNER,
        correlation=Correlation(gateway_request_id=gateway_request_id),
        bytes_out=whole(line["bytes"]),
        network=line["second"] if line["second"] not in (None, "-") else line["host"],  # a virtual host may stand in front
    )


def request_line(line: str) -> tuple[str, str]:
    """Method and target of `GET /path HTTP/1.1`; what is no request line (a TLS hello, nothing) has neither."""
    parts = line.split(" ")
    if len(parts) >= 2 and parts[0].isascii() and parts[0].isalpha():
        target = " ".join(parts[1:-1]) if len(parts) > 2 and parts[-1].startswith("HTTP/") else " ".join(parts[1:])
        return parts[0].upper()[:32], target
    return "", ""


def match_combined(line: str) -> re.Match[str]:
    """The line as a match of COMBINED. Raises BadInput."""
    found = COMBINED.match(line)
    if found is None:
        raise BadInput("the line is not in the combined log format")
    return found
