"""Distinct customers as sketches that can be united in any order: over partners, APIs, outcomes and time.

A sketch is a list of 32-bit integers. Fewer than `EXACT` of them are the hashes of the customers themselves, sorted: the count is
exact. `EXACT` of them are the 16,384 registers of a HyperLogLog, four to an integer (Flajolet et al., 2007), read with the improved
estimator of O. Ertl (2017, arXiv:1702.01284): a standard error of 0.8 % at any size up to about 50 million. So a sketch takes
4 bytes a customer and at most 16 KiB. Adding a customer again changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Hashes = npt.NDArray[np.uint32]
Sketch = npt.NDArray[np.int32]

_INDEX_BITS: Final = 14
_RANK_BITS: Final = 32 - _INDEX_BITS
_REGISTERS: Final = 1 << _INDEX_BITS
EXACT: Final = _REGISTERS // 4


def hashes_of(values: Iterable[str]) -> Hashes:
    """Well mixed 32-bit hashes of texts, shape (values,)."""
    return np.frombuffer(b"".join(blake2b(value.encode("utf-8", "replace"), digest_size=4).digest() for value in values), "<u4")


def sketch_of(hashes: Hashes) -> Sketch:
    """The sketch of some hashes, which may repeat."""
    distinct = np.unique(hashes)
    return distinct.view(np.int32) if len(distinct) < EXACT else _registers(distinct).view(np.int32)


def united(sketches: Sequence[Any]) -> Sketch:
    """The sketch of everything that is in one of the sketches (arrays or lists of 32-bit integers)."""
    arrays = [np.asarray(sketch, np.int32) for sketch in sketches]
    sparse = [array.view(np.uint32) for array in arrays if len(array) < EXACT]
    hashes = np.unique(np.concatenate(sparse)) if sparse else np.zeros(0, np.uint32)
    dense = [array.view(np.uint8) for array in arrays if len(array) == EXACT]
    if not dense:
        return sketch_of(hashes)
    merged: npt.NDArray[np.uint8] = np.maximum.reduce([*dense, _registers(hashes)])
    return merged.view(np.int32)


def estimate(sketch: Sequence[int] | Sketch) -> int:
    """How many distinct customers a sketch has seen."""
    array = np.asarray(sketch, np.int32)
    if len(array) < EXACT:
        return len(array)
    counts = np.bincount(array.view(np.uint8), minlength=_RANK_BITS + 2).astype(float)
    z = _REGISTERS * _tau(1 - counts[_RANK_BITS + 1] / _REGISTERS)
    for rank in range(_RANK_BITS, 0, -1):
        z = 0.5 * (z + counts[rank])
    z += _REGISTERS * _sigma(counts[0] / _REGISTERS)
    return round(float(_REGISTERS**2 / (2 * np.log(2) * z)))


def _registers(hashes: Hashes) -> npt.NDArray[np.uint8]:
    """Each register: the largest rank (place of the first 1 in the lower bits, from 1) among the hashes of its index."""
    registers = np.zeros(_REGISTERS, np.uint8)
    rest = (hashes & np.uint32((1 << _RANK_BITS) - 1)).astype(np.float64)
    ranks = (_RANK_BITS + 1 - np.frexp(rest)[1]).astype(np.uint8)
    np.maximum.at(registers, hashes >> np.uint32(_RANK_BITS), ranks)
    return registers


def _sigma(x: float) -> float:
    """Ertl's correction for empty registers."""
    if x == 1.0:
        return float("inf")
    y, z, before = 1.0, x, -1.0
    while z != before:
        x, before = x * x, z
        z += x * y
        y += y
    return z


def _tau(x: float) -> float:
    """Ertl's correction for full registers."""
    if x in (0.0, 1.0):
        return 0.0
    y, z, before = 1.0, 1 - x, -1.0
    while z != before:
        x, before = float(np.sqrt(x)), z
        y *= 0.5
        z -= (1 - x) ** 2 * y
    return z / 3
