"""64-bit keys of records, computed for whole columns at once.

Two records with the same key are the same record (design: Storage, promise 2). Keys are compared only among records of the same
moment, so 64 bits are ample. The mixing step is the finaliser of SplitMix64.
"""

from __future__ import annotations

from hashlib import blake2b

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from triage.domain.columns import ID_COLUMNS, Signal

Keys = npt.NDArray[np.uint64]


def record_keys(signal: Signal, table: pa.Table) -> Keys:
    """Keys of the records of a table, shape (rows,)."""
    keys = np.zeros(len(table), np.uint64)
    for name in ID_COLUMNS[signal]:
        keys = _mix(keys ^ text_keys(table.column(name)))
    return keys


def text_keys(column: pa.ChunkedArray) -> Keys:
    """Keys of texts, shape (rows,). Hex IDs, which nearly all are, are read as numbers without a Python object each."""
    texts = column.to_pylist()
    if not texts:
        return np.zeros(0, np.uint64)
    joined = "".join(texts)
    width = len(texts[0])
    if width and width % 16 == 0 and len(joined) == width * len(texts) and set(map(len, texts)) == {width}:
        try:
            words = np.frombuffer(bytes.fromhex(joined), ">u8").astype(np.uint64).reshape(len(texts), width // 16)
        except ValueError:
            return _slow_keys(texts)
        if joined.islower() or joined.isdigit():
            return _fold(words)
    return _slow_keys(texts)


def _slow_keys(texts: list[str]) -> Keys:
    return np.fromiter((text_key(text) for text in texts), np.uint64, len(texts))


def text_key(text: str) -> int:
    """The key of one text; equal to what `text_keys` gives for it."""
    if text and len(text) % 16 == 0 and (text.islower() or text.isdigit()):
        try:
            words = np.frombuffer(bytes.fromhex(text), ">u8").astype(np.uint64).reshape(1, -1)
        except ValueError:
            words = None
        if words is not None and words.size * 16 == len(text):
            return int(_fold(words)[0])
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")


def _fold(words: npt.NDArray[np.uint64]) -> Keys:
    keys = np.zeros(len(words), np.uint64)
    for i in range(words.shape[1]):
        keys = _mix(keys ^ words[:, i])
    return keys


def _mix(keys: Keys) -> Keys:
    keys = keys + np.uint64(0x9E3779B97F4A7C15)
    keys = (keys ^ (keys >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    keys = (keys ^ (keys >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return keys ^ (keys >> np.uint64(31))
