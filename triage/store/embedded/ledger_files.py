"""Sorted files of ID hashes: how the ledger lies on the disk.

A file holds the hashes of one day in ascending order and, beside each, a place of two bytes: minute of the day and signals. Hashes
are spread evenly, so a look-up guesses where one lies, reads a few pages there, and hardly ever has to widen the guess. A file is
written under another name, synced and renamed, never changed; the same entry in two files does no harm.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from triage.errors import StoreFormatError, StoreUnavailable
from triage.store.keys import Keys
from triage.store.ledger_ids import SIGNAL_BITS, Marks

Places = npt.NDArray[np.uint16]
Run = tuple[npt.NDArray[Any], Places]  # hashes in ascending order, places

_MAGIC: Final = b"gtledger"
_HEAD: Final = struct.Struct("<8sBBHIQQ")  # magic, version, bytes a hash, reserved twice, entries, records that they were made from
_VERSION: Final = 1
_FEW: Final = 16
_CHUNK: Final = 1 << 18  # entries that are merged at once


@dataclass(frozen=True, slots=True)
class SortedIds:
    """One file, mapped into memory."""

    path: Path
    hashes: npt.NDArray[Any]
    places: Places
    records: int  # how many records were there when it was made; 0 where that does not matter

    @classmethod
    def open(cls, path: Path) -> SortedIds:
        """Map a file. Raises StoreFormatError for a newer version, StoreUnavailable for a damaged file."""
        try:
            with path.open("rb") as file:
                head = file.read(_HEAD.size)
        except OSError as error:
            raise StoreUnavailable(f"{path.name} cannot be read: {error.strerror}") from error
        if len(head) < _HEAD.size or not head.startswith(_MAGIC):
            raise StoreUnavailable(f"{path.name} is damaged; move it away and start again")
        _, version, width, _, _, entries, records = _HEAD.unpack(head)
        if version > _VERSION:
            raise StoreFormatError(f"{path.name} has format {version}; this version reads up to {_VERSION}. Start the newer version again.")
        if path.stat().st_size != _HEAD.size + entries * (width + 2):
            raise StoreUnavailable(f"{path.name} is damaged; move it away and start again")
        if not entries:
            return cls(path, np.zeros(0, f"<u{width}"), np.zeros(0, np.uint16), records)
        data = np.memmap(path, np.uint8, "r")
        middle = _HEAD.size + entries * width
        return cls(path, np.asarray(data[_HEAD.size : middle].view(f"<u{width}")), np.asarray(data[middle:].view("<u2")), records)

    def find(self, wanted: int) -> Places:
        """The places of a hash, cut to the width of this file."""
        size = len(self.hashes)
        if not size:
            return self.places
        bits = 8 * self.hashes.itemsize
        wanted >>= 64 - bits
        guess, reach = wanted * size >> bits, int(size**0.5) + 64
        while True:
            low, high = max(0, guess - reach), min(size, guess + reach)
            window = self.hashes[low:high]
            first = int(window.searchsorted(window.dtype.type(wanted)))
            last = int(window.searchsorted(window.dtype.type(wanted), "right"))
            if (first or not low) and (last < len(window) or high == size):
                return self.places[low + first : low + last]
            reach *= 8

    def find_all(self, wanted: Keys) -> Places:
        """The places of all these hashes of 64 bits, in no order."""
        if len(wanted) <= _FEW:
            found = [places for hashed in wanted.tolist() if len(places := self.find(hashed))]
            return np.concatenate(found) if found else self.places[:0]
        first, last = self.hashes.searchsorted(wanted), self.hashes.searchsorted(wanted, "right")
        there = np.flatnonzero(last > first)
        return np.concatenate([self.places[first[row] : last[row]] for row in there]) if len(there) else self.places[:0]


def open_runs(folder: Path, stem: str) -> dict[str, list[SortedIds]]:
    """The files `<stem>-<day>.<number>` of a folder by day, oldest number first. What was half written is removed."""
    for half in folder.glob(f"{stem}-*.new"):
        half.unlink()
    runs: dict[str, list[SortedIds]] = {}
    for path in sorted(folder.glob(f"{stem}-*"), key=number_of):
        runs.setdefault(path.stem.removeprefix(f"{stem}-"), []).append(SortedIds.open(path))
    return runs


def number_of(path: Path) -> int:
    """The number at the end of a file's name."""
    return int(path.suffix.removeprefix("."))


def places_of(marks: Marks, first_minute: int) -> Places:
    """Marks (epoch minute and signal bits) as places in the day that begins with `first_minute`."""
    return (marks - np.int32(first_minute << SIGNAL_BITS)).astype(np.uint16)


def sorted_run(hashes: Keys, places: Places) -> Run:
    """Entries in ascending order, one a hash and minute, which names all signals."""
    order = np.lexsort((places, hashes))
    return _folded(hashes[order], places[order])


def write_run(path: Path, runs: Sequence[Run], *, records: int = 0) -> SortedIds:
    """Merge sorted runs into one durable file. The memory that it takes does not grow with the runs."""
    making, half = path.with_name(path.name + ".new"), path.with_name(path.name + ".places.new")
    width, entries = runs[0][0].dtype.itemsize, 0
    with making.open("wb") as out, half.open("w+b") as beside:
        out.write(bytes(_HEAD.size))
        for hashes, places in _merged(runs):
            hashes.astype(f"<u{width}").tofile(out)
            places.astype("<u2").tofile(beside)
            entries += len(hashes)
        beside.seek(0)
        while block := beside.read(1 << 20):
            out.write(block)
        out.seek(0)
        out.write(_HEAD.pack(_MAGIC, _VERSION, width, 0, 0, entries, records))
        out.flush()
        os.fsync(out.fileno())
    half.unlink()
    making.rename(path)
    sync_folder(path.parent)
    return SortedIds.open(path)


def sync_folder(folder: Path) -> None:
    """Make renames in a folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _merged(runs: Sequence[Run]) -> Iterator[Run]:
    """The entries of all runs in order, some at a time: hashes are spread evenly, so equal stretches of them hold about as many."""
    total, width = sum(len(hashes) for hashes, _ in runs), runs[0][0].dtype.itemsize
    parts = max(1, -(-total // _CHUNK))
    edges = [step * (1 << 8 * width) // parts for step in range(1, parts)]
    cuts = [[0, *np.searchsorted(hashes, np.array(edges, hashes.dtype)).tolist(), len(hashes)] for hashes, _ in runs]
    for part in range(parts):
        pieces = [(h[cut[part] : cut[part + 1]], p[cut[part] : cut[part + 1]]) for (h, p), cut in zip(runs, cuts, strict=True)]
        if len(pieces) == 1:
            yield pieces[0]
        else:
            yield sorted_run(np.concatenate([h for h, _ in pieces]), np.concatenate([p for _, p in pieces]))


def _folded(hashes: npt.NDArray[Any], places: Places) -> Run:
    """Sorted entries with those of one hash and minute made one."""
    minutes = places >> SIGNAL_BITS
    first = np.ones(len(hashes), bool)
    first[1:] = (hashes[1:] != hashes[:-1]) | (minutes[1:] != minutes[:-1])
    if first.all():
        return hashes, places
    starts = np.flatnonzero(first)
    return hashes[starts], np.bitwise_or.reduceat(places, starts)
