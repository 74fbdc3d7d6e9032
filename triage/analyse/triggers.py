"""What makes a run look closer: series that left their usual range, and error groups that are new or grow.

Pure: tables of roll-ups in, triggers out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from scipy.stats import poisson

from triage.analyse.rollup import bucket_ms
from triage.analyse.series import SeriesAnomaly, SeriesKey, SeriesWindow, find_anomalies
from triage.domain.calls import FAULT_OUTCOMES

Minutes = npt.NDArray[np.int64]
QUIET_MINUTES: Final = 5
"""A gap of so many minutes without a failure ends an episode of a group; flapping within it stays one."""
_MIN_EVENTS: Final = 5
_P_GROWTH: Final = 1e-7
_NEW_EVENTS: Final = 3


@dataclass(frozen=True, slots=True)
class GroupEpisode:
    """A stretch in which an error group is new or far above its usual rate."""

    group_id: str
    partner: str  # '' for the group as a whole
    since: int  # epoch minutes, inclusive
    until: int
    count: int
    usual_per_minute: float
    new: bool


def series_windows(calls: pa.Table, start: int, end: int, judge_last: int) -> list[SeriesWindow]:
    """Every series of the roll-up rows of [start, end) minutes: by API, partner, partner x API, service and instance."""
    if not len(calls):
        return []
    minutes = np.arange(start, end, dtype=np.int64)
    at = calls.column("minute").to_numpy() - start
    numbers = _numbers(calls)
    tails = _tails(calls)
    windows: list[SeriesWindow] = []
    for kind, columns in _KINDS.items():
        keys = pc.binary_join_element_wise(*(calls.column(name) for name in columns), "\x1f").combine_chunks()
        encoded = pc.dictionary_encode(keys)
        codes = encoded.indices.to_numpy().astype(np.int64)
        names = encoded.dictionary.to_pylist()
        grids = {name: _grid(codes, at, values, len(names), len(minutes)) for name, values in numbers.items()}
        p50, p95 = _latency(codes, at, tails, len(names), len(minutes))
        for code, name in enumerate(names):
            if not name.strip("\x1f") or name.endswith("\x1f"):
                continue
            windows.append(SeriesWindow(
                key=SeriesKey(kind, name), minutes=minutes, p50_ms=p50[code], p95_ms=p95[code], judge_last=judge_last,
                **{field: grid[code] for field, grid in grids.items()},
            ))
    return windows


_KINDS: Final[dict[Any, tuple[str, ...]]] = {
    "api": ("api",), "partner": ("partner",), "partner_api": ("partner", "api"), "instance": ("instance",),
}


def _numbers(calls: pa.Table) -> dict[str, npt.NDArray[np.int64]]:
    number = calls.column("calls").to_numpy()
    outcome = np.array(calls.column("outcome").to_pylist(), object)
    return {
        "calls": number,
        "failed": np.where(np.isin(outcome, list(FAULT_OUTCOMES)), number, 0),
        "partner_errors": np.where(outcome == "partner_error", number, 0),
        "customer_errors": np.where(outcome == "customer_error", number, 0),
        "bytes_out": calls.column("bytes_out").to_numpy(),
    }


def _grid(
    codes: Minutes, at: Minutes, values: npt.NDArray[np.int64], series: int, minutes: int,
) -> npt.NDArray[np.float64]:
    flat = np.bincount(codes * minutes + at, weights=values, minlength=series * minutes)
    return flat.reshape(series, minutes)


def _tails(calls: pa.Table) -> tuple[Minutes, npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Row number, bucket and count of every histogram entry of successful calls: failures have latencies of their own."""
    ok = pc.equal(calls.column("outcome"), "ok").to_numpy(zero_copy_only=False)
    lengths = pc.list_value_length(calls.column("buckets")).to_numpy()
    rows = np.repeat(np.arange(len(calls)), lengths)
    buckets = pc.list_flatten(calls.column("buckets")).to_numpy().astype(np.int64)
    counts = pc.list_flatten(calls.column("counts")).to_numpy()
    keep = ok[rows] | (np.array(calls.column("outcome").to_pylist(), object) == "unknown")[rows]
    return rows[keep], buckets[keep], counts[keep]


def _latency(
    codes: Minutes, at: Minutes, tails: tuple[Any, Any, Any], series: int, minutes: int,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Median and 95th percentile by series and minute, shape (series, minutes), NaN without calls."""
    rows, buckets, counts = tails
    out = (np.full(series * minutes, np.nan), np.full(series * minutes, np.nan))
    cell = codes[rows] * minutes + at[rows]
    order = np.lexsort((buckets, cell))
    cell, buckets, counts = cell[order], buckets[order], counts[order]
    if not len(cell):
        return out[0].reshape(series, minutes), out[1].reshape(series, minutes)
    first = np.flatnonzero(np.r_[True, cell[1:] != cell[:-1]])
    totals = np.add.reduceat(counts, first)
    running = np.cumsum(counts)
    before = np.r_[0, running[first[1:] - 1]] if len(first) > 1 else np.zeros(1)
    for target, share in zip(out, (0.5, 0.95), strict=True):
        places = np.searchsorted(running, before + share * totals, side="left")
        target[cell[first]] = bucket_ms(buckets[np.minimum(places, len(buckets) - 1)])
    return out[0].reshape(series, minutes), out[1].reshape(series, minutes)


def series_anomalies(windows: Sequence[SeriesWindow]) -> list[SeriesAnomaly]:
    """What left its usual range in the judged minutes."""
    return find_anomalies(windows) if windows else []


def group_episodes(
    errors: pa.Table, first_seen: Mapping[str, int], ready_from: Mapping[str, int], judge_from: int, end: int,
    active: npt.NDArray[np.int64],
) -> list[GroupEpisode]:
    """Episodes of groups that reach into the judged minutes [judge_from, end).

    `first_seen`: the minute that a group was first seen; `ready_from`: the minute from which a service is no longer learned;
    `active`: the minutes in which anything was seen at all, since a gap in the data is not a quiet time.
    """
    episodes: list[GroupEpisode] = []
    if not len(errors):
        return episodes
    columns = {name: np.array(errors.column(name).to_pylist(), object) for name in ("group_id", "partner", "service", "outcome")}
    minute, count = errors.column("minute").to_numpy(), errors.column("count").to_numpy()
    start = int(minute.min())
    alive = np.zeros(end - start, bool)
    alive[active[(active >= start) & (active < end)] - start] = True
    alive[minute - start] = True
    theirs = np.isin(columns["outcome"], ["partner_error", "customer_error"])
    cells: dict[tuple[str, str], list[int]] = {}
    for row, (group_id, partner) in enumerate(zip(columns["group_id"], columns["partner"], strict=True)):
        cells.setdefault((group_id, ""), []).append(row)
        if theirs[row] and partner:
            cells.setdefault((group_id, partner), []).append(row)
    for (group_id, partner), rows in cells.items():
        picked = np.array(rows)
        if minute[picked].max() < judge_from:
            continue
        series = np.bincount(minute[picked] - start, weights=count[picked], minlength=end - start)[: end - start].astype(float)
        services = set(columns["service"][picked])
        ready = min((ready_from.get(service, end) for service in services), default=end)
        episodes += _episodes_of(group_id, partner, series, alive, start, first_seen.get(group_id, start), ready, judge_from,
                                 not theirs[picked].all())
    return episodes


def _episodes_of(
    group_id: str, partner: str, series: npt.NDArray[np.float64], alive: npt.NDArray[np.bool_], start: int, first: int,
    ready: int, judge_from: int, fault: bool,
) -> list[GroupEpisode]:
    found: list[GroupEpisode] = []
    for low, high in stretches(series > 0, QUIET_MINUTES):
        if start + high < judge_from:
            continue
        count = int(series[low : high + 1].sum())
        new = fault and first >= start + low and start + low >= ready
        if new and not partner and count >= _NEW_EVENTS:
            found.append(GroupEpisode(group_id, partner, start + low, start + high, count, 0.0, True))
            continue
        found += _growth(group_id, partner, series, alive, start, max(low, judge_from - start), high, ready)
    return found


def _growth(
    group_id: str, partner: str, series: npt.NDArray[np.float64], alive: npt.NDArray[np.bool_], start: int, low: int, high: int,
    ready: int,
) -> list[GroupEpisode]:
    """The part of [low, high] where three-minute sums are far above the usual rate before it (Poisson tail)."""
    history = series[max(0, low - 24 * 60) : low][alive[max(0, low - 24 * 60) : low]]
    if start + low < ready or len(history) < 10:
        return []
    usual = _usual(history)
    sums = np.convolve(series, np.ones(3), mode="full")[: len(series)]
    expected = 3 * max(usual, 1 / len(history))
    odd = (sums >= max(_MIN_EVENTS, 2.5 * expected)) & (poisson.sf(sums - 1, 1.5 * expected) < _P_GROWTH)
    odd[:low] = False
    odd[high + 1 :] = False
    return [
        GroupEpisode(group_id, partner, start + a, start + b, int(series[a : b + 1].sum()), usual, False)
        for a, b in stretches(odd, QUIET_MINUTES)
    ]


def _usual(history: npt.NDArray[np.float64]) -> float:
    """The usual number a minute: a mean without the busiest tenth, so that past incidents do not teach it."""
    kept = np.sort(history)[: max(1, int(len(history) * 0.9))]
    return float(max(kept.mean(), np.median(history)))


def stretches(mask: npt.NDArray[np.bool_], gap: int) -> list[tuple[int, int]]:
    """First and last index of each run of true values; runs closer than `gap` are one."""
    places = np.flatnonzero(mask)
    if not places.size:
        return []
    breaks = np.flatnonzero(np.diff(places) > gap)
    firsts, lasts = np.r_[places[0], places[breaks + 1]], np.r_[places[breaks], places[-1]]
    return list(zip(firsts.tolist(), lasts.tolist(), strict=True))
