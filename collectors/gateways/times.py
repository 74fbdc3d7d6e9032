"""Times and durations of access logs -> nanoseconds. Exact: no floating point on the way. Errors: BadInput with the reason."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal, InvalidOperation
from typing import Final

from triage.errors import BadInput

NS_PER: Final[dict[str, int]] = {"ns": 1, "us": 1_000, "ms": 1_000_000, "s": 1_000_000_000}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND: Final = 1_000_000_000
_INT64: Final = 2**63
_LARGEST_POWER: Final = 22  # of ten; a number beyond cannot be a time
_MONTHS: Final = {name: place for place, name in enumerate(
    ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), 1)}
_COMMON: Final = re.compile(r"(\d{1,2})/([A-Za-z]{3})/(\d{4}):(\d{2}):(\d{2}):(\d{2})(\.\d{1,9})?(?: ([+-]\d{4}|Z))?")
_ISO: Final = re.compile(
    r"(\d{4})[-/](\d{2})[-/](\d{2})(?:[T ]| - )(\d{2}):(\d{2}):(\d{2})"
    r"(?:[.,](\d{1,9})\d*)?\s?(Z|UTC|[+-]\d{2}:?\d{2})?(?:\[[\w/+-]+\])?"
)
_YEARLESS: Final = re.compile(r"([A-Za-z]{3})\s+(\d{1,2}) (\d{2}):(\d{2}):(\d{2})")
_LEAP_YEAR: Final = 2000
_NUMBER: Final = re.compile(r"-?\d{1,24}(?:\.\d{1,24})?(?:[eE][+-]?\d{1,3})?")
_EPOCH_UNITS: Final = ((10**17, 1), (10**14, 1_000), (10**11, 1_000_000), (0, _SECOND))


def instant(value: object, unit: str = "") -> int:
    """A point in time as nanoseconds since 1970: an epoch number (in `unit`, or by its size), ISO 8601 or common-log date."""
    text = str(value).strip().strip("[]") if isinstance(value, (str, int, float)) and not isinstance(value, bool) else ""
    if not text:
        raise BadInput("the entry has no time")
    common = _COMMON.fullmatch(text)
    if common is not None:
        day, month, year, hour, minute, second, fraction, zone = common.groups()
        number = _MONTHS.get(month.lower(), 0)
        return _moment((year, str(number), day, hour, minute, second), (fraction or ".")[1:], zone)
    iso = _ISO.fullmatch(text) or _ISO.fullmatch(text + "]")
    if iso is not None:
        return _moment(iso.groups()[:6], iso[7] or "", iso[8])
    return _epoch(text, unit)


def span(value: object, unit: str) -> int:
    """A duration in `unit` as nanoseconds; 0 when absent, negative or no number."""
    number = _decimal(str(value).strip()) if isinstance(value, (str, int, float)) and not isinstance(value, bool) else None
    if number is None or number < 0:
        return 0
    return min(int(number * NS_PER[unit]), _INT64 - 1)


def yearless(text: str) -> int:
    """A date without a year (`Mar 05 10:15:30`, UTC), as if it were 2000, a leap year. See `in_nearest_year`."""
    found = _YEARLESS.fullmatch(text.strip())
    if found is None:
        raise BadInput("the time cannot be read")
    month = str(_MONTHS.get(found[1].lower(), 0))
    return _moment((str(_LEAP_YEAR), month, *found.groups()[1:]), "", None)


def in_nearest_year(ns: int, near_ns: int) -> int:
    """A time of 2000 moved to the year that brings it nearest to another time."""
    moment = _EPOCH + timedelta(microseconds=ns // 1_000)
    year = (_EPOCH + timedelta(microseconds=near_ns // 1_000)).year
    candidates = []
    for wanted in (year - 1, year, year + 1):
        try:
            since = moment.replace(year=wanted) - _EPOCH
        except ValueError:  # 29 February of another year
            continue
        candidates.append((since.days * 86_400 + since.seconds) * _SECOND + ns % _SECOND)
    return min(candidates, key=lambda candidate: abs(candidate - near_ns), default=ns)


def checked(ns: int) -> int:
    """The time, if it fits: after 1970 and within 63 bits."""
    if not 0 < ns < _INT64:
        raise BadInput("the time does not fit nanoseconds since 1970 in 63 bits")
    return ns


def _moment(parts: tuple[str | None, ...], fraction: str, zone: str | None) -> int:
    try:
        moment = datetime(*(int(part or 0) for part in parts), tzinfo=_zone(zone))  # type: ignore[misc,arg-type]
        since = moment - _EPOCH
    except (ValueError, OverflowError) as error:
        raise BadInput(f"the time is not a date: {error}") from None
    return checked((since.days * 86_400 + since.seconds) * _SECOND + int(fraction.ljust(9, "0")))


def _zone(text: str | None) -> timezone:
    if not text or text in ("Z", "UTC"):
        return UTC
    digits = text[1:].replace(":", "")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(-offset if text[0] == "-" else offset)


def _epoch(text: str, unit: str) -> int:
    number = _decimal(text)
    if number is None:
        raise BadInput("the time cannot be read")
    if number <= 0:
        return checked(0)
    factor = NS_PER[unit] if unit else next(factor for least, factor in _EPOCH_UNITS if number >= least)
    return checked(int(number * factor))


def _decimal(text: str) -> Decimal | None:
    """An exact number; None for anything else, and for one too large to be a time."""
    if _NUMBER.fullmatch(text) is None:
        return None
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    if not number.is_finite() or number.adjusted() > _LARGEST_POWER:
        return Decimal(10) ** _LARGEST_POWER if number > 0 else None
    return number
