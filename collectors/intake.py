"""From a request's bytes to what was kept: decode, refuse what lies outside the retention, hand over, count.

The one place where a body becomes Records, whatever door it came through (HTTP, gRPC, files).
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol

from collectors.gateways.append import Identities
from collectors.gateways.read import read_lines
from collectors.naming import Finder, Naming
from collectors.otlp import decode_logs, decode_logs_json, decode_traces, decode_traces_json
from collectors.otlp_records import LogSink, Resources, SpanSink
from collectors.refused import RefusedIds
from collectors.routes import RouteCatalogue
from triage.domain.columns import ALIAS_COLUMNS, SIGNALS, Signal
from triage.domain.records import Records
from triage.domain.windows import DAY_NS, HOUR_NS
from triage.errors import counted_as
from triage.ports.records import Appended

Encoding = Literal["protobuf", "json"]
Keep = Callable[[Records], tuple[Future[Appended], int]]
LARGE: Final = 8 << 10
"""Bytes of a body from which on it is decoded elsewhere. Measured: from 6 KiB on it costs this process less to hand a body over."""
TOO_OLD: Final = "older than the retention"
TOO_NEW: Final = "more than an hour in the future"
_IDS: Final[dict[Signal, tuple[str, ...]]] = {
    "spans": ("trace_id", "span_id"), "logs": ("trace_id",), "calls": (*ALIAS_COLUMNS, "span_id"),
}


@dataclass(slots=True)
class Counters:
    """What this collector has seen since it started. Thread-safe."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    kept: Counter[str] = field(default_factory=Counter)
    duplicate: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)  # by reason without detail
    refused: Counter[str] = field(default_factory=Counter)  # whole requests, by reason
    masked: int = 0
    cut: int = 0
    sources: dict[str, int] = field(default_factory=dict)  # source -> wall clock of its last record, ns
    newest_ns: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one request."""

    kept: dict[Signal, int]
    duplicate: dict[Signal, int]
    rejected: list[tuple[int, str]]  # line (0: none), reason

    def accepted(self) -> int:
        """Records of all signals that were kept."""
        return sum(self.kept.values())


@dataclass(frozen=True, slots=True)
class Pending:
    """A request on its way to the store, with what there is to count of it."""

    appended: Future[Appended]
    rejected: list[tuple[int, str]]
    source: str
    at_ns: int
    newest_ns: int
    masked: int
    cut: int


@dataclass(frozen=True, slots=True)
class Handed:
    """A request that was decoded, masked and handed to the store elsewhere, with what there is to count of it."""

    appended: Future[Appended]
    rejected: list[tuple[int, str]]
    refused: dict[str, str]  # ID -> reason
    newest_ns: int
    masked: int
    cut: int


class Elsewhere(Protocol):
    """Other processes that decode."""

    def take(self, kind: str, encoding: Encoding, body: bytes, gateway: str, now_ns: int) -> Handed | None:
        """A body; None: decode it here. Raises BadInput, and StoreUnavailable when it must be sent again."""
        ...


@dataclass(slots=True)
class Intake:
    """Wired once; every method may be called from many threads."""

    keep: Keep
    clock: Callable[[], int]
    retention_days: int
    kept_days: Mapping[Signal, int] = field(default_factory=dict)  # of the signals that are kept for another time
    naming: Naming = field(default_factory=Naming)
    routes: RouteCatalogue = field(default_factory=RouteCatalogue)
    counters: Counters = field(default_factory=Counters)
    refused: RefusedIds = field(default_factory=RefusedIds)
    resources: Resources = field(default_factory=Resources)
    elsewhere: Elsewhere | None = None
    finder: Finder = field(init=False)

    def __post_init__(self) -> None:
        self.finder = Finder(self.naming)

    def decode(
        self, kind: str, encoding: Encoding, body: bytes, *, gateway: str = "", log_sink: LogSink | None = None,
        identities: Identities | None = None, first_line: int = 1,
    ) -> Records:
        """A body as Records. `log_sink` and `identities` carry the ordinals of identical records on through the pieces of one file.
        Raises BadInput when nothing of it can be read."""
        records = Records()
        if kind == "traces":
            sink = SpanSink(self.naming, self.routes, self.finder)
            if encoding == "protobuf":
                decode_traces(body, records, sink, self.resources)
            else:
                decode_traces_json(body, records, sink)
            sink.close(records)
        elif kind == "logs":
            lines = log_sink or LogSink()
            if encoding == "protobuf":
                decode_logs(body, records, lines, self.resources)
            else:
                decode_logs_json(body, records, lines)
            lines.close(records)
        elif gateway == "otel":
            return self.decode("logs" if b'"resourceLogs"' in body else "traces", "json", body)
        else:
            read_lines(gateway, body, records, routes=self.routes, identities=identities, first_line=first_line, now_ns=self.clock())
        return records

    def accept(self, kind: str, encoding: Encoding, body: bytes, source: str, gateway: str = "") -> Pending:
        """Decode a whole body, here or elsewhere, and hand it to the store without waiting. Raises BadInput when nothing of it can
        be read, and StoreUnavailable."""
        if self.elsewhere is not None and len(body) >= LARGE:
            now = self.clock()
            handed = self.elsewhere.take(kind, encoding, body, gateway, now)
            if handed is not None:
                for value, reason in handed.refused.items():
                    self.refused.note(value, reason)
                return Pending(handed.appended, handed.rejected, source, now, handed.newest_ns, handed.masked, handed.cut)
        return self.begin(self.decode(kind, encoding, body, gateway=gateway), source)

    def begin(self, records: Records, source: str) -> Pending:
        """Hand decoded records to the store, without waiting."""
        now = self.clock()
        for rejection in records.rejected:
            for value in rejection.ids:
                self.refused.note(value, counted_as(rejection.reason))
        oldest = {signal: now - self.kept_days.get(signal, self.retention_days) * DAY_NS for signal in SIGNALS}
        refuse_times(records, oldest, now + HOUR_NS, self.refused)
        if any(records.size(signal) for signal in SIGNALS):
            appended, masked = self.keep(records)
        else:
            appended, masked = Future(), 0
            appended.set_result(Appended(dict.fromkeys(SIGNALS, 0), dict.fromkeys(SIGNALS, 0)))
        newest = max((max(getattr(records, signal)["time_ns"], default=0) for signal in SIGNALS), default=0)
        return Pending(appended, [(r.line, r.reason) for r in records.rejected], source, now, newest, masked, records.cut)

    def finish(self, pending: Pending) -> Outcome:
        """Count what was kept. Raises StoreUnavailable when it could not be kept; then nothing was acknowledged."""
        appended = pending.appended.result()
        counters = self.counters
        with counters.lock:
            counters.kept.update(appended.kept)
            counters.duplicate.update(appended.duplicate)
            counters.rejected.update(counted_as(reason) for _, reason in pending.rejected)
            counters.masked += pending.masked
            counters.cut += pending.cut
            counters.sources[pending.source] = pending.at_ns
            counters.newest_ns = max(counters.newest_ns, pending.newest_ns)
        return Outcome(appended.kept, appended.duplicate, pending.rejected)

    def take(self, records: Records, source: str) -> Outcome:
        """`begin`, wait, `finish`."""
        return self.finish(self.begin(records, source))


def refuse_times(records: Records, oldest: Mapping[Signal, int], high_ns: int, refused: RefusedIds) -> None:
    """Reject the records whose own time lies outside [oldest of their signal, high], and leave the others in place."""
    for signal in SIGNALS:
        low_ns = oldest[signal]
        columns: dict[str, list[Any]] = getattr(records, signal)
        times = columns["time_ns"]
        if not times or (min(times) >= low_ns and max(times) <= high_ns):
            continue
        good = [low_ns <= time <= high_ns for time in times]
        for row, (time, ok) in enumerate(zip(times, good, strict=True)):
            if not ok:
                reason = TOO_OLD if time < low_ns else TOO_NEW
                if signal != "calls" or columns["witness"][row] == "line":  # a span is refused once, not again as a witness
                    records.reject(signal, reason)
                for name in _IDS[signal]:
                    refused.note(columns[name][row], reason)
        for name, values in columns.items():
            columns[name] = [value for value, ok in zip(values, good, strict=True) if ok]
