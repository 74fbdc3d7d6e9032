"""What a follower remembers over a restart: the positions, and which lines it saw lately.

`positions.json` is replaced as a whole, after the store has acknowledged. The lines seen lately stand in journals of fixed-size
entries beside it; the positions say how many entries of a journal count.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

import orjson

from collectors.tail import Position
from triage.errors import ConfigError

FORMAT: Final = 1
GENERATION: Final = 100_000
"""Lines of one journal. Identical lines carry the same time, so they stand closer to each other than this."""
FINISHED: Final = 100
"""Files that are remembered after they were let go, should they come back."""
_ENTRY: Final = struct.Struct("<8sI")


@dataclass(slots=True)
class RecentLines:
    """How often each of the last 100,000 to 200,000 lines of a stream was seen (see `Identities`). Changes since the last `write`
    can be undone, so that a batch that is read again gets the same IDs."""

    folder: Path
    name: str  # of the journals, without the generation
    generation: int = 0
    count: int = 0  # entries of this generation's journal
    changed_ns: int = 0  # when a file of the stream was last written to; what was rotated away since is looked for
    _now: dict[bytes, int] = field(default_factory=dict)
    _before: dict[bytes, int] = field(default_factory=dict)
    _undo: list[tuple[bytes, int | None]] = field(default_factory=list)

    def __getitem__(self, digest: bytes) -> int:
        return self._now.get(digest) or self._before.get(digest, 0)

    def __setitem__(self, digest: bytes, times: int) -> None:
        self._undo.append((digest, self._now.get(digest)))
        self._now[digest] = times

    def load(self) -> None:
        """Read the journals as far as they count. Raises OSError."""
        self._before = self._read(self.generation - 1, None)
        self._now = self._read(self.generation, self.count)

    def undo(self) -> None:
        """Forget what came since the last `write`."""
        for digest, times in reversed(self._undo):
            if times is None:
                self._now.pop(digest, None)
            else:
                self._now[digest] = times
        self._undo.clear()

    def write(self) -> None:
        """Append what is new to the journal, durably. Raises OSError; then nothing has changed but bytes that do not count."""
        entries = [_ENTRY.pack(digest, self._now[digest]) for digest in dict.fromkeys(digest for digest, _ in self._undo)]
        if entries:
            with self._file(self.generation).open("r+b" if self.count else "wb") as file:
                file.seek(self.count * _ENTRY.size)
                file.write(b"".join(entries))
                file.truncate()
                file.flush()
                os.fsync(file.fileno())
        self.count += len(entries)
        self._undo.clear()

    def turn(self) -> None:
        """Begin a new journal when this one is full, and forget the last but one. Call when the positions are safe."""
        if self.count >= GENERATION:
            self._file(self.generation - 1).unlink(missing_ok=True)
            self._before, self._now = self._now, {}
            self.generation, self.count = self.generation + 1, 0

    def delete(self) -> None:
        """Remove the journals."""
        for generation in (self.generation - 1, self.generation):
            self._file(generation).unlink(missing_ok=True)

    def _file(self, generation: int) -> Path:
        return self.folder / f"{self.name}.{generation}.lines"

    def _read(self, generation: int, entries: int | None) -> dict[bytes, int]:
        file = self._file(generation)
        data = file.read_bytes() if file.exists() else b""
        whole = len(data) // _ENTRY.size if entries is None else min(entries, len(data) // _ENTRY.size)
        return dict(_ENTRY.iter_unpack(data[: whole * _ENTRY.size]))


@dataclass(slots=True)
class FollowState:
    """The folder of one follower."""

    folder: Path
    positions: list[Position] = field(default_factory=list)
    finished: list[Position] = field(default_factory=list)  # of files that were let go
    streams: dict[str, RecentLines] = field(default_factory=dict)

    @classmethod
    def open(cls, folder: Path) -> FollowState:
        """Make or read the folder. Raises ConfigError when it was written by a newer version or cannot be read."""
        state = cls(folder)
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            file = state._file()
            body: dict[str, Any] = orjson.loads(file.read_bytes()) if file.exists() else {"format": FORMAT}
            if body["format"] != FORMAT:
                raise ConfigError([f"--state: {folder} was written by a newer version of Gateway Triage"])
            state.positions = [Position(**fields) for fields in body.get("files", [])]
            state.finished = [Position(**fields) for fields in body.get("finished", [])]
            for stream, fields in body.get("streams", {}).items():
                state.streams[stream] = RecentLines(folder, _journal(stream), **fields)
                state.streams[stream].load()
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ConfigError([f"--state: {folder} cannot be read: {error}"]) from error
        return state

    def stream(self, stream: str) -> RecentLines:
        """The lines seen lately of a stream."""
        if stream not in self.streams:
            self.streams[stream] = RecentLines(self.folder, _journal(stream))
        return self.streams[stream]

    def finish(self, position: Position, *, deleted: bool) -> None:
        """Remember a file that is let go, and forget the oldest ones."""
        position.deleted = deleted
        self.finished = [*self.finished, position][-FINISHED:]

    def prune(self, live: set[str]) -> None:
        """Forget the lines of streams that are neither live nor remembered."""
        for stream in set(self.streams) - live - {position.stream for position in self.finished}:
            self.streams.pop(stream).delete()

    def save(self, positions: Iterable[Position]) -> None:
        """Replace the positions, durably. Raises OSError."""
        self.positions = list(positions)
        body = {
            "format": FORMAT, "files": [asdict(position) for position in self.positions],
            "finished": [asdict(position) for position in self.finished],
            "streams": {name: {"generation": recent.generation, "count": recent.count, "changed_ns": recent.changed_ns}
                        for name, recent in self.streams.items()},
        }
        temporary = self.folder / ".positions.json.new"
        with temporary.open("wb") as file:
            file.write(orjson.dumps(body))
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self._file())
        handle = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def _file(self) -> Path:
        return self.folder / "positions.json"


def _journal(stream: str) -> str:
    return blake2b(stream.encode("utf-8", "surrogateescape"), digest_size=8).hexdigest()
