"""Which record keys a day holds already: exact, and cheap however many there are.

A Bloom filter (B. H. Bloom, 1970) answers for nearly every new key; the few that it suspects are looked up in sorted runs. About
two bytes of memory a key stay resident; the runs (8 bytes a key) are memory-mapped files that are made anew after a restart.
"""

from __future__ import annotations

import mmap
import tempfile
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from triage.store.keys import Keys

RUN: Final = 1 << 18
_PROBES: Final = 5
_TAIL_PARTS: Final = 16
_BITS_A_KEY: Final = 16
_FIRST_BITS: Final = 1 << 20


class DayKeys:
    """The keys of one signal of one day."""

    def __init__(self, folder: Path, keys: Keys) -> None:
        self._folder = folder
        self._runs: list[Keys] = []
        self._maps: list[mmap.mmap] = []  # of the runs
        self._tail: list[Keys] = []
        self._tail_size = 0
        self._size = 0
        self._filter = np.zeros(_FIRST_BITS // 8, np.uint8)
        if len(keys):
            self.add(keys)

    def known(self, keys: Keys) -> npt.NDArray[np.bool_]:
        """Which of these keys are there, shape (keys,)."""
        places, masks = self._probes(keys)
        suspected: npt.NDArray[np.bool_] = ((self._filter[places] & masks) != 0).all(axis=0)
        if not suspected.any():
            return suspected
        picked = np.flatnonzero(suspected)
        wanted = keys[picked]
        found = np.zeros(len(wanted), bool)
        for run in (*self._runs, *self._tail):
            at = np.minimum(np.searchsorted(run, wanted), len(run) - 1)
            found |= run[at] == wanted
        suspected[picked] = found
        self._let_go()
        return suspected

    def add(self, keys: Keys) -> None:
        """Add keys that are not there yet."""
        if not len(keys):
            return
        self._size += len(keys)
        self._tail.append(np.sort(keys))
        self._tail_size += len(keys)
        if len(self._tail) > _TAIL_PARTS:
            self._tail = [np.sort(np.concatenate(self._tail), kind="stable")]  # merges what is sorted already
        if self._size * _BITS_A_KEY > len(self._filter) * 8:
            self._grow()
        else:
            self._mark(keys)
        if self._tail_size >= RUN:
            self._flush()

    def _mark(self, keys: Keys) -> None:
        places, masks = self._probes(keys)
        np.bitwise_or.at(self._filter, places.ravel(), masks.ravel())

    def _grow(self) -> None:
        bits = len(self._filter) * 8
        while self._size * _BITS_A_KEY > bits:
            bits *= 4
        self._filter = np.zeros(bits // 8, np.uint8)
        for run in (*self._runs, *self._tail):
            self._mark(run)
        self._let_go()

    def _let_go(self) -> None:
        """Pages of the runs that were read are no memory of this process any more; the system may still hold them as files' pages."""
        for mapped in self._maps:
            mapped.madvise(mmap.MADV_DONTNEED)

    def _flush(self) -> None:
        run = np.sort(np.concatenate(self._tail), kind="stable")
        self._tail, self._tail_size = [], 0
        with tempfile.TemporaryFile(dir=self._folder) as file:  # unlinked at once: it goes when the mapping goes
            run.tofile(file)
            file.flush()
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        mapped.madvise(mmap.MADV_RANDOM)
        self._maps.append(mapped)
        self._runs.append(np.frombuffer(mapped, np.uint64))

    def _probes(self, keys: Keys) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8]]:
        """Byte places and bit masks, shape (probes, keys). Keys are well mixed, so two halves make all probes (Kirsch and
        Mitzenmacher, 2006)."""
        bits = np.uint64(len(self._filter) * 8 - 1)
        step = (keys >> np.uint64(32)) | np.uint64(1)
        slots = (keys[None, :] + np.arange(_PROBES, dtype=np.uint64)[:, None] * step[None, :]) & bits
        return (slots >> np.uint64(3)).astype(np.int64), np.left_shift(np.uint8(1), (slots & np.uint64(7)).astype(np.uint8))
