"""Stretches of event time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

NS: Final = 1_000_000_000
MINUTE_NS: Final = 60 * NS
HOUR_NS: Final = 60 * MINUTE_NS
DAY_NS: Final = 24 * HOUR_NS


@dataclass(frozen=True, slots=True)
class Window:
    """Event time from `start_ns` (inclusive) to `end_ns` (exclusive), nanoseconds since 1970 (UTC)."""

    start_ns: int
    end_ns: int


def rfc3339(time_ns: int) -> str:
    """A time as RFC 3339 in UTC, with milliseconds."""
    seconds, rest = divmod(time_ns, NS)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest // 1_000_000:03d}Z"


def from_rfc3339(text: str) -> int:
    """The inverse of `rfc3339`, for every RFC 3339 text with an offset. Raises ValueError."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(f"{text!r} has no offset; write a Z or +hh:mm behind it")
    whole = at.replace(microsecond=0)
    return int(whole.timestamp()) * NS + at.microsecond * 1000


def day_of(time_ns: int) -> str:
    """The UTC day that a record belongs to, as YYYY-MM-DD: the name of its partition."""
    return datetime.fromtimestamp(time_ns // NS, UTC).strftime("%Y-%m-%d")
