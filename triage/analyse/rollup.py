"""Roll-ups by minute from calls. Always computed anew from the records of a minute, never incremented, so that late and duplicate
data cannot spoil them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from triage.analyse.distinct import Sketch, hashes_of, sketch_of, united
from triage.domain.windows import MINUTE_NS
from triage.ports.rollups import CALLS_SCHEMA, CUSTOMERS_SCHEMA

GROWTH: Final = 1.05
"""Width of a latency bucket: a quantile read from its middle is at most 2.5 % off."""
_KEYS: Final = ("minute", "partner", "api", "service", "outcome", "instance")
_CUSTOMER_KEYS: Final = ("minute", "partner", "api", "outcome")
HOUR_MINUTES: Final = 60


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


def hours_of(minutes: Iterable[int]) -> list[int]:
    """The first minutes of the hours that these minutes lie in, ascending."""
    return sorted({minute // HOUR_MINUTES * HOUR_MINUTES for minute in minutes})


def customer_rollups(calls: pa.Table) -> pa.Table:
    """Rows of `CUSTOMERS_SCHEMA`; `calls` comes from `with_api`. Calls without a customer make none."""
    known = calls.select([*_CUSTOMER_KEYS, "customer"]).filter(pc.not_equal(calls.column("customer"), ""))
    if not len(known):
        return CUSTOMERS_SCHEMA.empty_table()
    hour = known.column("minute").to_numpy() // HOUR_MINUTES * HOUR_MINUTES
    customer = pc.dictionary_encode(known.column("customer").combine_chunks())
    hashes = pa.array(hashes_of(customer.dictionary.to_pylist()).view(np.int32))
    keyed = known.select(["partner", "api", "outcome"]).append_column("minute", pa.array(hour))
    keyed = keyed.append_column("hash", hashes.take(customer.indices))
    groups = keyed.group_by(list(_CUSTOMER_KEYS)).aggregate([("hash", "distinct")])
    sketches = [sketch_of(np.asarray(hashes, np.int32).view(np.uint32)) for hashes in groups.column("hash_distinct").to_pylist()]
    columns = {key: groups.column(key) for key in _CUSTOMER_KEYS} | {"sketch": pa.array(sketches, pa.list_(pa.int32()))}
    return pa.table(columns).cast(CUSTOMERS_SCHEMA)


def sketches_of(rows: pa.Table) -> list[Sketch]:
    """The sketches of rows of `CUSTOMERS_SCHEMA`, without making Python numbers of them."""
    column = rows.column("sketch").combine_chunks()
    ends = np.cumsum(pc.list_value_length(column).to_numpy(zero_copy_only=False))
    return np.split(column.flatten().to_numpy(zero_copy_only=False), ends[:-1]) if len(column) else []


def united_customers(stored: pa.Table, fresh: pa.Table) -> pa.Table:
    """Both tables of `CUSTOMERS_SCHEMA` as one, a row a key. Customers that are in both count once, so that late and duplicate
    calls leave the rows right."""
    cells: dict[tuple[Any, ...], list[Any]] = {}
    for table in (stored, fresh):
        for *key, sketch in zip(*(table.column(name).to_pylist() for name in _CUSTOMER_KEYS), sketches_of(table), strict=True):
            cells.setdefault(tuple(key), []).append(sketch)
    rows = [(*key, parts[0] if len(parts) == 1 else united(parts)) for key, parts in sorted(cells.items(), key=lambda item: item[0])]
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(CUSTOMERS_SCHEMA)
    arrays = [pa.array(list(c), f.type) for c, f in zip(columns, CUSTOMERS_SCHEMA, strict=True)]
    return pa.table(arrays, schema=CUSTOMERS_SCHEMA)
