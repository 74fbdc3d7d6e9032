"""Blocks of the ledger on Elasticsearch: runs of (hash, day) cut into documents, found by their lowest and highest hash.

Hashes ascend by their value as signed numbers, which is how Elasticsearch compares them.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from triage.store.keys import Keys

A_BLOCK: Final = 512
_A_RUN: Final = 1 << 21  # hashes that are sorted together, 16 MiB
_TOGETHER: Final = 256  # blocks that a merge sorts together
_ENTRY: Final = 10
Hashes = npt.NDArray[np.int64]
Days = npt.NDArray[np.uint16]  # days since 1970
Run = tuple[Hashes, Days]  # ascending by hash, each hash once


def sorted_hashes(pages: Iterable[Keys]) -> Iterator[Hashes]:
    """The hashes ascending, each once among so many as are sorted together."""
    waiting: list[Keys] = []
    for page in pages:
        waiting.append(page)
        if sum(map(len, waiting)) >= _A_RUN:
            yield _distinct(waiting)
            waiting = []
    yield _distinct(waiting)


def blocks(run: Run) -> Iterator[Run]:
    """A run in pieces of `A_BLOCK`."""
    hashes, days = run
    for start in range(0, len(hashes), A_BLOCK):
        yield hashes[start : start + A_BLOCK], days[start : start + A_BLOCK]


def merged(parts: Iterable[Run]) -> Iterator[Run]:
    """The blocks of one run, made of the blocks of many, which come by their lowest hash. Each hash keeps its last day.

    What lies below the lowest hash of the next block is complete.
    """
    waiting: list[Run] = []
    for part in parts:
        if len(waiting) >= _TOGETHER:
            hashes, days = _united(waiting)
            whole = int(hashes.searchsorted(part[0][0])) // A_BLOCK * A_BLOCK
            yield from blocks((hashes[:whole], days[:whole]))
            waiting = [(hashes[whole:], days[whole:])]
        waiting.append(part)
    if waiting:
        yield from blocks(_united(waiting))


def document(block: Run) -> dict[str, Any]:
    """Hashes, then days, little-endian: side by side, equal days take no room."""
    hashes, days = block
    packed = hashes.astype("<i8").tobytes() + days.astype("<u2").tobytes()
    return {"low": int(hashes[0]), "high": int(hashes[-1]), "ids": base64.b64encode(packed).decode()}


def unpacked(source: dict[str, Any]) -> Run:
    """What `document` packed."""
    packed = base64.b64decode(source["ids"])
    count = len(packed) // _ENTRY
    return np.frombuffer(packed, "<i8", count), np.frombuffer(packed, "<u2", count, 8 * count)


def signed(key: int) -> int:
    """A hash as Elasticsearch compares it."""
    return key - (1 << 64) if key >> 63 else key


def _distinct(pages: list[Keys]) -> Hashes:
    return np.unique(np.concatenate([np.zeros(0, np.uint64), *pages]).view(np.int64))


def _united(parts: list[Run]) -> Run:
    hashes = np.concatenate([part[0] for part in parts])
    days = np.concatenate([part[1] for part in parts])
    order = np.lexsort((days, hashes))
    hashes, days = hashes[order], days[order]
    last = np.ones(len(hashes), bool)
    last[:-1] = hashes[1:] != hashes[:-1]
    return hashes[last], days[last]
