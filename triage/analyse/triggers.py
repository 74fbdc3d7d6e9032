"""The call roll-up as series by the minute, for the detector. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from triage.analyse.anomalies.series import SeriesAnomaly, SeriesKey, SeriesWindow, find_anomalies
from triage.analyse.rollup import bucket_ms
from triage.domain.calls import FAULT_OUTCOMES

Minutes = npt.NDArray[np.int64]


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
    flat = np.bincount(codes * minutes + at, weights=values, minlength=series * minutes).astype(float)
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
