"""The place of records that a store refuses for good: one file a piece, masked, to be looked at and replayed.

A batch that is refused is halved until the records that are at fault stand alone; the others are kept. Halving costs about
2·log2(n) appends a poison record; where very many are at fault, the rest goes to this place as it is, after a bound of appends.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Final

import orjson

from triage.domain.columns import SIGNALS, Signal
from triage.errors import BadInput, StoreError, StoreUnavailable
from triage.ports.masked import MaskedRecords
from triage.ports.records import Appended, RecordStore

MOST_APPENDS: Final = 200
Encode = Callable[[MaskedRecords], bytes]
Decode = Callable[[bytes], MaskedRecords]


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One piece: its name, when it was refused first, why, and how many records of each signal it holds."""

    name: str
    at_ns: int
    reason: str
    records: dict[Signal, int]


@dataclass(frozen=True, slots=True)
class DeadState:
    """How much there is: pieces, the records in them, and bytes. `oldest_ns`: when the first was refused, 0 when none was."""

    pieces: int
    records: int
    bytes: int
    oldest_ns: int


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of a replay: records kept or known already, and pieces that were refused again."""

    kept: int
    refused: int


class DeadLetters:
    """A folder of refused records. `limit` is in bytes; beyond it nothing is accepted, since nothing may be lost."""

    def __init__(
        self, folder: Path, encode: Encode, decode: Decode, *, limit: int, clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._folder, self._encode, self._decode, self._limit, self._clock = folder, encode, decode, limit, clock
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def append_rest(self, store: RecordStore, batch: MaskedRecords) -> Appended:
        """Keep what the store takes of a batch that it refused as a whole, and put the rest here.

        Raises StoreUnavailable when the store or this folder cannot take it now; then the batch can be given again.
        """
        return self._append_rest(store, batch)[0]

    def _append_rest(self, store: RecordStore, batch: MaskedRecords) -> tuple[Appended, set[str]]:
        """What was appended, and the names of the pieces that were not."""
        total, refused = Appended(dict.fromkeys(SIGNALS, 0), dict.fromkeys(SIGNALS, 0)), set()
        waiting = [batch]
        for left in range(MOST_APPENDS, 0, -1):
            if not waiting:
                break
            part = waiting.pop()
            size = sum(part.size(signal) for signal in SIGNALS)
            try:
                appended = store.append(part)
            except StoreUnavailable:
                raise
            except StoreError as error:
                if size > 1 and left > 1:
                    waiting += [part.part(size // 2, size), part.part(0, size // 2)]
                else:
                    refused.add(self.put(part, str(error)))
                continue
            for signal in SIGNALS:
                total.kept[signal] += appended.kept.get(signal, 0)
                total.duplicate[signal] += appended.duplicate.get(signal, 0)
        for part in waiting:
            refused.add(self.put(part, "not tried alone: too many records beside it were refused"))
        return total, refused

    def put(self, batch: MaskedRecords, reason: str) -> str:
        """Keep a piece durably; its name. The same records are one piece, however often they are refused."""
        return self.put_bytes(self._encode(batch), reason, {signal: batch.size(signal) for signal in SIGNALS})

    def put_bytes(self, data: bytes, reason: str, records: dict[Signal, int]) -> str:
        """Keep masked bytes durably, also when they cannot be read; their name. Raises StoreUnavailable when there is no room."""
        file = self._folder / f"{blake2b(data, digest_size=12).hexdigest()}.dead"
        if file.exists():
            return file.stem
        head = orjson.dumps({"at_ns": self._clock(), "reason": reason[:500], "records": records})
        if self.bytes() + len(data) > self._limit:
            raise StoreUnavailable("the place for refused records is full; see `triage dead-letters list`", 60)
        write_durably(file, head + b"\n" + data)
        return file.stem

    def bytes(self) -> int:
        """What it holds, bytes."""
        return sum(file.stat().st_size for file in self._folder.glob("*.dead"))

    def state(self) -> DeadState:
        """How much there is."""
        letters = list(self.list())
        return DeadState(len(letters), sum(sum(letter.records.values()) for letter in letters), self.bytes(),
                         min((letter.at_ns for letter in letters), default=0))

    def list(self) -> Iterator[DeadLetter]:
        """Every piece, the oldest first."""
        found = []
        for file in self._folder.glob("*.dead"):
            with file.open("rb") as opened:
                head = orjson.loads(opened.readline())
            found.append(DeadLetter(file.stem, head["at_ns"], head["reason"], head["records"]))
        yield from sorted(found, key=lambda letter: (letter.at_ns, letter.name))

    def replay(self, store: RecordStore) -> Replayed:
        """Give every piece to the store again; what it still refuses stays, in smaller pieces where that is new.

        Raises StoreUnavailable; what was done until then is done.
        """
        kept = 0
        for letter in list(self.list()):
            file = self._folder / f"{letter.name}.dead"
            try:
                batch = self._decode(file.read_bytes().partition(b"\n")[2])
            except (BadInput, FileNotFoundError):
                continue  # stays, for people; or another replay was faster
            appended, refused = self._append_rest(store, batch)
            if letter.name not in refused:
                file.unlink(missing_ok=True)
            kept += sum(appended.kept.values()) + sum(appended.duplicate.values())
        return Replayed(kept, sum(1 for _ in self.list()))


def write_durably(file: Path, data: bytes) -> None:
    """Write a file so that it is there as a whole or not at all, also after a loss of power. Raises StoreUnavailable."""
    temporary = file.with_suffix(".new")
    try:
        with temporary.open("wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        temporary.replace(file)
        handle = os.open(file.parent, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise StoreUnavailable(f"cannot write to {file.parent}: {error.strerror}", 10) from error
