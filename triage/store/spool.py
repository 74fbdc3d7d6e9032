"""A RecordStore that goes on acknowledging while the one behind it is away: batches wait on disk, masked, in order.

A batch is acknowledged when the inner store has it, or when it lies in the spool with fsync, where it goes when the inner store
is away or takes long. While anything waits, new batches queue behind it. One thread drains the oldest files first; a file is
removed only after the inner store has taken all of it, so a crash can only cause duplicates, which change nothing. A full spool
is StoreUnavailable: senders wait.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Final

import pyarrow as pa

from triage.domain.columns import SIGNALS, Signal
from triage.domain.windows import Window
from triage.errors import BadInput, StoreError, StoreUnavailable
from triage.ports.masked import MaskedRecords
from triage.ports.records import Appended, Condition, Counts, Found, Receipt, RecordPage, RecordStore, RollupKind
from triage.store.dead_letters import DeadLetters, DeadState, Decode, Encode, write_durably
from triage.store.group import GroupCommit
from triage.store.spool_files import Segment, SpoolState, found_in, frames_of, joined, locked
from triage.store.waiting_ids import WaitingIds

_AT_ONCE: Final = 64  # files on their way to the store together: its bulks must be large, or the spool grows faster than it drains
_BYTES_AT_ONCE: Final = 16 << 20
_FIRST_PAUSE_S: Final = 0.5  # doubles
_LONGEST_PAUSE_S: Final = 15.0
_RETRY_AFTER_S: Final = 10
_PATIENCE_S: Final = 5.0  # with the inner store; many senders give up after 10 s
_LOG: Final = logging.getLogger("triage.spool")

Wait = Callable[[threading.Event, float], object]


class SpooledRecordStore:
    """See `triage.ports.records`. Reads go to the inner store: what waits cannot be found yet. Owns the inner store and the folder.

    What is spooled counts as kept, since whether it is a duplicate shows only later. `limit` is in bytes.
    """

    def __init__(
        self, inner: RecordStore, folder: Path, dead_letters: DeadLetters, encode: Encode, decode: Decode, *, limit: int,
        pause: Wait = threading.Event.wait, patience_s: float = _PATIENCE_S,
    ) -> None:
        self._inner, self._folder, self._dead = inner, folder, dead_letters
        self._encode, self._decode, self._limit, self._pause = encode, decode, limit, pause
        self._lock_file = locked(folder)
        self._changed = threading.Condition()
        for half in folder.glob("*.new"):  # half-written files were never acknowledged
            half.unlink(missing_ok=True)
        self._segments = found_in(folder)
        self._next = max(self._segments, default=0) + 1
        self._batches = sum(segment.batches for segment in self._segments.values())
        self._bytes = sum(segment.size for segment in self._segments.values())
        self._drained, self._full = 0, False
        self._flowing, self._given = False, 0  # the inner store took the last files; up to this number they are on their way
        self._waiting = WaitingIds(decode)
        self._patience_s = patience_s
        self._handed: dict[int, tuple[float, MaskedRecords, Future[Appended]]] = {}  # to the inner store: until when we wait
        self._stopping = threading.Event()
        self._writer = GroupCommit(self._write, "spool-writer")
        self._sorter = ThreadPoolExecutor(1, "dead-letters")
        self._drainer = threading.Thread(target=self._drain, name="spool-drain", daemon=True)
        self._drainer.start()
        self._watcher = threading.Thread(target=self._watch, name="spool-patience", daemon=True)
        self._watcher.start()

    # -- writing ---------------------------------------------------------------------------------------------------

    def append(self, batch: MaskedRecords) -> Appended:
        """Keep a batch, here or there."""
        return self.submit(batch).result()

    def submit(self, batch: MaskedRecords) -> Future[Appended]:
        """Hand it to the inner store; to the spool when that is away, or when others wait already."""
        if self._behind():
            return self._writer.submit(batch)
        done: Future[Appended] = Future()
        self._handed[id(done)] = (time.monotonic() + self._patience_s, batch, done)
        try:
            answer = self._inner.submit(batch)
        except StoreError:
            self._handed.pop(id(done), None)
            raise
        answer.add_done_callback(partial(self._answered, batch, done))
        return done

    def _behind(self) -> bool:
        """Whether something waits that is not on its way to a store that takes it. Otherwise a batch can follow directly, without
        losing its place: under load the spool would never become empty if everything went through it."""
        with self._changed:
            return bool(self._segments) and self._given < next(reversed(self._segments))

    def state(self) -> SpoolState:
        """How much waits."""
        with self._changed:
            oldest = next(iter(self._segments.values()), None)
            return SpoolState(self._batches, self._bytes, self._limit, oldest.at_ns if oldest else 0, self._full, self._drained)

    def dead_letters(self) -> DeadState:
        """How much was refused for good."""
        return self._dead.state()

    def _answered(self, batch: MaskedRecords, done: Future[Appended], answer: Future[Appended]) -> None:
        """On a thread of the inner store, which must not wait here."""
        if self._handed.pop(id(done), None) is None:
            return  # it went to the spool meanwhile; whichever copy comes second is a duplicate
        error = answer.exception()
        if error is None:
            done.set_result(answer.result())
        elif isinstance(error, StoreUnavailable):
            _pass_on(self._writer.submit(batch), done)
        elif isinstance(error, StoreError):
            self._sorter.submit(self._sort_out, batch, done)
        else:
            done.set_exception(error)

    def _watch(self) -> None:
        """Spool what the inner store has not answered within the patience."""
        while not self._stopping.wait(min(self._patience_s, 0.5)):
            now = time.monotonic()
            for key, (until, batch, done) in list(self._handed.items()):
                if until > now:
                    break  # they are in order of time
                if self._handed.pop(key, None):
                    _pass_on(self._writer.submit(batch), done)

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
        try:
            return self._written(batches)
        except StoreUnavailable:
            self._full = True
            raise

    def _written(self, batches: list[MaskedRecords]) -> list[Appended]:
        frames = [self._encode(batch) for batch in batches]
        data = joined(frames)
        with self._changed:
            number, used = self._next, self._bytes
        if used + len(data) > self._limit:
            raise StoreUnavailable("the store is away and the spool is full (TRIAGE_SPOOL_MIB); send again later", _RETRY_AFTER_S)
        file = self._folder / f"{number:016d}-{len(frames)}.spool"
        self._waiting.add(file, batches)
        write_durably(file, data)
        with self._changed:
            self._segments[number] = Segment(file, len(frames), len(data), time.time_ns())
            self._full = False
            self._next, self._batches, self._bytes = number + 1, self._batches + len(frames), self._bytes + len(data)
            self._changed.notify_all()
        return [Appended({s: batch.size(s) for s in SIGNALS}, dict.fromkeys(SIGNALS, 0)) for batch in batches]

    # -- draining --------------------------------------------------------------------------------------------------

    def _drain(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            with self._changed:
                self._changed.wait_for(lambda: self._segments or self._stopping.is_set())
                oldest = _oldest(self._segments)
            try:
                self._give(oldest)
                failures = 0
            except StoreUnavailable as error:
                self._flowing, self._given = False, 0
                pause = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2**failures)
                failures = min(failures + 1, 10)
                _LOG.warning("%d batches wait in the spool: %s", self.state().waiting_batches, error)
                self._pause(self._stopping, pause)
            except Exception:  # the thread must live on; the files stay
                self._flowing, self._given = False, 0
                _LOG.exception("cannot drain the spool")
                self._pause(self._stopping, _LONGEST_PAUSE_S)

    def _give(self, segments: Sequence[tuple[int, Segment]]) -> None:
        """Give files to the inner store; those that it took are removed. Raises StoreUnavailable when others are left."""
        given = [(number, segment, self._submitted(segment)) for number, segment in segments]
        if self._flowing and segments:
            self._given = segments[-1][0]
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
                self._waiting.forget(segment.file)
                self._batches, self._bytes = self._batches - segment.batches, self._bytes - segment.size
                self._drained += segment.batches
                self._full = self._full and bool(self._segments)
        if away:
            raise away
        self._flowing = True

    def _settle(self, batch: MaskedRecords, answer: Future[Appended]) -> None:
        try:
            answer.result()
        except StoreUnavailable:
            raise
        except StoreError:
            self._dead.append_rest(self._inner, batch)

    def _submitted(self, segment: Segment) -> list[tuple[MaskedRecords, Future[Appended]]]:
        """Its batches, on their way. What cannot be read goes to the dead letters."""
        batches = []
        for frame, good in frames_of(segment.file.read_bytes()):
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

    def presence(self, window: Window) -> pa.Table:
        """The inner store's."""
        return self._inner.presence(window)

    def by_trace(self, signal: Signal, trace_ids: Collection[str]) -> pa.Table:
        """The inner store's."""
        return self._inner.by_trace(signal, trace_ids)

    def witnesses(self, witness_ids: Collection[str]) -> pa.Table:
        """The inner store's."""
        return self._inner.witnesses(witness_ids)

    def find(self, *values: str, limit: int = 50) -> list[Found]:
        """The inner store's."""
        return self._inner.find(*values, limit=limit)

    def last_seen(self, *values: str) -> dict[str, str]:
        """The inner store's."""
        return self._inner.last_seen(*values)

    def pending(self, *values: str) -> set[str]:
        """What waits here, and what the inner store has not made visible yet."""
        with self._changed:
            files = [segment.file for segment in self._segments.values()]
        here = self._waiting.among([value for value in values if value], files)
        return here | self._inner.pending(*(value for value in values if value not in here))

    def tend(self, now_ns: int, *, ledger_days: int) -> None:
        """The inner store's."""
        self._inner.tend(now_ns, ledger_days=ledger_days)

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

    def drop_rollups(self, before_minute: int) -> int:
        """Of the store."""
        return self._inner.drop_rollups(before_minute)

    def give_back(self) -> int:
        """The inner store's."""
        return self._inner.give_back()

    def disk_bytes(self) -> int:
        """The inner store's."""
        return self._inner.disk_bytes()

    def pin(self, trace_ids: Collection[str], witness_ids: Collection[str] = ()) -> None:
        """The inner store's."""
        self._inner.pin(trace_ids, witness_ids)

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
        self._watcher.join()
        self._inner.close()
        self._sorter.shutdown()
        self._writer.close()
        os.close(self._lock_file)


def _oldest(segments: OrderedDict[int, Segment]) -> list[tuple[int, Segment]]:
    """The oldest files, as many as may be on their way together; at least one."""
    chosen: list[tuple[int, Segment]] = []
    size = 0
    for number, segment in islice(segments.items(), _AT_ONCE):
        size += segment.size
        if chosen and size > _BYTES_AT_ONCE:
            break
        chosen.append((number, segment))
    return chosen


def _pass_on(answer: Future[Appended], done: Future[Appended]) -> None:
    def settle(finished: Future[Appended]) -> None:
        error = finished.exception()
        if error is None:
            done.set_result(finished.result())
        else:
            done.set_exception(error)

    answer.add_done_callback(settle)
