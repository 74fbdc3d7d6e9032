"""Times, numbers and names as people read them. All times are UTC and say so where they stand alone."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from triage.domain.windows import DAY_NS, HOUR_NS, MINUTE_NS, NS, rfc3339

_MONTHS: Final = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
                  "November", "December")

OUTCOME_WORDS: Final[dict[str, str]] = {
    "ok": "worked",
    "customer_error": "customer must act",
    "partner_error": "partner's request refused",
    "gateway_error": "gateway failed",
    "bank_error": "bank's service failed",
    "external_error": "outside provider failed",
    "unknown": "unknown",
}
SIDE_WORDS: Final[dict[str, str]] = {
    "customer": "customer's side", "partner": "partner's side", "gateway": "gateway's side", "bank": "bank's side",
    "external": "outside provider's side", "unknown": "side not known",
}
KIND_WORDS: Final[dict[str, str]] = {
    "errors": "errors", "latency": "slow answers", "traffic_drop": "traffic dropped", "traffic_surge": "traffic surged",
    "endpoint_down": "endpoint down", "abnormal_use": "abnormal use",
}
MATCH_WORDS: Final[dict[str, str]] = {
    "trace_id": "trace ID", "span_id": "span ID", "interaction_id": "interaction ID", "request_id": "request ID",
    "gateway_request_id": "gateway request ID", "consent_id": "consent ID", "payment_id": "payment ID",
    "complaint_id": "complaint number", "witness_id": "call ID",
}


def _at(time_ns: int) -> datetime:
    return datetime.fromtimestamp(time_ns / NS, UTC)


def clock_time(time_ns: int) -> str:
    """'03:04', or '' for no time."""
    return f"{_at(time_ns):%H:%M}" if time_ns else ""


def clock_ms(time_ns: int) -> str:
    """'03:04:41.120'."""
    return f"{_at(time_ns):%H:%M:%S}.{time_ns // 1_000_000 % 1000:03d}" if time_ns else ""


def short_time(time_ns: int, now_ns: int) -> str:
    """'03:04' on the same day, '12 Sep 03:04' in the same year, else '12 Sep 2025'."""
    if not time_ns:
        return ""
    at, now = _at(time_ns), _at(now_ns)
    if at.date() == now.date():
        return f"{at:%H:%M}"
    month = _MONTHS[at.month - 1][:3]
    return f"{at.day} {month} {at:%H:%M}" if at.year == now.year else f"{at.day} {month} {at.year}"


def spoken_time(time_ns: int, now_ns: int) -> str:
    """'today at 03:06 (UTC)', 'yesterday at …', 'on 12 September at …'."""
    at, now = _at(time_ns), _at(now_ns)
    days = (now.date() - at.date()).days
    when = f"at {at:%H:%M} (UTC)"
    if days == 0:
        return f"today {when}"
    if days == 1:
        return f"yesterday {when}"
    year = "" if at.year == now.year else f" {at.year}"
    return f"on {at.day} {_MONTHS[at.month - 1]}{year} {when}"


def span_of_time(length_ns: int) -> str:
    """A length of time in the roughest unit that helps: '42 s', '11 min', '1 h 15', '3 days'."""
    length_ns = max(0, length_ns)
    if length_ns < MINUTE_NS:
        return f"{length_ns // NS} s"
    if length_ns < HOUR_NS:
        return f"{length_ns // MINUTE_NS} min"
    if length_ns < 2 * DAY_NS:
        return f"{length_ns // HOUR_NS} h {length_ns % HOUR_NS // MINUTE_NS:02d}"
    return f"{length_ns // DAY_NS} days"


def duration(length_ns: int) -> str:
    """How long a call took: '0.8 ms', '42 ms', '1.24 s', '30.0 s', '2 min 05'."""
    ms = length_ns / 1e6
    if ms < 10:
        return f"{ms:.1f} ms"
    if ms < 1000:
        return f"{ms:.0f} ms"
    if ms < 10_000:
        return f"{ms / 1000:.2f} s"
    if ms < 120_000:
        return f"{ms / 1000:.1f} s"
    return f"{int(ms // 60_000)} min {int(ms % 60_000 // 1000):02d}"


def count(number: int) -> str:
    """'1,842'."""
    return f"{number:,}"


def size(number: int) -> str:
    """Bytes for people: 1.4 MiB."""
    value, unit = float(number), "bytes"
    for following in ("KiB", "MiB", "GiB", "TiB"):
        if value < 1024:
            break
        value, unit = value / 1024, following
    return f"{value:.0f} {unit}" if unit == "bytes" else f"{value:.1f} {unit}"


def share(part: float, whole: float = 1.0) -> str:
    """'31 %', '0.2 %', '—' of nothing."""
    if not whole:
        return "—"
    percent = 100 * part / whole
    if percent == 0:
        return "0 %"
    if percent < 0.05:
        return "< 0.1 %"
    return f"{percent:.1f} %" if percent < 10 and round(percent, 1) != round(percent) else f"{percent:.0f} %"


def plural(number: int, one: str, many: str = "") -> str:
    """'1 call', '12 calls'."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def side_words(side: str) -> str:
    """'bank's side'."""
    return SIDE_WORDS.get(side, SIDE_WORDS["unknown"])


def iso(time_ns: int) -> str:
    """RFC 3339, or '' for no time."""
    return rfc3339(time_ns) if time_ns else ""
