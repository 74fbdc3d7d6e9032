"""The service's side: hands large bodies to helper processes, and starts those again that have ended.

A helper acknowledges nothing: what it gives back is handed to the store here. When one ends before it has answered, the sender is
told to come again; nothing was kept of that body.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import subprocess
import sys
import threading
from concurrent.futures import Future
from multiprocessing.connection import Connection
from pathlib import Path
from queue import SimpleQueue
from typing import Final

from collectors.intake import Encoding, Handed
from triage.decoding.work import Done, Options, Task
from triage.domain.columns import SIGNALS
from triage.errors import BadInput, StoreUnavailable
from triage.flow import Keeper
from triage.mask.transfer import from_bytes
from triage.ports.records import Appended

_START_S: Final = 60.0
_PATIENCE_S: Final = 120.0  # 64 MiB take a few seconds
_BUFFER: Final = 1 << 20  # of the socket pair: a usual body and its answer fit
_HOME: Final = Path(__file__).parents[2]  # `-m` looks in the working folder first, where another `triage` may lie
_LOG: Final = logging.getLogger("triage")
_MOST: Final = 4  # one writer cannot keep up with more


def helpers_for(cores: int) -> int:
    """One a core but one, which the service itself fills. On two busy cores a second helper brought nothing (ADR 0006)."""
    return max(1, min(cores - 1, _MOST))


class Pool:
    """Helper processes, each with one body at a time. Until one is ready the service decodes for itself."""

    def __init__(self, options: Options, store: Keeper, helpers: int = 0) -> None:
        self._store = store
        self._free: SimpleQueue[_Process] = SimpleQueue()
        self._processes = [_Process(options) for _ in range(helpers or helpers_for(os.cpu_count() or 1))]
        self._ready = threading.Event()
        self._starting = threading.Thread(target=self._start, name="helpers", daemon=True)

    def start(self) -> None:
        """Start the processes, without waiting for them."""
        self._starting.start()

    def take(self, kind: str, encoding: Encoding, body: bytes, gateway: str, now_ns: int) -> Handed | None:
        """Decode and mask a body elsewhere and hand it to the store; None: no helper is ready. Raises BadInput, and
        StoreUnavailable when the helper ended."""
        if not self._ready.is_set():
            return None
        process = self._free.get()
        try:
            done = process.ask(Task(kind, encoding, gateway, now_ns, body))
        finally:
            self._free.put(process)
        if done is None:
            return None
        if isinstance(done, BadInput):
            raise done
        if done.batch:
            appended = self._store.submit(from_bytes(done.batch))
        else:
            appended = Future()
            appended.set_result(Appended(dict.fromkeys(SIGNALS, 0), dict.fromkeys(SIGNALS, 0)))
        return Handed(appended, done.rejected, done.refused, done.newest_ns, done.masked, done.cut)

    def pids(self) -> list[int]:
        """The processes that run."""
        return [process.pid for process in self._processes if process.pid]

    def close(self) -> None:
        """End the processes, also those that are still starting. Nobody may ask any more."""
        for process in self._processes:
            process.stop()
        self.wait()
        for process in self._processes:
            process.end()

    def wait(self) -> None:
        """Return when every helper has started, if they were told to."""
        if self._starting.ident is not None:
            self._starting.join()

    def _start(self) -> None:
        """One after the other, so that the service itself, which may have work already, has a core."""
        for process in self._processes:
            process.start()
            if process.greeted():
                self._free.put(process)
                self._ready.set()


class _Process:
    """One helper. Used by one thread at a time."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None
        self._stopped = False

    @property
    def pid(self) -> int:
        """0: it does not run."""
        return self._process.pid if self._process is not None else 0

    def start(self) -> None:
        """Start it without waiting for it. Secrets go over the socket, where no list of processes shows them."""
        if self._stopped:
            return
        ours, theirs = socket.socketpair()
        with theirs:
            for end in (ours, theirs):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)
            self._connection = Connection(ours.detach())
            with contextlib.suppress(OSError):  # `greeted` tells
                self._process = subprocess.Popen(  # noqa: S603 - this interpreter, a number
                    [sys.executable, "-m", "triage.decoding", str(theirs.fileno())], pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL,
                    cwd=_HOME,
                )
                self._connection.send(self._options)

    def greeted(self) -> bool:
        """Whether it has come up."""
        with contextlib.suppress(EOFError, OSError):
            if self._connection is not None and self._connection.poll(_START_S) and self._connection.recv():
                return True
        if not self._stopped:
            _LOG.warning("a helper process for decoding did not start; the service decodes for itself")
        self.end()
        return False

    def ask(self, task: Task) -> Done | BadInput | None:
        """Its answer; None: it cannot be started. Raises StoreUnavailable when it ends or hangs; the next call starts another one."""
        if self._process is None or self._process.poll() is not None:
            self.end()
            self.start()
            self.greeted()
        if self._connection is None:
            return None
        with contextlib.suppress(EOFError, OSError):
            self._connection.send(task)
            if self._connection.poll(_PATIENCE_S):
                answer: Done | BadInput = self._connection.recv()
                return answer
        self.end()
        raise StoreUnavailable("the process that decoded this ended; nothing of it was kept, send it again", retry_after_s=1)

    def stop(self) -> None:
        """Tell it to go, from any thread; it has nothing that would be lost."""
        self._stopped = True
        if (process := self._process) is not None:
            process.kill()  # `end` waits for it

    def end(self) -> None:
        """Be rid of it."""
        if self._connection is not None:
            self._connection.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._connection = self._process = None
