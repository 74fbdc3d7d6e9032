"""The spool and the dead letters: nothing acknowledged is lost, and poison blocks nobody."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest
from builders import call, log, masked, span, span_id, trace_id, uuid
from examples import examples
from hypothesis import given
from hypothesis import strategies as st

from triage.domain.windows import Window
from triage.errors import ConfigError, StoreError, StoreUnavailable
from triage.mask.transfer import from_bytes, to_bytes
from triage.ports.masked import MaskedRecords
from triage.ports.records import Appended
from triage.store.dead_letters import MOST_APPENDS, DeadLetters
from triage.store.memory import MemoryRecords, MemoryRecordStore
from triage.store.spool import SpooledRecordStore
from triage.store.waiting_ids import WaitingIds

ALWAYS = Window(0, 2**63 - 1)


class Flaky(MemoryRecordStore):
    """Goes away and returns; refuses poison logs for good, together with what comes with them."""

    def __init__(self, data: MemoryRecords) -> None:
        super().__init__(data)
        self.away = False
        self.poison: set[str] = set()
        self.order: list[str] = []
        self.appends = 0
        self.leaves_after = 10**9

    def submit(self, batch: MaskedRecords) -> Future[Appended]:
        self.appends += 1
        fault: StoreError | None = None
        if self.away or self.appends > self.leaves_after:
            fault = StoreUnavailable("away")
        elif self.poison & set(batch.logs.column("log_id").to_pylist()):
            fault = StoreError("refused with status 400")
        done: Future[Appended] = Future()
        if fault is None:
            self.order += batch.logs.column("log_id").to_pylist()
            done.set_result(super().append(batch))
        else:
            done.set_exception(fault)
        return done

    def append(self, batch: MaskedRecords) -> Appended:
        return self.submit(batch).result()


class Rig:
    """An inner store whose data outlive it, and a spool that can be killed."""

    def __init__(self, folder: Path, limit: int = 1 << 30, patience_s: float = 60) -> None:
        self.folder, self.limit, self.patience_s, self.data = folder, limit, patience_s, MemoryRecords()
        self.opened: list[SpooledRecordStore] = []
        self.paused = threading.Event()  # set when the drain has found the store away
        self.go_on = threading.Semaphore(0)
        self.open()

    def open(self) -> None:
        self.inner = Flaky(self.data)
        self.dead = DeadLetters(self.folder / "dead", to_bytes, from_bytes, limit=self.limit, clock=lambda: 7)
        self.store = SpooledRecordStore(self.inner, self.folder, self.dead, to_bytes, from_bytes, limit=self.limit, pause=self._pause,
                                        patience_s=self.patience_s)
        self.opened.append(self.store)

    def _pause(self, stopping: threading.Event, seconds: float) -> None:
        self.paused.set()
        while not stopping.is_set() and not self.go_on.acquire(timeout=0.01):
            pass

    def back(self) -> None:
        """The store returns and everything is drained."""
        self.inner.away = False
        self.go_on.release()
        until(lambda: not self.store.state().waiting_batches)

    def reopen(self) -> None:
        """As after kill -9: a new process finds the folder. The old one is told to stop, with its inner store away."""
        self.store.close()
        self.open()

    def logs(self) -> list[str]:
        return sorted(self.inner.scan("logs", ALWAYS, ["log_id"]).column(0).to_pylist())


def until(ready: Callable[[], object], within_s: float = 10) -> None:
    end = time.monotonic() + within_s
    while not ready():
        assert time.monotonic() < end, "not in time"
        threading.Event().wait(0.002)


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path / "spool")
    yield made
    made.store.close()


def batch(*numbers: int) -> MaskedRecords:
    made: MaskedRecords = masked(logs=[log(number) for number in numbers])
    return made


def ids(*numbers: int) -> list[str]:
    return sorted(map(span_id, numbers))


def test_while_the_store_answers_nothing_is_spooled(rig: Rig) -> None:
    assert rig.store.append(batch(1, 2)).kept["logs"] == 2
    assert rig.store.append(batch(2)).duplicate["logs"] == 1
    assert rig.store.state().waiting_batches == 0
    assert rig.logs() == ids(1, 2)


def test_what_comes_while_it_is_away_waits_in_order_and_is_drained(rig: Rig) -> None:
    rig.inner.away = True
    assert rig.store.append(batch(1)).kept["logs"] == 1, "acknowledged"
    until(rig.paused.is_set)
    appends = rig.inner.appends
    for number in range(2, 30):
        rig.store.append(batch(number))
    assert rig.inner.appends == appends, "they queue behind, without asking the store"
    state = rig.store.state()
    assert (state.waiting_batches, state.drained_batches) == (29, 0)
    assert state.waiting_bytes == sum(file.stat().st_size for file in rig.folder.glob("*.spool"))
    rig.back()
    assert rig.inner.order == [span_id(number) for number in range(1, 30)]
    assert rig.store.state().drained_batches == 29
    assert not list(rig.folder.glob("*.spool"))
    rig.store.append(batch(30))
    assert rig.logs() == ids(*range(1, 31))


def test_once_the_rest_is_on_its_way_new_batches_follow_directly(rig: Rig) -> None:
    """Under a steady load the spool would never become empty otherwise."""
    rig.inner.away = True
    for number in range(1, 70):  # more than go at once
        rig.store.append(batch(number))
    until(rig.paused.is_set)
    held: list[tuple[Future[Appended], Future[Appended]]] = []  # what the sender sees, and what the store said
    submit = rig.inner.submit

    def slow(given: MaskedRecords) -> Future[Appended]:
        if len(rig.inner.order) < 64:
            return submit(given)
        held.append((Future(), submit(given)))
        return held[-1][0]

    rig.inner.submit = slow  # type: ignore[method-assign]
    rig.inner.away = False
    rig.go_on.release()
    until(lambda: len(held) == 5)
    until(lambda: rig.store.submit(batch(70)) and len(held) > 5)
    assert rig.inner.order[:70] == [span_id(number) for number in range(1, 71)], "behind the others, not on the disk"
    for answer, said in held:
        answer.set_result(said.result())
    rig.inner.submit = submit  # type: ignore[method-assign]
    until(lambda: not rig.store.state().waiting_batches)


def test_a_store_that_takes_long_is_not_waited_for(tmp_path: Path) -> None:
    rig = Rig(tmp_path / "spool", patience_s=0.02)
    held: list[Future[Appended]] = [Future()]
    rig.inner.submit = lambda given: held[0]  # type: ignore[method-assign]
    assert rig.store.append(batch(1)).kept["logs"] == 1, "from the spool"
    assert rig.store.state().waiting_batches == 1
    assert rig.store.state().oldest_ns
    held[0].set_exception(StoreUnavailable("away"))  # too late to be told
    del rig.inner.submit
    rig.back()
    assert rig.logs() == ids(1)
    rig.store.close()


def test_a_killed_process_leaves_what_it_acknowledged(rig: Rig) -> None:
    rig.inner.away = True
    for number in (1, 2, 3):
        rig.store.append(batch(number))
    (rig.folder / "0000000000000009-1.new").write_bytes(b"half")
    rig.reopen()
    until(lambda: not rig.store.state().waiting_batches)
    assert rig.logs() == ids(1, 2, 3)
    assert not list(rig.folder.glob("*.new")), "half-written ones were never acknowledged"


def test_a_crash_after_the_append_and_before_the_removal_changes_nothing(rig: Rig) -> None:
    rig.inner.away = True
    rig.store.append(batch(1))
    (file,) = rig.folder.glob("*.spool")
    data = file.read_bytes()
    rig.back()
    file.write_bytes(data)
    rig.reopen()
    until(lambda: not rig.store.state().waiting_batches)
    assert rig.logs() == ids(1)


def test_a_full_spool_makes_senders_wait(tmp_path: Path) -> None:
    one = len(to_bytes(batch(1)))
    rig = Rig(tmp_path / "spool", limit=2 * one + 100)
    rig.inner.away = True
    rig.store.append(batch(1))
    rig.store.append(batch(2))
    with pytest.raises(StoreUnavailable, match="spool is full") as refused:
        rig.store.append(batch(3))
    assert refused.value.retry_after_s > 0
    rig.back()
    assert rig.logs() == ids(1, 2), "what was refused was not acknowledged"
    rig.store.append(batch(3))
    assert rig.logs() == ids(1, 2, 3)
    rig.store.close()


def test_a_disk_that_cannot_be_written_makes_senders_wait(rig: Rig) -> None:
    rig.inner.away = True
    rig.folder.rename(rig.folder.with_name("elsewhere"))
    with pytest.raises(StoreUnavailable, match="cannot write"):
        rig.store.append(batch(1))
    rig.folder.with_name("elsewhere").rename(rig.folder)
    rig.store.append(batch(1))
    rig.back()
    assert rig.logs() == ids(1)


def test_a_damaged_batch_is_put_aside_and_the_others_are_kept(rig: Rig) -> None:
    rig.inner.away = True
    rig.store.append(batch(1))
    rig.store.append(batch(2))
    first = min(rig.folder.glob("*.spool"))
    data = bytearray(first.read_bytes())
    data[len(data) // 2] ^= 0xFF
    first.write_bytes(data)
    rig.back()
    assert rig.logs() == ids(2)
    (letter,) = rig.dead.list()
    assert "checksum" in letter.reason


def test_ids_that_wait_are_pending_until_the_store_has_them(rig: Rig) -> None:
    traced = masked([span(7, trace_id=trace_id(5))], (), [call(3, trace_id=trace_id(5), payment_id="pay-1")])
    wanted = (trace_id(5), span_id(7), uuid(3), "pay-1", span_id(3))
    rig.store.append(masked(calls=[call(1)]))
    assert rig.store.pending(uuid(1), *wanted) == set()
    rig.inner.away = True
    rig.store.append(traced)
    assert rig.store.pending(uuid(1), uuid(9), "", *wanted) == set(wanted)
    left = WaitingIds(from_bytes).among([uuid(1), uuid(9), *wanted], list(rig.folder.glob("*.spool")))
    assert left == set(wanted), "another process reads what an earlier one left"
    rig.back()
    assert rig.store.pending(*wanted) == set()
    assert {found.value for found in rig.store.find(*wanted)} == set(wanted)


def test_a_folder_has_one_owner(rig: Rig) -> None:
    with pytest.raises(ConfigError, match="another running process"):
        SpooledRecordStore(rig.inner, rig.folder, rig.dead, to_bytes, from_bytes, limit=1)


def test_many_threads_while_it_comes_and_goes(rig: Rig) -> None:
    def send(start: int) -> None:
        for number in range(start, start + 40):
            rig.store.append(batch(number))

    threads = [threading.Thread(target=send, args=(1 + 40 * worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for away in (True, False, True):
        rig.inner.away = away
        rig.go_on.release()
        threading.Event().wait(0.01)
    for thread in threads:
        thread.join()
    rig.back()
    assert rig.logs() == ids(*range(1, 161))


def test_poison_records_are_put_aside_and_those_beside_them_kept(rig: Rig) -> None:
    rig.inner.poison = {span_id(7), span_id(40)}
    mixed = masked(spans=[span(number) for number in range(1, 5)], logs=[log(number) for number in range(1, 65)], calls=[call(1)])
    appended = rig.store.append(mixed)
    assert (appended.kept["logs"], appended.kept["spans"], appended.kept["calls"]) == (62, 4, 1)
    assert rig.inner.appends < 40
    letters = list(rig.dead.list())
    assert [letter.records for letter in letters] == [{"spans": 0, "logs": 1, "calls": 0}] * 2
    assert letters[0].reason == "refused with status 400"
    rig.store.append(mixed)
    assert len(list(rig.dead.list())) == 2, "the same records are one letter"


def test_poison_in_the_spool_does_not_block_it(rig: Rig) -> None:
    rig.inner.poison = {span_id(2)}
    rig.inner.away = True
    rig.store.append(batch(1, 2, 3))
    rig.store.append(batch(4))
    rig.back()
    assert rig.logs() == ids(1, 3, 4)
    assert len(list(rig.dead.list())) == 1


def test_a_store_that_goes_away_within_the_sorting_out(rig: Rig) -> None:
    rig.inner.poison = {span_id(2)}
    rig.inner.leaves_after = 2
    rig.store.append(batch(1, 2, 3))
    assert rig.store.state().waiting_batches == 1
    rig.inner.leaves_after = 10**9
    rig.back()
    assert rig.logs() == ids(1, 3)


def test_replay(rig: Rig) -> None:
    rig.inner.poison = {span_id(1), span_id(3)}
    rig.store.append(batch(1, 2, 3))
    rig.inner.poison = {span_id(3)}
    done = rig.dead.replay(rig.inner)
    assert (done.kept, done.refused) == (1, 1)
    assert rig.logs() == ids(1, 2)
    rig.inner.away = True
    with pytest.raises(StoreUnavailable):
        rig.dead.replay(rig.inner)
    rig.inner.away, rig.inner.poison = False, set()
    assert rig.dead.replay(rig.inner).refused == 0
    assert rig.logs() == ids(1, 2, 3)
    assert not list(rig.dead.list())


def test_when_all_are_refused_the_appends_are_bounded(rig: Rig) -> None:
    everything = range(1, 1_001)
    rig.inner.poison = set(ids(*everything))
    rig.store.append(batch(*everything))
    assert rig.inner.appends <= MOST_APPENDS + 1
    assert sum(letter.records["logs"] for letter in rig.dead.list()) == 1_000
    rig.inner.poison = set()
    assert rig.dead.replay(rig.inner).kept == 1_000


def test_full_dead_letters_lose_nothing(tmp_path: Path) -> None:
    rig = Rig(tmp_path / "spool", limit=len(to_bytes(batch(1))) + 1_000)
    rig.inner.poison = {span_id(1), span_id(2)}
    rig.store.append(batch(1))
    rig.store.append(batch(2))  # acknowledged by the spool, where it waits
    assert rig.store.state().waiting_batches == 1
    with pytest.raises(StoreUnavailable):
        rig.store.append(batch(3))
    rig.inner.poison = set()
    rig.dead.replay(rig.inner)
    rig.back()
    assert rig.logs() == ids(1, 2)
    rig.store.close()


@examples(50)
@given(sizes=st.tuples(*[st.integers(0, 4)] * 3), cuts=st.tuples(st.integers(0, 12), st.integers(0, 12)))
def test_the_parts_of_a_batch_are_the_batch(sizes: tuple[int, int, int], cuts: tuple[int, int]) -> None:
    whole = masked(
        [span(n) for n in range(sizes[0])], [log(n) for n in range(sizes[1])], [call(n) for n in range(sizes[2])],
    )
    first, second = sorted(min(cut, sum(sizes)) for cut in cuts)
    parts = [whole.part(0, first), whole.part(first, second), whole.part(second, sum(sizes))]
    assert [sum(part.size(s) for s in ("spans", "logs", "calls")) for part in parts] == [first, second - first, sum(sizes) - second]
    assert MaskedRecords.joined(parts) == {signal: whole.table(signal) for signal in ("spans", "logs", "calls")}
