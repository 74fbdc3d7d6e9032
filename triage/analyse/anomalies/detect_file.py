"""`triage detect FILE.csv`: judges the rows of one metric in the order of the file."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from math import isfinite, log10
from typing import TypedDict

from triage.analyse.anomalies.detector import StreamDetector


class Judged(TypedDict):
    """One line of the answer: the timestamp as it was written, score 0..1, whether an alert episode starts here."""

    timestamp: str
    score: float
    anomaly: bool


def detect_file(rows: Iterable[tuple[str, str]]) -> Iterator[Judged]:
    """(timestamp, value) texts in time order -> one answer a row, each from the rows up to it alone.

    A value that is not a finite number is a missing one: score 0. A timestamp that cannot be read is taken to
    follow the row before at the interval of the rows before.
    """
    detector = StreamDetector()
    at, step = 0.0, 1.0
    for timestamp, value in rows:
        read = read_time(timestamp)
        if read is None:
            read = at + step
        elif at:
            step = max(0.0, read - at)
        at = read
        point = detector.update(at, read_value(value))
        yield {"timestamp": timestamp, "score": round(point.score, 6), "anomaly": point.anomaly}


def read_time(text: str) -> float | None:
    """Seconds since 1970 (UTC) from ISO 8601 (no offset: UTC) or from a number of s, ms, µs or ns; None if neither."""
    try:
        number = float(text)
    except ValueError:
        pass
    else:
        return _seconds(number) if isfinite(number) else None
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def read_value(text: str) -> float:
    """The number in the text, or NaN."""
    try:
        return float(text)
    except ValueError:
        return float("nan")


def _seconds(number: float) -> float:
    """The unit follows from the size: seconds have ten digits, and ms, µs, ns three more each."""
    digits = log10(abs(number)) if number else 0.0
    for limit, unit in ((11, 1.0), (14, 1e3), (17, 1e6)):
        if digits < limit:
            return number / unit
    return number / 1e9
