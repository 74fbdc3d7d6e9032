"""Entries with keys that the bank chose: a flat view on a JSON object, and a call out of it by lists of names.

Each part of a call has a list of keys, the first that is there wins; the part's own name always comes first, so that a field
map only has to rename keys. Keys are compared without regard to case, dots, dashes and spaces.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

import orjson

from collectors.codes import codes_and_message
from collectors.gateways.call import GatewayCall, correlate, partner_among, responder_of
from collectors.gateways.times import checked, instant, span
from triage.errors import BadInput

Names = Mapping[str, tuple[str, ...]]

_ABSENT: Final = frozenset({"", "-", "null", "None", "<nil>"})
_DEEPEST: Final = 6
_LONGEST_KEY: Final = 200
_MOST_FIELDS: Final = 1000
_PREFIXES: Final = (
    "request_headers_", "response_headers_", "request_header_", "response_header_", "request_", "downstream_",
    "sent_http_", "upstream_http_", "http_request_headers_", "headers_", "http_", "req_", "resp_", "h_",
)
_UNITS: Final = ("ns", "us", "ms", "s")
_INT64: Final = 2**63


def as_object(entry: str | dict[str, Any]) -> dict[str, Any]:
    """An entry as a JSON object."""
    if isinstance(entry, dict):
        return entry
    try:
        found = orjson.loads(entry)
    except (ValueError, UnicodeEncodeError) as error:
        raise BadInput(f"the line is not JSON: {str(error)[:120]}") from None
    if not isinstance(found, dict):
        raise BadInput("the line is JSON, but not an object")
    return found


def has_keys(line: str, *keys: str) -> bool:
    """Whether a line looks like a JSON object with all of these keys, without parsing it."""
    return line.lstrip().startswith("{") and all(f'"{key}"' in line for key in keys)


def text(value: object) -> str:
    """A value as text; '' for what means 'absent' in access logs."""
    if type(value) is str:
        return "" if value in _ABSENT else value
    if isinstance(value, list):
        value = value[0] if value else ""
    if value is None or isinstance(value, (dict, list)):
        return ""
    found = value if isinstance(value, str) else str(value)
    return "" if found in _ABSENT else found


def whole(value: object) -> int:
    """A value as a number of 63 bits, of a list like `502, 200` or `502 : 200` the last; 0 for anything else."""
    if type(value) is int:
        return min(max(value, 0), _INT64 - 1)
    last = text(value).replace(":", ",").rpartition(",")[2].strip()
    if not last.isascii():
        return 0
    digits = last[1:] if last.startswith("+") else last.partition(".")[0]
    return min(int(digits), _INT64 - 1) if digits.isdigit() and len(digits) <= 20 else 0


def status_of(value: object) -> int:
    """An HTTP status; 0 for none. BadInput for a number that is none."""
    number = whole(value)
    if number and not 100 <= number <= 999:
        raise BadInput(f"the status is not one of HTTP: {number}")
    return number


def headers_of(value: object) -> dict[str, str]:
    """Headers by lower-case name."""
    if not isinstance(value, Mapping):
        return {}
    return {str(name).lower().replace("_", "-"): text(item) for name, item in value.items()}


class Fields:
    """A flat view: `{"a": {"b-c": 1}}` answers to `a_b_c`."""

    def __init__(self, entry: Mapping[str, Any], names: Names) -> None:
        self._names = names
        self._values: dict[str, Any] = {}
        self._flatten(entry, "", 0)

    def text(self, part: str) -> str:
        """The text of a part of a call; '' when it is not there."""
        for name in (part, *self._names.get(part, ())):
            found = text(self._values.get(name))
            if found:
                return found
        return ""

    def headers(self) -> dict[str, str]:
        """All values by the names that they would have as headers (`http_x_request_id` -> `x-request-id`)."""
        out: dict[str, str] = {}
        for name, value in self._values.items():
            found = text(value)
            if found:
                for spelling in _header_names(name):
                    out.setdefault(spelling, found)
        return out

    def duration_ns(self, stem: str) -> int:
        """The first duration `<stem>_<unit>` that is there."""
        for unit in _UNITS:
            found = self.text(f"{stem}_{unit}")
            if found:
                return sum(span(part.strip(), unit) for part in found.replace(":", ",").split(","))
        return 0

    def _flatten(self, value: Mapping[str, Any], prefix: str, depth: int) -> None:
        for name, item in value.items():
            if len(self._values) >= _MOST_FIELDS:
                return
            key = prefix + _key(str(name)[:_LONGEST_KEY])
            if isinstance(item, Mapping) and depth < _DEEPEST:
                self._flatten(item, key + "_", depth + 1)
            else:
                self._values.setdefault(key, item)


@lru_cache(maxsize=2048)  # the same keys come with every entry
def _header_names(name: str) -> tuple[str, ...]:
    bare = next((name[len(prefix):] for prefix in _PREFIXES if name.startswith(prefix)), "")
    return tuple(spelling.replace("_", "-") for spelling in (name, bare) if spelling)


@lru_cache(maxsize=2048)
def _key(name: str) -> str:
    return name.strip().lower().replace("-", "_").replace(".", "_").replace(" ", "_").replace("$", "").replace(":", "")


def flat_call(kind: str, entry: str | dict[str, Any], names: Names) -> GatewayCall:
    """A call out of an object with free keys. `names`: for each part of a call the keys that may hold it."""
    fields = Fields(as_object(entry), names)
    duration = fields.duration_ns("duration")
    headers = fields.headers()
    method, path = _request(fields)
    status = status_of(fields.text("status"))
    upstream = fields.duration_ns("upstream")
    upstream_status = whole(fields.text("upstream_status"))
    codes, message = codes_and_message(fields.text("body"))
    code = fields.text("code")
    return GatewayCall(
        kind, _start(fields, duration), duration, method, path,
        route=_template(fields.text("route")),
        status=status,
        partner=partner_among((fields.text("partner"),), headers),
        correlation=correlate(_with_parts(fields, headers), gateway_request_id=fields.text("gateway_request_id")),
        codes=(*codes, code) if code and not code.isdigit() else codes,
        message=fields.text("message") or message,
        service=fields.text("service"),
        upstream_status=upstream_status if 100 <= upstream_status <= 999 else 0,
        responder=fields.text("responder") or responder_of(status, upstream_status),
        flag=fields.text("flag"),
        gateway_ms=_gateway_ms(fields, duration, upstream),
        bytes_in=whole(fields.text("bytes_in")),
        bytes_out=whole(fields.text("bytes_out")),
        instance=fields.text("instance"),
        version=fields.text("version"),
        network=fields.text("client_address"),
        environment=fields.text("environment"),
    )


def _gateway_ms(fields: Fields, duration: int, upstream: int) -> int:
    if any(fields.text(f"gateway_{unit}") for unit in _UNITS):
        return fields.duration_ns("gateway") // 1_000_000
    return max(0, duration - upstream) // 1_000_000 if upstream and duration else -1


def _start(fields: Fields, duration: int) -> int:
    """The start of the request: the time said, or the end less the duration."""
    end = fields.text("end_time")
    if end and not fields.text("time"):
        return checked(instant(end) - duration)
    return instant(fields.text("time"))


def _request(fields: Fields) -> tuple[str, str]:
    method, path = fields.text("method"), fields.text("path")
    line = fields.text("request").split(" ")
    if len(line) > 1:
        method, path = method or line[0], path or line[1]
    if not method and not path:
        raise BadInput("the entry has neither method nor path")
    return method.upper()[:32], path


def _template(route: str) -> str:
    """A route that is a path template; a mere name of a route is none."""
    return route if route.startswith("/") else ""


def _with_parts(fields: Fields, headers: dict[str, str]) -> dict[str, str]:
    """The headers, with the parts that the entry names by themselves."""
    said = {
        "x-fapi-interaction-id": fields.text("interaction_id"), "x-request-id": fields.text("request_id"),
        "consent-id": fields.text("consent_id"), "x-payment-id": fields.text("payment_id"),
        "x-idempotency-key": fields.text("idempotency"), "psu-id": fields.text("customer"),
        "x-b3-traceid": fields.text("trace_id"), "x-b3-spanid": fields.text("span_id"),
    }
    merged = {**headers, **{name: value for name, value in said.items() if value}}
    if fields.text("customer_present").lower() in ("true", "1", "yes"):
        merged.setdefault("psu-ip-address", "present")
    return merged
