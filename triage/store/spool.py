"""A RecordStore that goes on acknowledging while the one behind it is away: batches wait on disk, masked, in order.

A batch is acknowledged when the inner store has it, or when it lies in the spool with fsync. While anything waits, new batches
queue behind it. One thread drains the oldest files first; a file is removed only after the inner store has taken all of it, so a
crash can only cause duplicates, which change nothing. A full spool is StoreUnavailable: senders wait.
"""

from __future__ import annotations

import fcntl
import logging
import os
import struct
import threading
import zlib
from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Final

import pyarrow as pa

from triage.domain.columns import SIGNALS, Signal
from triage.domain.windows import Window
from triage.errors import BadInput, ConfigError, StoreError, StoreUnavailable
from triage.ports.masked import MaskedRecords
from triage.ports.records import Appended, Condition, Counts, Found, Receipt, RecordPage, RecordStore, RollupKind
from triage.store.dead_letters import DeadLetters, Decode, Encode, write_durably
from triage.store.group import GroupCommit

_FRAME: Final = struct.Struct("<QI")  # length and CRC-32 of a batch
_AT_ONCE: Final = 4  # files on their way to the store together
_FIRST_PAUSE_S: Final = 0.5  # doubles
_LONGEST_PAUSE_S: Final = 15.0
_RETRY_AFTER_S: Final = 10
_LOG: Final = logging.getLogger("triage.spool")

Wait = Callable[[threading.Event, float], object]


@dataclass(frozen=True, slots=True)
class SpoolState:
    """What waits, and what was drained since the start."""

    waiting_batches: int
    waiting_bytes: int
    drained_batches: int


@dataclass(frozen=True, slots=True)
class _Segment:
    file: Path
    batches: int
    size: int


class SpooledRecordStore:
    """See `triage.ports.records`. Reads go to the inner store: what waits cannot be found yet. Owns the inner store and the folder.

    What is spooled counts as kept, since whether it is a duplicate shows only later. `limit` is in bytes.
    """

    def __init__(
        self, inner: RecordStore, folder: Path, dead_letters: DeadLetters, encode: Encode, decode: Decode, *, limit: int,
        pause: Wait = threading.Event.wait,
    ) -> None:
        self._inner, self._folder, self._dead = inner, folder, dead_letters
        self._encode, self._decode, self._limit, self._pause = encode, decode, limit, pause
        self._lock_file = _locked(folder)
        self._changed = threading.Condition()
        self._segments = _found(folder)
        self._next = max(self._segments, default=0) + 1
        self._batches = sum(segment.batches for segment in self._segments.values())
        self._bytes = sum(segment.size for segment in self._segments.values())
        self._drained = 0
        self._stopping = threading.Event()
        self._writer = GroupCommit(self._write, "spool-writer")
        self._sorter = ThreadPoolExecutor(1, "dead-letters")
        self._drainer = threading.Thread(target=self._drain, name="spool-drain", daemon=True)
        self._drainer.start()

    # -- writing ---------------------------------------------------------------------------------------------------

    def append(self, batch: MaskedRecords) -> Appended:
        """Keep a batch, here or there."""
        return self.submit(batch).result()

    def submit(self, batch: MaskedRecords) -> Future[Appended]:
        """Hand it to the inner store; to the spool when that is away, or when others wait already."""
        if self.state().waiting_batches:
            return self._writer.submit(batch)
        done: Future[Appended] = Future()
        self._inner.submit(batch).add_done_callback(partial(self._answered, batch, done))
        return done

    def state(self) -> SpoolState:
        """How much waits."""
        with self._changed:
            return SpoolState(self._batches, self._bytes, self._drained)

    def _answered(self, batch: MaskedRecords, done: Future[Appended], answer: Future[Appended]) -> None:
        """On a thread of the inner store, which must not wait here."""
        error = answer.exception()
        if error is None:
            done.set_result(answer.result())
        elif isinstance(error, StoreUnavailable):
            _pass_on(self._writer.submit(batch), done)
        elif isinstance(error, StoreError):
            self._sorter.submit(self._sort_out, batch, done)
        else:
            done.set_exception(error)

    def _sort_out(self, batch: MaskedRecords, done: Future[Appended]) -> None:
        """Find the records that are refused for good; keep the others."""
        try:
            done.set_result(self._dead.append_rest(self._inner, batch))
        except StoreUnavailable:
            _pass_on(self._writer.submit(batch), done)
        except Exception as error:
            done.set_exception(error if isinstance(error, StoreError) else StoreError(f"cannot write: {type(error).__name__}"))

    def _write(self, batches: list[MaskedRecords]) -> list[Appended]:
        """One file for the batches that wait. Acknowledged when it is on the disk."""
        frames = [self._encode(batch) for batch in batches]
        data = b"".join(part for frame in frames for part in (_FRAME.pack(len(frame), zlib.crc32(frame)), frame))
        with self._changed:
            number, used = self._next, self._bytes
        if used + len(data) > self._limit:
            raise StoreUnavailable("the store is away and the spool is full (TRIAGE_SPOOL_MIB); send again later", _RETRY_AFTER_S)
        file = self._folder / f"{number:016d}-{len(frames)}.spool"
        write_durably(file, data)
        with self._changed:
            self._segments[number] = _Segment(file, len(frames), len(data))
            self._next, self._batches, self._bytes = number + 1, self._batches + len(frames), self._bytes + len(data)
            self._changed.notify_all()
        return [Appended({s: batch.size(s) for s in SIGNALS}, dict.fromkeys(SIGNALS, 0)) for batch in batches]

    # -- draining --------------------------------------------------------------------------------------------------

    def _drain(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            with self._changed:
                self._changed.wait_for(lambda: self._segments or self._stopping.is_set())
                oldest = list(islice(self._segments.items(), _AT_ONCE))
            try:
                self._give(oldest)
                failures = 0
            except StoreUnavailable as error:
                pause = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2**failures)
                failures = min(failures + 1, 10)
                _LOG.warning("%d batches wait in the spool: %s", self.state().waiting_batches, error)
                self._pause(self._stopping, pause)
            except Exception:  # the thread must live on; the files stay
                _LOG.exception("cannot drain the spool")
                self._pause(self._stopping, _LONGEST_PAUSE_S)

    def _give(self, segments: Sequence[tuple[int, _Segment]]) -> None:
        """Give files to the inner store; those that it took are removed. Raises StoreUnavailable when others are left."""
        given = [(number, segment, self._submitted(segment)) for number, segment in segments]
        wait([answer for _, _, answers in given for _, answer in answers])
        away: StoreUnavailable | None = None
        for number, segment, answers in given:
            try:
                for batch, answer in answers:
                    self._settle(batch, answer)
            except StoreUnavailable as error:
                away = away or error
                continue
            segment.file.unlink(missing_ok=True)
            with self._changed:
                del self._segments[number]
                self._batches, self._bytes = self._batches - segment.batches, self._bytes - segment.size
                self._drained += segment.batches
        if away:
            raise away

    def _settle(self, batch: MaskedRecords, answer: Future[Appended]) -> None:
        try:
            answer.result()
        except StoreUnavailable:
            raise
        except StoreError:
            self._dead.append_rest(self._inner, batch)

    def _submitted(self, segment: _Segment) -> list[tuple[MaskedRecords, Future[Appended]]]:
        """Its batches, on their way. What cannot be read goes to the dead letters."""
        batches = []
        for frame, good in _frames(segment.file.read_bytes()):
            try:
                if not good:
                    raise BadInput("the checksum is wrong")
                batches.append(self._decode(frame))
            except BadInput as error:
                self._dead.put_bytes(frame, f"cannot be read from the spool: {error.reason}", {})
        return [(batch, self._inner.submit(batch)) for batch in batches]

    # -- the inner store's own -------------------------------------------------------------------------------------

    def receipts(self, limit: int = 1000) -> list[Receipt]:
        """The inner store's."""
        return self._inner.receipts(limit)

    def settle(self, receipt_ids: Collection[str]) -> None:
        """The inner store's."""
        self._inner.settle(receipt_ids)

    def scan(self, signal: Signal, window: Window, columns: Sequence[str], where: Sequence[Condition] = ()) -> pa.Table:
        """The inner store's."""
        return self._inner.scan(signal, window, columns, where)

    def by_trace(self, signal: Signal, trace_ids: Collection[str]) -> pa.Table:
        """The inner store's."""
        return self._inner.by_trace(signal, trace_ids)

    def witnesses(self, witness_ids: Collection[str]) -> pa.Table:
        """The inner store's."""
        return self._inner.witnesses(witness_ids)

    def find(self, value: str, limit: int = 50) -> list[Found]:
        """The inner store's."""
        return self._inner.find(value, limit)

    def search(
        self, signal: Signal, where: Sequence[Condition], window: Window | None, limit: int, cursor: str | None = None,
    ) -> RecordPage:
        """The inner store's."""
        return self._inner.search(signal, where, window, limit, cursor)

    def replace_rollups(self, kind: RollupKind, minutes: Collection[int], rows: pa.Table) -> None:
        """The inner store's."""
        self._inner.replace_rollups(kind, minutes, rows)

    def rollups(self, kind: RollupKind, window: Window, where: Sequence[Condition] = ()) -> pa.Table:
        """The inner store's."""
        return self._inner.rollups(kind, window, where)

    def pin(self, trace_ids: Collection[str]) -> None:
        """The inner store's."""
        self._inner.pin(trace_ids)

    def drop_day(self, signal: Signal, day: str) -> int:
        """The inner store's."""
        return self._inner.drop_day(signal, day)

    def counts(self) -> Counts:
        """The inner store's."""
        return self._inner.counts()

    def ping(self) -> None:
        """The inner store's."""
        self._inner.ping()

    def settle_reads(self) -> None:
        """The inner store's: what waits here is not found by it."""
        self._inner.settle_reads()

    def close(self) -> None:
        """Finish what the inner store has begun; what it does not take stays in the spool for the next start."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        with self._changed:
            self._changed.notify_all()
        self._drainer.join()
        self._inner.close()
        self._sorter.shutdown()
        self._writer.close()
        os.close(self._lock_file)


def _pass_on(answer: Future[Appended], done: Future[Appended]) -> None:
    def settle(finished: Future[Appended]) -> None:
        error = finished.exception()
        if error is None:
            done.set_result(finished.result())
        else:
            done.set_exception(error)

    answer.add_done_callback(settle)


def _locked(folder: Path) -> int:
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


def _found(folder: Path) -> OrderedDict[int, _Segment]:
    """What an earlier process left, the oldest first. Half-written files were never acknowledged."""
    for half in folder.glob("*.new"):
        half.unlink(missing_ok=True)
    found: OrderedDict[int, _Segment] = OrderedDict()
    for file in sorted(folder.glob("*.spool")):
        number, _, batches = file.stem.partition("-")
        found[int(number)] = _Segment(file, int(batches), file.stat().st_size)
    return found


def _frames(data: bytes) -> list[tuple[bytes, bool]]:
    """The batches of a file, and whether each is whole."""
    frames: list[tuple[bytes, bool]] = []
    at = 0
    while at + _FRAME.size <= len(data):
        length, check = _FRAME.unpack_from(data, at)
        frame = data[at + _FRAME.size : at + _FRAME.size + length]
        frames.append((frame, len(frame) == length and zlib.crc32(frame) == check))
        at += _FRAME.size + length
    return frames
