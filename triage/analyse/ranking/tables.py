"""Columns that the ranking works on: spans, log lines, metric series, and what it answers.

In: nothing. Out: frozen tables (columns of equal length) and `Suspect`. Times and durations are nanoseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Template = Callable[[str], str]  # log message -> text without its variable parts

SERVER: Final = 2
CLIENT: Final = 3
PRODUCER: Final = 4
WARN: Final = 13  # OTLP severity numbers; 0 is unknown
ERROR: Final = 17


@dataclass(frozen=True, slots=True)
class SpanTable:
    """One row a span. `kind` is OTLP's (0 unknown, 2 SERVER, 3 CLIENT, ...); absent texts are ''."""

    trace_id: Sequence[str]
    span_id: Sequence[str]
    parent_id: Sequence[str]
    service: Sequence[str]
    name: Sequence[str]
    kind: Ints
    start_ns: Ints
    duration_ns: Ints
    error: Bools
    version: Sequence[str]
    instance: Sequence[str]

    def __len__(self) -> int:
        return len(self.span_id)


@dataclass(frozen=True, slots=True)
class LogTable:
    """One row a log line. `severity` is OTLP's number (0 unknown); IDs are '' where a line carries none."""

    trace_id: Sequence[str]
    span_id: Sequence[str]
    service: Sequence[str]
    body: Sequence[str]
    severity: Ints
    time_ns: Ints

    def __len__(self) -> int:
        return len(self.body)


@dataclass(frozen=True, slots=True)
class Series:
    """One metric of one component: seconds since 1970 in ascending order, and the value at each."""

    time_s: Ints
    value: Floats


SeriesKey = tuple[str, str, str]  # component, metric, statistic
MetricTable = Mapping[SeriesKey, Series]


@dataclass(frozen=True, slots=True)
class Complaint:
    """The symptom that was reported; `at_s` in seconds since 1970, 0 when it was not said."""

    component: str
    metric: str
    at_s: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one kind of signal says about one component.

    `strength` is 0 to 1: the size of the effect that is certain, given the variation of the normal data.
    """

    component: str
    kind: str
    strength: float
    why: str


@dataclass(frozen=True, slots=True)
class Suspect:
    """A component that may be the cause, with the evidence for and against it. `score` 0 to 1."""

    component: str
    score: float
    why: list[str] = field(default_factory=list)
    why_not: list[str] = field(default_factory=list)


def no_spans() -> SpanTable:
    """A table without a row."""
    none = np.zeros(0, np.int64)
    return SpanTable((), (), (), (), (), none, none, none, np.zeros(0, np.bool_), (), ())


def no_logs() -> LogTable:
    """A table without a row."""
    return LogTable((), (), (), (), np.zeros(0, np.int64), np.zeros(0, np.int64))
