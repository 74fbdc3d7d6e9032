"""What each partner used in each minute, bounded: samples of customers, of accesses without the customer, and of networks.

A sample holds the smallest hashes of what was seen (bottom-k, Cohen and Kaplan 2007): samples can be united, tell how many distinct
things there were, and tell whether these were seen before, in memory that does not grow with the traffic. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from triage.analyse.distinct import hashes_of
from triage.ports.rollups import USE_SCHEMA

KEPT: Final = 64
"""Hashes of a sample. The number of distinct things is right within about an eighth."""
_SPACE: Final = 2.0**32
_GIVEN: Final = "token"
_NEEDED: Final = (
    "minute", "partner", "api", "method", "route", "outcome", "customer", "customer_present", "consent_id", "network", "bytes_out",
)
Hashes = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int64]


def use_rollups(calls: pa.Table) -> pa.Table:
    """Rows of `USE_SCHEMA`; `calls` comes from `triage.analyse.rollup.with_api`."""
    known = calls.select(_NEEDED).filter(pc.not_equal(calls.column("partner"), ""))
    if not len(known):
        return USE_SCHEMA.empty_table()
    partner = pc.dictionary_encode(known.column("partner").combine_chunks())
    names = np.array(partner.dictionary.to_pylist(), object)
    key = known.column("minute").to_numpy() * len(names) + partner.indices.to_numpy()
    keys, cell = np.unique(key, return_inverse=True)
    ok = pc.equal(known.column("outcome"), "ok").to_numpy(zero_copy_only=False)
    present = known.column("customer_present").to_numpy(zero_copy_only=False).astype(bool)
    reads = ok & pc.equal(known.column("method"), "GET").to_numpy(zero_copy_only=False)
    token = ok & pc.match_substring(known.column("route"), _GIVEN).to_numpy(zero_copy_only=False)
    owner = pc.if_else(pc.equal(known.column("consent_id"), ""), known.column("customer"), known.column("consent_id"))
    customers, accesses = _hashed(known.column("customer")), _mixed(_hashed(owner), _hashed(known.column("api")))
    unattended = reads & ~present & pc.not_equal(owner, "").to_numpy(zero_copy_only=False)

    def total(values: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
        return np.bincount(cell, weights=values, minlength=len(keys)).astype(np.int64)

    return pa.table({
        "minute": keys // len(names), "partner": pa.array(names[keys % len(names)], pa.string()),
        "calls": total(np.ones(len(cell))), "bytes_out": total(known.column("bytes_out").to_numpy()), "tokens": total(token),
        "attended": total(present),
        "customers": smallest(cell, customers, ok & (customers > 0), len(keys)),
        "unattended": smallest(cell, accesses, unattended, len(keys)),
        "places": smallest(cell, (places := _hashed(known.column("network"))), places > 0, len(keys)),
    }).cast(USE_SCHEMA)


def _hashed(column: pa.ChunkedArray) -> Hashes:
    """A hash of each text, 0 of an empty one."""
    encoded = pc.dictionary_encode(column.combine_chunks())
    texts = encoded.dictionary.to_pylist()
    hashes = hashes_of(texts).astype(np.int64)
    hashes[[place for place, text in enumerate(texts) if not text]] = 0
    return np.asarray(hashes[encoded.indices.to_numpy()], np.int64)


def _mixed(one: Hashes, other: Hashes) -> Hashes:
    """A hash of both, 32 bits wide (the finaliser of MurmurHash3)."""
    mixed = (one.astype(np.uint64) << np.uint64(32)) | other.astype(np.uint64)
    for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        mixed = (mixed ^ (mixed >> np.uint64(33))) * np.uint64(factor)
    return np.asarray((mixed ^ (mixed >> np.uint64(33))) >> np.uint64(32), np.int64)


def smallest(cell: Codes, hashes: Hashes, wanted: npt.NDArray[np.bool_], cells: int, kept: int = KEPT) -> pa.ListArray:
    """The `kept` smallest different hashes of each cell, ascending: a list a cell."""
    code, value = distinct_pairs(cell[wanted], hashes[wanted])
    rank = np.arange(len(code)) - np.searchsorted(code, code)
    code, value = code[rank < kept], value[rank < kept]
    offsets = np.searchsorted(code, np.arange(cells + 1))
    return pa.ListArray.from_arrays(pa.array(offsets.astype(np.int32)), pa.array(value, pa.int64()))


def distinct_pairs(cell: Codes, hashes: Hashes) -> tuple[Codes, Hashes]:
    """The different pairs, in order."""
    order = np.lexsort((hashes, cell))
    code, value = cell[order], hashes[order]
    first = np.ones(len(code), bool)
    first[1:] = (code[1:] != code[:-1]) | (value[1:] != value[:-1])
    return code[first], value[first]


def estimates(cell: Codes, hashes: Hashes, cells: int, kept: int = KEPT) -> npt.NDArray[np.float64]:
    """About how many distinct things each cell had, shape (cells,), from the united samples of its minutes."""
    code, value = distinct_pairs(cell, hashes)
    bounds = np.searchsorted(code, np.arange(cells + 1))
    count = np.diff(bounds).astype(float)
    full = count >= kept
    if full.any():
        highest = value[bounds[:-1][full] + kept - 1]
        count[full] = (kept - 1) * _SPACE / np.maximum(highest, 1)
    return count


def exploded(rows: pa.Table, column: str) -> tuple[Codes, Hashes]:
    """The row number and the hash of every entry of a list column."""
    lists = rows.column(column).combine_chunks()
    lengths = pc.list_value_length(lists).to_numpy(zero_copy_only=False).astype(np.int64)
    return np.repeat(np.arange(len(rows)), lengths), pc.list_flatten(lists).to_numpy().astype(np.int64)


def sample(hashes: Iterable[int], kept: int) -> list[int]:
    """The `kept` smallest different hashes."""
    return sorted(set(hashes))[:kept]
