"""KrakenD: the community edition's Gin lines, and the enterprise edition's access log in its default form.

Both name neither consumer nor trace; KrakenD's OTLP exporter tells more.
"""

from __future__ import annotations

import re
from typing import Any, Final

from collectors.gateways.call import GatewayCall
from collectors.gateways.fields import Names, flat_call, status_of
from collectors.gateways.times import checked, instant, span
from triage.errors import BadInput

KIND: Final = "krakend"
NAMES: Final[Names] = {
    "end_time": ("timestamp", "@timestamp"),
    "status": ("statuscode", "status_code"),
    "duration_ms": ("latencyms", "latency_ms", "latency"),
    "client_address": ("clientip", "client_ip"),
}
_GIN: Final = re.compile(
    r'.{0,200}?\[GIN\] (?P<time>\d{4}/\d\d/\d\d - \d\d:\d\d:\d\d) '
    r'\|\s*(?P<status>\d{3})\s*\|\s*(?P<duration>\S+?)\s*\|\s*(?P<host>\S+)\s*'
    r'\|\s*(?P<method>[A-Z]+)\s+"(?P<path>[^"]*)"'
)
_ACCESS: Final = re.compile(
    r".{0,200}?(?P<time>\d{4}/\d\d/\d\d - \d\d:\d\d:\d\d(?:\.\d+)?) (?:▶ )?\[AccessLog\]\s*"
    r"\|\s*(?P<status>\d{3})\s*\|\s*(?P<duration>\S+?)\s*"
    r"\|\s*(?P<host>\S+)\s*\|\s*(?P<method>[A-Z]+)\s+\"?(?P<path>[^\s\"]*)"
)
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|μs|ms|s|m|h)")
_FACTORS: Final = {"m": 60, "h": 3600}


def recognise(line: str) -> bool:
    """Whether a line is one of KrakenD's."""
    return "[GIN]" in line or "[AccessLog]" in line


def parse(entry: str | dict[str, Any]) -> GatewayCall:
    """One entry -> one call. Raises BadInput with the reason."""
    if isinstance(entry, dict) or entry.lstrip().startswith("{"):
        return flat_call(KIND, entry, NAMES)
    line = _GIN.match(entry) or _ACCESS.match(entry)
    if line is None:
        raise BadInput("the line is no access-log line of KrakenD")
    duration = _nanoseconds(line["duration"])
    return GatewayCall(
        KIND, checked(instant(line["time"]) - duration), duration, line["method"], line["path"],
        status=status_of(line["status"]),
        network=line["host"],
    )


def _nanoseconds(text: str) -> int:
    """A duration as Go writes it (`1m2.5s`, `367.667µs`); a bare number is milliseconds."""
    parts = _DURATION.findall(text)
    if not parts:
        return span(text, "ms")
    total = 0
    for number, unit in parts:
        if unit in _FACTORS:
            total += span(number, "s") * _FACTORS[unit]
        else:
            total += span(number, "us" if unit in ("µs", "μs") else unit)
    return total
