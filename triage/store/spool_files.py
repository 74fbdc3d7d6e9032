"""The files of a spool: numbered, each some batches with their lengths and checksums, in a folder that one process owns."""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import zlib
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from triage.errors import ConfigError

_FRAME: Final = struct.Struct("<QI")  # length and CRC-32 of a batch


@dataclass(frozen=True, slots=True)
class SpoolState:
    """What waits, and what was drained since the start. `oldest_ns`: wall clock of the oldest that waits, 0 when none does.
    `full`: the last batch found no room, in the limit or on the disk."""

    waiting_batches: int
    waiting_bytes: int
    limit_bytes: int
    oldest_ns: int
    full: bool = False
    drained_batches: int = 0


@dataclass(frozen=True, slots=True)
class Segment:
    """One file. `at_ns`: wall clock of its writing."""

    file: Path
    batches: int
    size: int
    at_ns: int


def locked(folder: Path) -> int:
    """Make the folder ours while this process lives. Raises ConfigError."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(folder / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigError([f"TRIAGE_SPOOL: {folder} cannot be used: {error.strerror}"]) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(handle)
        raise ConfigError([f"TRIAGE_SPOOL: {folder} belongs to another running process; give each its own folder"]) from error
    return handle


def found_in(folder: Path) -> OrderedDict[int, Segment]:
    """What an earlier process left, the oldest first."""
    found: OrderedDict[int, Segment] = OrderedDict()
    for file in sorted(folder.glob("*.spool")):
        number, _, batches = file.stem.partition("-")
        with contextlib.suppress(FileNotFoundError):  # its owner drains it meanwhile
            seen = file.stat()
            found[int(number)] = Segment(file, int(batches), seen.st_size, seen.st_mtime_ns)
    return found


def waiting_in(folder: Path, limit: int) -> SpoolState:
    """What waits in the folder of a spool, whoever owns it."""
    segments = found_in(folder).values()
    return SpoolState(sum(segment.batches for segment in segments), sum(segment.size for segment in segments), limit,
                      min((segment.at_ns for segment in segments), default=0))


def joined(frames: Sequence[bytes]) -> bytes:
    """The content of a file."""
    return b"".join(part for frame in frames for part in (_FRAME.pack(len(frame), zlib.crc32(frame)), frame))


def frames_of(data: bytes) -> list[tuple[bytes, bool]]:
    """The batches of a file, and whether each is whole."""
    frames: list[tuple[bytes, bool]] = []
    at = 0
    while at + _FRAME.size <= len(data):
        length, check = _FRAME.unpack_from(data, at)
        frame = data[at + _FRAME.size : at + _FRAME.size + length]
        frames.append((frame, len(frame) == length and zlib.crc32(frame) == check))
        at += _FRAME.size + length
    return frames
