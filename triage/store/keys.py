"""64-bit keys of records and IDs, computed for whole columns at once, straight from the bytes that Arrow holds.

A key folds the UTF-8 bytes, eight at a time, with the finaliser of SplitMix64 (Steele, Lea and Flood, 2014). Keys of records are
compared only among the records of one day.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from triage.domain.columns import ID_COLUMNS, Signal

Keys = npt.NDArray[np.uint64]
_WORD: Final = 8
_GOLDEN, _FIRST, _SECOND = (np.uint64(n) for n in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))
_S30, _S27, _S31 = np.uint64(30), np.uint64(27), np.uint64(31)


def record_keys(signal: Signal, table: pa.Table) -> Keys:
    """Keys of the records of a table, shape (rows,)."""
    keys = np.zeros(len(table), np.uint64)
    for name in ID_COLUMNS[signal]:
        keys = _mix(keys ^ text_keys(table.column(name)))
    return keys


def text_keys(column: pa.ChunkedArray | pa.Array) -> Keys:
    """Keys of texts without nulls, shape (rows,). Texts of one length are worked on together; most columns have one length."""
    array: pa.Array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    keys = np.zeros(len(array), np.uint64)
    if not len(array):
        return keys
    offsets, data = _buffers(array)
    lengths = np.diff(offsets)
    for length in distinct(lengths):
        rows = np.flatnonzero(lengths == length)
        if len(rows) == len(array):
            block = data[offsets[0] : offsets[-1]].reshape(len(rows), length)
        else:
            block = data[offsets[rows][:, None] + np.arange(length)]
        keys[rows] = _fold(block)
    return keys


def text_key(text: str) -> int:
    """The key of one text; equal to what `text_keys` gives for it."""
    data = np.frombuffer(text.encode("utf-8", "replace"), np.uint8)
    return int(_fold(data.reshape(1, len(data)))[0])


def distinct(numbers: npt.NDArray[np.int64]) -> list[int]:
    """The different values of an array, ascending. One value, the usual case, costs two passes and no hashing."""
    low, high = int(numbers.min()), int(numbers.max())
    return [low] if low == high else (np.flatnonzero(np.bincount(numbers - low)) + low).tolist()


def text_lengths(column: pa.ChunkedArray | pa.Array) -> npt.NDArray[np.int64]:
    """Lengths of texts in bytes, shape (rows,)."""
    array: pa.Array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    return np.diff(_buffers(array)[0]) if len(array) else np.zeros(0, np.int64)


def _buffers(array: pa.Array) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8]]:
    _, offsets, data = array.buffers()
    places = np.frombuffer(offsets, np.int32)[array.offset : array.offset + len(array) + 1].astype(np.int64)
    return places, np.frombuffer(data, np.uint8) if data is not None else np.zeros(0, np.uint8)


def _fold(block: npt.NDArray[Any]) -> Keys:
    rows, length = block.shape
    words = -(-length // _WORD)
    padded = block
    if length % _WORD:
        padded = np.zeros((rows, words * _WORD), np.uint8)
        padded[:, :length] = block
    numbers = np.ascontiguousarray(padded).view("<u8").reshape(rows, words) if words else np.zeros((rows, 0), np.uint64)
    keys = np.full(rows, length, np.uint64)
    for place in range(words):
        keys = _mix(keys ^ numbers[:, place])
    return keys


def _mix(keys: Keys) -> Keys:
    keys = keys + _GOLDEN
    keys = (keys ^ (keys >> _S30)) * _FIRST
    keys = (keys ^ (keys >> _S27)) * _SECOND
    return keys ^ (keys >> _S31)
