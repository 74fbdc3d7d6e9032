"""One log file that grows: whole lines from a place on, and whether it is still the file that it was."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Final

from collectors.files import LINES
from collectors.gateways.read import LONGEST_LINE

HEAD: Final = 4096  # bytes by which a file is known again, beside its inode: some gateways begin every line alike
_ROTATED: Final = re.compile(r"[.\-_](?:\d[\d\-_.:T]*|old|prev|bak)")  # what rotation adds to a name
_READ: Final = 4 << 20  # bytes of one batch, over which no memory grows

Key = tuple[int, int]  # device, inode


@dataclass(slots=True)
class Position:
    """How far a file was read, and how to know it again under another name."""

    path: str  # where it was last seen
    stream: str  # the path at which it was first seen: its lines and those of its successors there are told apart together
    device: int
    inode: int
    offset: int = 0
    line: int = 1  # number of the line at the offset
    head: str = ""  # hash of the first `head_size` bytes
    head_size: int = 0
    kind: str = ""  # the gateway, once it is recognised
    deleted: bool = False  # it was gone for good when it was let go; should the same content come back, it is not read twice

    @property
    def key(self) -> Key:
        """What the file system calls it."""
        return self.device, self.inode


@dataclass(frozen=True, slots=True)
class Batch:
    """Whole lines of a file, joined, and where the next ones begin."""

    data: bytes
    lines: int
    end: int
    start: bytes  # the first bytes of the file, as they were when it was read: later it may have been truncated


@dataclass(slots=True)
class Tail:
    """An open file and the position in it. It keeps no bytes: what is not a whole line yet is read again."""

    position: Position
    handle: int  # file descriptor; stays good when the file is renamed or deleted
    gone_at: float | None = None  # monotonic clock when no followed path led to it any more
    read_at: float = 0.0  # monotonic clock of the last batch
    seen_ns: int = 0  # when it was last written to, as of the last look at the folder: what came later was not looked for
    _scanned: int = field(default=0)  # how far an overlong line was searched for its end

    @classmethod
    def open(cls, path: Path, stream: str, position: Position | None = None) -> Tail:
        """Open a file, at a position that it is known to have. Raises OSError."""
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        status = os.fstat(handle)
        if position is None:
            position = Position(str(path), stream, status.st_dev, status.st_ino)
        position.path, position.device, position.inode = str(path), status.st_dev, status.st_ino
        return cls(position, handle)

    def close(self) -> None:
        """Let the file go."""
        os.close(self.handle)

    def changed_ns(self) -> int:
        """When it was last written to."""
        return os.fstat(self.handle).st_mtime_ns

    def is_deleted(self) -> bool:
        """Whether no name leads to it any more."""
        return os.fstat(self.handle).st_nlink == 0

    def size(self) -> int:
        """Bytes that it has now."""
        return os.fstat(self.handle).st_size

    def is_shorter(self, size: int) -> bool:
        """Whether it has fewer bytes."""
        return self.size() < size

    def was_replaced(self) -> bool:
        """Whether its content is another than what was read: cut off, or begun anew."""
        return self.is_shorter(self.position.offset) or head_of(self.handle, self.position.head_size) != self.position.head

    def begins_like(self, known: Position) -> bool:
        """Whether it begins with all that is remembered of the beginning of another file, and is no shorter than that was read."""
        return bool(known.head) and head_of(self.handle, known.head_size) == known.head and not self.is_shorter(known.offset)

    def repeats(self, other: Tail) -> bool:
        """Whether it is a copy of another file, by the beginning of what is there now or of what was read."""
        size = min(HEAD, self.size(), other.size())
        now = head_of(self.handle, size)
        if now and now == head_of(other.handle, size):
            return True
        known = other.position  # asked second: the copy was whole before the original was cut off
        return bool(known.head) and head_of(self.handle, known.head_size) == known.head

    def read(self, *, last: bool = False) -> Batch | None:
        """The next whole lines; with `last`, also a line without an end. None: there is none yet."""
        data = os.pread(self.handle, _READ, self.position.offset)
        lines, end = 0, 0
        while lines < LINES and (found := data.find(b"\n", end)) >= 0:
            lines, end = lines + 1, found + 1
        if lines:
            return self._batch(data[:end], lines, self.position.offset + end)
        if len(data) > LONGEST_LINE:
            return self._overlong(data[:LONGEST_LINE + 1], last=last)
        return self._batch(data, 1, self.position.offset + len(data)) if last and data else None

    def _overlong(self, start: bytes, *, last: bool) -> Batch | None:
        """The beginning of an overlong line, when its end is there. One byte over the limit, so that it is counted as cut."""
        place = max(self._scanned, self.position.offset)
        while data := os.pread(self.handle, _READ, place):
            if (found := data.find(b"\n")) >= 0:
                return self._batch(start, 1, place + found + 1)
            place += len(data)
        self._scanned = place
        return self._batch(start, 1, place) if last else None

    def advance(self, batch: Batch) -> None:
        """The batch is kept; go on behind it."""
        position = self.position
        position.offset, position.line = batch.end, position.line + batch.lines
        position.head_size, position.head = len(batch.start), _hash(batch.start)

    def _batch(self, data: bytes, lines: int, end: int) -> Batch:
        size = min(HEAD, end)
        start = os.pread(self.handle, size, 0) if self.position.offset or len(data) < size else data[:size]
        return Batch(data, lines, end, start)


def head_of(handle: int, size: int) -> str:
    """Hash of the first bytes; '' for none, and for a file that has fewer."""
    data = os.pread(handle, size, 0) if size else b""
    return _hash(data) if len(data) == size else ""


def _hash(data: bytes) -> str:
    return blake2b(data, digest_size=8).hexdigest() if data else ""


def find_again(position: Position, taken: set[Key]) -> Path | None:
    """Where the content that a position belongs to lies now: at its path, renamed in the same folder, or copied there."""
    folder = Path(position.path).parent
    copy = None
    for path in (Path(position.path), *_files(folder)):
        try:
            status = path.stat()
            key = status.st_dev, status.st_ino
            if key in taken or status.st_size < position.offset or (not position.head and key != position.key):
                continue
            if _head_at(path, position.head_size) == position.head:
                if key == position.key:
                    return path
                copy = copy or path
        except OSError:
            continue
    return copy


def successors(path: Path, since_ns: int, taken: set[Key]) -> list[Path]:
    """Files beside `path` with what was at `path` meanwhile and was rotated away since (`access.log.1`), oldest first."""
    found: list[tuple[int, Path]] = []
    for file in _files(path.parent):
        try:
            status = file.stat()
        except OSError:
            continue
        new = status.st_size and status.st_mtime_ns >= since_ns and (status.st_dev, status.st_ino) not in taken
        if new and file.name.startswith(path.name) and _ROTATED.fullmatch(file.name.removeprefix(path.name)):
            found.append((status.st_mtime_ns, file))
    return [file for _, file in sorted(found)]


def is_plain(path: Path) -> bool:
    """Whether it is a file of lines; compressed ones were plain before and were read then."""
    return path.suffix not in (".gz", ".bz2", ".xz", ".zst") and path.is_file()


def _files(folder: Path) -> list[Path]:
    try:
        return [path for path in sorted(folder.iterdir()) if is_plain(path)]
    except OSError:
        return []


def _head_at(path: Path, size: int) -> str:
    with path.open("rb") as file:
        return head_of(file.fileno(), size)
