"""Analysis in a process of its own, so that it can stall neither acknowledgements nor pages, and only that process pays for
scikit-learn. It never opens the stores' files: it asks the parent, which owns them, over a pipe."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import Connection
from typing import Any, Final, cast

from triage import heap
from triage.errors import StoreError, StoreUnavailable
from triage.ports.records import RecordStore
from triage.ports.state import StateStore

IDLE_RUNS: Final = 20
"""After so many runs without anything new the process ends, and its memory goes back."""


@dataclass(frozen=True, slots=True)
class AnalysisOptions:
    """Everything that the process needs to know."""

    learning_minutes: int
    resolve_minutes: int
    partner_names: dict[str, str] = field(default_factory=dict)
    partners: dict[str, tuple[tuple[str, ...], int, int]] = field(default_factory=dict)  # roles, calls a minute, calls a day
    unattended_per_day: int = 4


@dataclass(frozen=True, slots=True)
class RunSummary:
    """What a run did."""

    minutes: int = 0
    records: int = 0
    findings: int = 0
    seconds: float = 0.0


class _Proxy:
    """A store as the child sees it: every call goes to the parent."""

    def __init__(self, connection: Connection, name: str) -> None:
        self._connection, self._name = connection, name

    def __getattr__(self, method: str) -> Callable[..., Any]:
        return partial(self._call, method)

    def _call(self, method: str, *args: Any, **named: Any) -> Any:
        self._connection.send((self._name, method, args, named))
        ok, result = self._connection.recv()
        if not ok:
            raise result
        return result


def _child(connection: Connection, options: AnalysisOptions) -> None:
    """The process: one run a request, until the pipe closes."""
    heap.bound()
    work = _worker(options)
    records = cast(RecordStore, _Proxy(connection, "records"))
    state = cast(StateStore, _Proxy(connection, "state"))
    while True:
        try:
            now_ns = connection.recv()
        except EOFError:
            return
        try:
            connection.send(("done", work(records, state, now_ns)))
        except StoreError as error:
            connection.send(("failed", error))
        heap.give_back()


def _worker(options: AnalysisOptions) -> Callable[[RecordStore, StateStore, int], RunSummary]:
    # Here and not above: the parent imports this module too, and must not pay for scikit-learn.
    from triage.analyse.abnormal_use.overuse import Agreed, Terms
    from triage.analyse.run import RunSettings, analyse_minutes
    from triage.flow import analyse_once
    from triage.incidents.fold import FoldSettings

    names = options.partner_names
    agreed = Agreed({
        partner: Terms(frozenset(roles), a_minute, a_day) for partner, (roles, a_minute, a_day) in options.partners.items()
    }, options.unattended_per_day)
    run = RunSettings(options.learning_minutes, lambda partner: names.get(partner, partner), agreed)
    fold = FoldSettings(options.resolve_minutes)

    def work(records: RecordStore, state: StateStore, now_ns: int) -> RunSummary:
        report = analyse_once(records, state, now_ns, partial(analyse_minutes, settings=run), fold)
        return RunSummary(report.minutes, report.records, len(report.findings), report.seconds)

    return work


class AnalysisProcess:
    """Starts the process when there is something to do, serves its questions while it runs, and ends it when it idles."""

    def __init__(self, records: RecordStore, state: StateStore, options: AnalysisOptions) -> None:
        self._stores = {"records": records, "state": state}
        self._records, self._state, self._options = records, state, options
        self._process: Any = None
        self._connection: Connection | None = None
        self._idle = 0
        self._lock = threading.Lock()

    def run(self, now_ns: int) -> RunSummary:
        """One run. Raises StoreError when the stores or the process fail; the receipts are there for the next run."""
        with self._lock:
            if not self._records.receipts(1) and not self._state.count("incident", [["live:yes"]]):
                self._idle += 1
                if self._idle >= IDLE_RUNS:
                    self._end()
                return RunSummary()
            self._idle = 0
            connection = self._connection or self._start()
            try:
                connection.send(now_ns)
                return self._serve(connection)
            except (EOFError, OSError) as error:
                self._end()
                raise StoreUnavailable("the analysis process ended; the next run starts a new one") from error
            finally:
                heap.give_back()

    def close(self) -> None:
        """End the process; a run that is going on is cut off, and done again after the next start."""
        if self._process is not None:
            self._process.terminate()
        with self._lock:
            self._end()

    def _start(self) -> Connection:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_child, args=(theirs, self._options), name="triage-analysis", daemon=True)
        self._process.start()
        theirs.close()
        return self._connection

    def _end(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._process.join(timeout=10)
        self._connection = self._process = None

    def _serve(self, connection: Connection) -> RunSummary:
        while True:
            message = connection.recv()
            if message[0] == "done":
                return cast(RunSummary, message[1])
            if message[0] == "failed":
                raise message[1]
            store, method, args, named = message
            try:
                answer = (True, getattr(self._stores[store], method)(*args, **named))
            except StoreError as error:
                answer = (False, error)
            connection.send(answer)
