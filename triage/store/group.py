"""Group commit: batches that wait are handed on together, so that a thousand small ones cost little more than a large one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Final

from triage.domain.columns import SIGNALS
from triage.errors import StoreError, StoreUnavailable
from triage.ports.masked import MaskedRecords
from triage.ports.records import Appended

GROUP_ROWS: Final = 20_000
"""More rows at once gain nothing and delay the batches behind them."""
LINGER_S: Final = 0.005
Commit = Callable[[list[MaskedRecords]], list[Appended]]
Waiting = tuple[MaskedRecords, "Future[Appended]"]


class GroupCommit:
    """Threads that gather waiting batches and commit them. `commit` gives one result a batch, or raises for all of them."""

    def __init__(self, commit: Commit, name: str, threads: int = 1) -> None:
        self._commit = commit
        self._queue: SimpleQueue[Waiting | None] = SimpleQueue()
        self._gathering = threading.Lock()  # one thread at a time, or what comes in would be spread over the threads
        self._committing: set[int] = set()  # threads
        self._threads = [threading.Thread(target=self._run, name=f"{name}-{i}", daemon=True) for i in range(threads)]
        for thread in self._threads:
            thread.start()

    def submit(self, batch: MaskedRecords) -> Future[Appended]:
        """Queue a batch; its future gives the result when it is durable."""
        done: Future[Appended] = Future()
        if not self.alive():
            done.set_exception(StoreUnavailable("the store's writer has ended; restart the service"))
            return done
        self._queue.put((batch, done))
        return done

    def alive(self) -> bool:
        """Whether every thread runs."""
        return all(thread.is_alive() for thread in self._threads)

    def close(self) -> None:
        """Finish what waits."""
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        me, going = threading.get_ident(), True
        while going:
            with self._gathering:
                first = self._queue.get()
                if first is None:
                    return
                group, going = self._gather(first)
                self._committing.add(me)
            try:
                self._settle(group)
            finally:
                self._committing.discard(me)

    def _gather(self, first: Waiting) -> tuple[list[Waiting], bool]:
        """What waits, up to a bound; and whether to go on after it. While other threads commit, also what comes in a moment: then few
        large commits cost less than many small ones, and nothing stands still for it."""
        group, rows = [first], _rows(first[0])
        until = time.monotonic() + LINGER_S if self._committing else 0.0
        while rows < GROUP_ROWS:
            try:
                item = self._queue.get(timeout=max(0.0, until - time.monotonic()))
            except Empty:
                break
            if item is None:
                return group, False
            group.append(item)
            rows += _rows(item[0])
        return group, True

    def _settle(self, group: list[Waiting]) -> None:
        try:
            results = self._commit([batch for batch, _ in group])
        except StoreError as error:
            failure: Exception = error
        except Exception as error:  # the thread must live on; the senders are told
            failure = StoreError(f"cannot write: {type(error).__name__}")
        else:
            for (_, done), result in zip(group, results, strict=True):
                done.set_result(result)
            return
        for _, done in group:
            done.set_exception(failure)


def _rows(batch: MaskedRecords) -> int:
    return sum(batch.size(signal) for signal in SIGNALS)
