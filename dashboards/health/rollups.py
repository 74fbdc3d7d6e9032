"""Roll-ups by minute -> health of partners and APIs over the last 24 h, computed on columns and kept for a few seconds."""

from __future__ import annotations

import base64
import threading
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
from flask import current_app

from dashboards.parts import Parts
from triage.analyse.distinct import estimate, united
from triage.analyse.rollup import GROWTH, sketches_of
from triage.domain.calls import FAULT_OUTCOMES
from triage.domain.windows import DAY_NS, MINUTE_NS, NS, Window
from triage.ports.records import Condition

SLOTS: Final = 48
DAY_MINUTES: Final = 24 * 60
FRESH_NS: Final = 15 * NS
_NOT_FAILED: Final = ("ok", "unknown")


@dataclass(frozen=True, slots=True)
class Figures:
    """What happened to the calls of one partner, API or pair over a window."""

    calls: int
    failed: int
    faults: int
    p50_ns: int
    p95_ns: int
    slots: tuple[int, ...]  # calls in equal steps of the window, oldest first
    failed_slots: tuple[int, ...]


EMPTY: Final = Figures(0, 0, 0, 0, 0, (0,) * SLOTS, (0,) * SLOTS)


@dataclass(frozen=True, slots=True)
class Span:
    """The minutes that figures are about: the last 24 h, or less where there is less to show. In `SLOTS` steps."""

    first: int  # epoch minute
    step: int  # minutes

    @classmethod
    def of(cls, table: pa.Table, now_ns: int) -> Span:
        """From the first minute of the roll-ups, at most a day ago, until now."""
        last = now_ns // MINUTE_NS
        begin = max(pc.min(table.column("minute")).as_py(), last + 1 - DAY_MINUTES) if len(table) else last
        step = max(1, -(-(last + 1 - begin) // SLOTS))
        return cls(last + 1 - step * SLOTS, step)


@dataclass(frozen=True, slots=True)
class DayHealth:
    """The last 24 h, whole."""

    at_ns: int
    span: Span
    table: pa.Table
    partners: dict[str, Figures]
    apis: dict[str, Figures]


class HealthCache:
    """The figures of the last 24 h, read again when they are older than `FRESH_NS`. One reader at a time reads."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._lock = threading.Lock()
        self._day: DayHealth | None = None

    def day(self) -> DayHealth:
        """The figures. Raises StoreUnavailable."""
        now = self._parts.clock()
        with self._lock:
            if self._day is None or not 0 <= now - self._day.at_ns < FRESH_NS:
                self._day = _read(self._parts, now)
            return self._day


def health_cache() -> HealthCache:
    """The cache of the running console."""
    cache: HealthCache = current_app.extensions["health"]
    return cache


def _read(parts: Parts, now_ns: int) -> DayHealth:
    table = parts.records.rollups("calls", day_window(now_ns))
    span = Span.of(table, now_ns)
    return DayHealth(now_ns, span, table, figures_by(table, "partner", span), figures_by(table, "api", span))


def day_window(now_ns: int) -> Window:
    """The last 24 h up to the end of this minute."""
    end = (now_ns // MINUTE_NS + 1) * MINUTE_NS
    return Window(end - DAY_NS, end)


@dataclass(frozen=True, slots=True)
class Customers:
    """Distinct customers of a partner's or an API's calls."""

    all: int
    failed: int  # of them, those with a call that failed


def customers_of(parts: Parts, column: str, value: str) -> Customers:
    """Distinct customers of the last 24 h, by the hour. Raises StoreUnavailable."""
    rows = parts.records.rollups("customers", day_window(parts.clock()), [Condition(column, "=", value)])
    failed = rows.filter(pc.invert(pc.is_in(rows.column("outcome"), pa.array(_NOT_FAILED))))
    return Customers(*(estimate(united(sketches_of(table))) for table in (rows, failed)))


def narrow(table: pa.Table, column: str, value: str) -> pa.Table:
    """Roll-up rows with this value."""
    return table.filter(pc.equal(table.column(column), value))


def minutes_of(table: pa.Table) -> list[tuple[int, int, int]]:
    """(minute, calls, failed) in order."""
    failed = _where_failed(table)
    grouped = pa.table({"minute": table.column("minute"), "calls": table.column("calls"), "failed": failed})
    rows = grouped.group_by("minute").aggregate([("calls", "sum"), ("failed", "sum")]).to_pylist()
    return sorted((row["minute"], row["calls_sum"], row["failed_sum"]) for row in rows)


def outcomes_of(table: pa.Table) -> list[tuple[str, int]]:
    """(outcome, calls), most frequent first."""
    rows = table.group_by("outcome").aggregate([("calls", "sum")]).to_pylist()
    return sorted(((row["outcome"], row["calls_sum"]) for row in rows), key=lambda item: -item[1])


def figures_by(table: pa.Table, column: str, span: Span) -> dict[str, Figures]:
    """Figures of every value of a column over a span."""
    if not len(table):
        return {}
    slot = pc.divide(pc.subtract(table.column("minute"), span.first), span.step)
    failed = _where_failed(table)
    faults = pc.if_else(pc.is_in(table.column("outcome"), pa.array(sorted(FAULT_OUTCOMES))), table.column("calls"), 0)
    cells = pa.table({"key": table.column(column), "slot": slot, "calls": table.column("calls"), "failed": failed,
                      "faults": faults})
    grouped = cells.group_by(["key", "slot"]).aggregate([("calls", "sum"), ("failed", "sum"), ("faults", "sum")])
    quantiles = _quantiles(table, column)
    made: dict[str, dict[str, Any]] = {}
    for row in grouped.to_pylist():
        entry = made.setdefault(row["key"], {"calls": [0] * SLOTS, "failed": [0] * SLOTS, "faults": 0})
        if 0 <= row["slot"] < SLOTS:
            entry["calls"][row["slot"]] += row["calls_sum"]
            entry["failed"][row["slot"]] += row["failed_sum"]
            entry["faults"] += row["faults_sum"]
    return {
        key: Figures(sum(entry["calls"]), sum(entry["failed"]), entry["faults"], *quantiles.get(key, (0, 0)),
                     tuple(entry["calls"]), tuple(entry["failed"]))
        for key, entry in made.items()
    }


def _where_failed(table: pa.Table) -> Any:
    worked = pc.is_in(table.column("outcome"), pa.array(_NOT_FAILED))
    return pc.if_else(worked, 0, table.column("calls"))


def _quantiles(table: pa.Table, column: str) -> dict[str, tuple[int, int]]:
    """Median and 95th percentile of the duration by value of a column, from the sparse histograms."""
    parents = pc.list_parent_indices(table.column("buckets"))
    flat = pa.table({"key": pc.take(table.column(column), parents), "bucket": pc.list_flatten(table.column("buckets")),
                     "n": pc.list_flatten(table.column("counts"))})
    grouped = flat.group_by(["key", "bucket"]).aggregate([("n", "sum")]).sort_by([("key", "ascending"),
                                                                                  ("bucket", "ascending")])
    by_key: dict[str, list[tuple[int, int]]] = {}
    for key, bucket, n in zip(*(grouped.column(name).to_pylist() for name in ("key", "bucket", "n_sum")), strict=True):
        by_key.setdefault(key, []).append((bucket, n))
    return {key: (_at(cells, 0.5), _at(cells, 0.95)) for key, cells in by_key.items()}


def _at(cells: list[tuple[int, int]], part: float) -> int:
    """The duration at or below which `part` of the calls lie."""
    wanted, seen = part * sum(n for _, n in cells), 0
    for bucket, n in cells:
        seen += n
        if seen >= wanted:
            return bucket_ns(bucket)
    return 0


def bucket_ns(bucket: int) -> int:
    """The middle of a duration bucket in ns; buckets are of microseconds."""
    return round(float(GROWTH ** (bucket + 0.5)) * 1000)


def api_id(api: str) -> str:
    """The opaque ID of an API in addresses."""
    return base64.urlsafe_b64encode(api.encode()).decode().rstrip("=")


def api_of_id(key: str) -> str:
    """The inverse. Raises KeyError for what never was an ID."""
    try:
        api = base64.urlsafe_b64decode(key + "=" * (-len(key) % 4)).decode()
    except ValueError:
        raise KeyError(f"API {key}") from None
    if api_id(api) != key:
        raise KeyError(f"API {key}")
    return api
