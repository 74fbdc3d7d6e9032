"""Words of query parameters -> conditions and windows: `504` or `5xx`, `250` ms, `name=value`, `1h`, a time. They raise BadInput."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from triage.domain.windows import DAY_NS, HOUR_NS, Window, from_rfc3339
from triage.errors import BadInput
from triage.ports.records import Condition

_LATEST_NS: Final = 2**62
_MS_NS: Final = 1_000_000
_LONGEST_MS: Final = 10**9


def number_or_class(column: str, name: str, text: str) -> list[Condition]:
    """'504', or '5xx' for all of them."""
    if len(text) == 3 and text[0].isdecimal() and text[1:].lower() == "xx":
        low = int(text[0]) * 100
        return [Condition(column, ">=", low), Condition(column, "<=", low + 99)]
    if not text.isdecimal() or int(text) > 999:
        raise BadInput(f"`{name}` is a number such as 504, or 5xx.")
    return [Condition(column, "=", int(text))]


def at_least_ms(text: str) -> Condition:
    """'250': what took 250 ms or longer."""
    try:
        ms = float(text)
    except ValueError:
        ms = -1.0
    if not 0 <= ms <= _LONGEST_MS:
        raise BadInput("`min_ms` is a number of milliseconds, such as 250.")
    return Condition("duration_ns", ">=", round(ms * _MS_NS))


def attribute_of(text: str) -> Condition:
    """'http.route=/payments', or with a star at the end what begins so."""
    name, equals, value = text.partition("=")
    if not equals or not name.strip() or not value:
        raise BadInput("`attribute` is name=value, such as http.route=/payments; a star at the end stands for anything.")
    column = f"attributes.{name.strip()}"
    if value.endswith("*"):
        return Condition(column, "prefix", value[:-1])
    return Condition(column, "=", value)


def window_of(filters: Mapping[str, str], now_ns: int) -> Window | None:
    """`since` and `until`; None when neither is given."""
    since, until = filters.get("since", ""), filters.get("until", "")
    if not since and not until:
        return None
    window = Window(time_of(since, now_ns) if since else 0, time_of(until, now_ns) if until else _LATEST_NS)
    if window.start_ns >= window.end_ns:
        raise BadInput("`until` has to be later than `since`.")
    return window


def time_of(text: str, now_ns: int) -> int:
    """'1h', '24h' (so long ago), or RFC 3339."""
    if text[:-1].isdecimal() and text[-1:] in ("h", "d", "m"):
        return now_ns - int(text[:-1]) * {"m": HOUR_NS // 60, "h": HOUR_NS, "d": DAY_NS}[text[-1]]
    try:
        return from_rfc3339(text if ("T" in text and text[-1:] == "Z") or "+" in text else f"{text}Z")
    except (ValueError, OverflowError):
        raise BadInput(f"'{text}' is no time; write 1h, 7d or 2026-01-31T18:00:00Z.") from None
