"""The C library's heap of this process: bounded arenas, and free memory given back. Where the C library is another one than glibc,
nothing happens: both are for memory alone."""

from __future__ import annotations

import ctypes
import gc
from typing import Final

import pyarrow as pa

_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_M_ARENA_MAX: Final = -8
_ARENAS: Final = 2
_LARGE: Final = 1 << 20
"""Bytes from which on a block is a mapping of its own, which goes back when it is freed. Left alone, glibc raises this to 32 MiB as
blocks are freed, and what then lies between small ones stays."""


def bound() -> None:
    """Few arenas and an early return of large blocks; before threads start. By default each thread may get an arena of its own, up to
    eight a core, and each keeps what was free in it."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, _ARENAS)
        mallopt(_M_MMAP_THRESHOLD, _LARGE)
        mallopt(_M_TRIM_THRESHOLD, 4 * _LARGE)


def give_back() -> None:
    """Give back what is free. For after work that used much; a few milliseconds."""
    gc.collect()
    pa.default_memory_pool().release_unused()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
