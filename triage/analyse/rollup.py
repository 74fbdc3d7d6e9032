"""Roll-ups by minute from calls. Always computed anew from the records of a minute, never incremented, so that late and duplicate
data cannot spoil them."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from triage.domain.windows import MINUTE_NS
from triage.ports.rollups import CALLS_SCHEMA

GROWTH: Final = 1.05
"""Width of a latency bucket: a quantile read from its middle is at most 2.5 % off."""
_KEYS: Final = ("minute", "partner", "api", "service", "outcome", "instance")


def duration_bucket(duration_ns: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
    """Bucket numbers, shape (n,): floor(log_1.05(duration in microseconds)), at least 0."""
    micros = np.maximum(duration_ns / 1_000, 1.0)
    bucket: npt.NDArray[np.int32] = np.floor(np.log(micros) / np.log(GROWTH)).astype(np.int32)
    return bucket


def bucket_ms(bucket: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """The middle of a bucket, milliseconds."""
    middle: npt.NDArray[np.float64] = np.power(GROWTH, bucket + 0.5) / 1_000
    return middle


def with_api(calls: pa.Table) -> pa.Table:
    """Calls with the columns `minute` and `api` ('<METHOD> <route>')."""
    minute = pa.array(calls.column("time_ns").to_numpy() // MINUTE_NS, pa.int64())
    api = pc.utf8_trim_whitespace(pc.binary_join_element_wise(calls.column("method"), calls.column("route"), " "))
    return calls.append_column("minute", minute).append_column("api", api)


def call_rollups(calls: pa.Table) -> pa.Table:
    """Rows of `CALLS_SCHEMA`; `calls` comes from `with_api`."""
    if not len(calls):
        return CALLS_SCHEMA.empty_table()
    bucket = pa.array(duration_bucket(calls.column("duration_ns").to_numpy()))
    keyed = calls.select([*_KEYS, "bytes_in", "bytes_out", "duration_ns"]).append_column("bucket", bucket)
    fine = keyed.group_by([*_KEYS, "bucket"]).aggregate(
        [("bytes_in", "sum"), ("bytes_out", "sum"), ("duration_ns", "sum"), ([], "count_all")]
    ).sort_by([(key, "ascending") for key in (*_KEYS, "bucket")])
    keys = pc.binary_join_element_wise(*(pc.cast(fine.column(key), pa.string()) for key in _KEYS), "\x1f")
    codes = pc.dictionary_encode(keys.combine_chunks()).indices.to_numpy()
    starts = np.flatnonzero(np.r_[True, codes[1:] != codes[:-1]])
    offsets = pa.array(np.r_[starts, len(codes)].astype(np.int32))
    head = fine.take(starts)
    counts = fine.column("count_all").to_numpy()

    def total(name: str) -> pa.Array:
        return pa.array(np.add.reduceat(fine.column(name).to_numpy(), starts))

    columns = {key: head.column(key) for key in _KEYS}
    columns |= {
        "calls": pa.array(np.add.reduceat(counts, starts)), "bytes_in": total("bytes_in_sum"),
        "bytes_out": total("bytes_out_sum"), "duration_ns": total("duration_ns_sum"),
        "buckets": pa.ListArray.from_arrays(offsets, fine.column("bucket").combine_chunks()),
        "counts": pa.ListArray.from_arrays(offsets, pa.array(counts)),
    }
    return pa.table(columns).cast(CALLS_SCHEMA)


def quantiles_ms(rows: pa.Table, quantiles: tuple[float, ...]) -> list[float]:
    """Latency quantiles of roll-up rows taken together, milliseconds; NaN without calls."""
    buckets = pc.list_flatten(rows.column("buckets")).to_numpy()
    counts = pc.list_flatten(rows.column("counts")).to_numpy()
    if not len(buckets):
        return [float("nan")] * len(quantiles)
    histogram = np.bincount(buckets, weights=counts)
    cumulated = np.cumsum(histogram)
    places = np.searchsorted(cumulated, np.array(quantiles) * cumulated[-1])
    return [float(value) for value in bucket_ms(np.minimum(places, len(histogram) - 1))]
