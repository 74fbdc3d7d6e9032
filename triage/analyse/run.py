"""One analysis run: read what is new, digest it, judge it, explain it. The only module of this room that talks to the stores.

Steps: 1. digest the touched minutes (and their neighbours, since the two witnesses of a call may lie in two minutes) into roll-ups;
2. judge the roll-ups from the first touched minute, or from the beginning of the oldest live incident; 3. fetch samples of each
problem and explain it. The numeric parts run through `compute`, which may be another process.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from triage.analyse.abnormal_use import known_use
from triage.analyse.abnormal_use.misuse import Misuse, Seen, judge_use
from triage.analyse.abnormal_use.overuse import Agreed
from triage.analyse.abnormal_use.refused import ABUSE_COLUMNS, REFUSED
from triage.analyse.changes import ChangeSeen
from triage.analyse.digest import Chunk, Digest, digest
from triage.analyse.down import DOWN_COLUMNS, Down, downs_of, unanswered_apis, with_downs
from triage.analyse.episodes import GAP_MINUTES
from triage.analyse.events import CALL_WITNESS_COLUMNS, ERROR_SEVERITY, LOG_COLUMNS, SPAN_COLUMNS
from triage.analyse.explain import explain
from triage.analyse.impact import MOST, measure
from triage.analyse.judge import Context, judge
from triage.analyse.memory import Memory
from triage.analyse.problems import Problem, set_apart
from triage.analyse.rollup import HOUR_MINUTES, hours_of
from triage.analyse.rows import CallRows, ErrorRows
from triage.analyse.samples import fetch_samples, passing, slow_apis
from triage.analyse.slowness import by_root
from triage.calls.join import derive_calls
from triage.domain.finding import Finding
from triage.domain.windows import MINUTE_NS, Window
from triage.ports.records import Condition, RecordStore
from triage.ports.rollups import CALLS_SCHEMA
from triage.ports.state import StateStore

LOOKBACK: Final = 24 * 60
CHUNK: Final = 10  # minutes
MOST_CALLS: Final = 200_000
"""Minutes are digested together up to so many calls, at least one minute: bounds the memory of a run, whatever has piled up."""
ABUSE_MINUTES: Final = 6 * 60
"""Slow enumeration shows over hours."""
ANSWER_CALLS: Final = 20_000
"""Calls of one answer of the store, roughly."""
MOST_PIECES: Final = 30  # of a minute
_UNKNOWN: Final = 120_000  # calls of a minute that nothing is known of; each tells of the next one


class Compute(Protocol):
    """Runs a pure function, here or in another process."""

    def __call__(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """The function's result."""
        ...


def here(function: Callable[..., Any], *arguments: Any) -> Any:
    """Compute in this process."""
    return function(*arguments)


@dataclass(slots=True)
class RunReport:
    """What a run looked at and found. `seconds` is wall time."""

    at_ns: int
    minutes: int
    records: int
    seconds: float
    findings: list[Finding] = field(default_factory=list)
    newest_minute: int = 0


@dataclass(frozen=True, slots=True)
class RunSettings:
    """Settings of a run."""

    learning_minutes: int = 10
    partner_name: Callable[[str], str] = str
    agreed: Agreed = field(default_factory=Agreed)
    compute: Compute = here


def analyse_minutes(
    records: RecordStore, state: StateStore, minutes: Iterable[int], now_ns: int, live_since: int | None, settings: RunSettings,
) -> RunReport:
    """`minutes`: epoch minutes that something new arrived for; `live_since`: the first minute of the oldest live incident."""
    began = time.perf_counter()
    touched = sorted({neighbour for minute in minutes for neighbour in (minute - 1, minute, minute + 1)})
    report = RunReport(now_ns, len(touched), 0, 0.0)
    if touched:
        records.settle_reads()
        memory = Memory.load(state)
        for stretch in _stretches(touched):
            for chunk, read in _chunks(records, stretch):
                report.records += _digest_chunk(records, memory, chunk, read, settings.compute)
        memory.save(state)
        newest = min(touched[-1] - 1, now_ns // MINUTE_NS)  # a host whose clock is ahead must not make the others look silent
        report.newest_minute = newest
        first = touched[0] if live_since is None else min(touched[0], live_since)
        report.findings = _judge(records, state, memory, max(first, newest - LOOKBACK), newest + 1, now_ns // MINUTE_NS, settings)
    report.seconds = time.perf_counter() - began
    return report


def _stretches(minutes: Sequence[int]) -> Iterable[list[int]]:
    """Runs of minutes without gaps."""
    stretch: list[int] = []
    for minute in minutes:
        if stretch and minute - stretch[-1] > 1:
            yield stretch
            stretch = []
        stretch.append(minute)
    if stretch:
        yield stretch


@dataclass(frozen=True, slots=True)
class _Read:
    """What a store holds of one minute, or of several as one."""

    calls: pa.Table  # witnesses
    error_spans: pa.Table
    error_logs: pa.Table


def _read(records: RecordStore, minute: int, pieces: int) -> _Read:
    """A minute, in so many requests of each kind."""
    ends = [minute * MINUTE_NS + MINUTE_NS * piece // pieces for piece in range(pieces + 1)]
    return _joined([
        _Read(
            records.scan("calls", window, CALL_WITNESS_COLUMNS),
            records.scan("spans", window, SPAN_COLUMNS, [Condition("status", "=", 2)]),
            records.scan("logs", window, LOG_COLUMNS, [Condition("severity", ">=", ERROR_SEVERITY)]),
        ) for window in map(Window, ends, ends[1:])
    ])


def _chunks(records: RecordStore, stretch: Sequence[int]) -> Iterable[tuple[list[int], _Read]]:
    """Minutes to digest together, with what is held of them and of one minute more on both sides, for witnesses of calls on the
    border. The store is asked for each minute once, and for a busy one in pieces, since its process holds the whole of an answer."""
    held: dict[int, _Read] = {}
    last = _UNKNOWN
    chunk: list[int] = []
    for minute in stretch:
        for near in (minute - 1, minute, minute + 1):
            if near not in held:
                held[near] = _read(records, near, min(1 + last // ANSWER_CALLS, MOST_PIECES))
                last = len(held[near].calls)
        chunk.append(minute)
        if minute == stretch[-1] or len(chunk) >= CHUNK or sum(len(read.calls) for read in held.values()) >= MOST_CALLS:
            yield chunk, _joined([held[near] for near in sorted(held)])
            chunk, held = [], {near: read for near, read in held.items() if near >= minute}


def _joined(parts: Sequence[_Read]) -> _Read:
    calls, error_spans, error_logs = (
        pa.concat_tables(getattr(part, name) for part in parts) for name in ("calls", "error_spans", "error_logs"))
    return _Read(calls, error_spans, error_logs)


def _digest_chunk(records: RecordStore, memory: Memory, minutes: list[int], read: _Read, compute: Compute) -> int:
    """Roll the minutes up anew."""
    hours = hours_of(minutes)
    of_hours = Window(hours[0] * MINUTE_NS, (hours[-1] + HOUR_MINUTES) * MINUTE_NS)
    chunk = Chunk(
        tuple(minutes), derive_calls(read.calls), read.error_spans, read.error_logs,
        records.presence(Window(minutes[0] * MINUTE_NS, (minutes[-1] + 1) * MINUTE_NS)),
        records.rollups("customers", of_hours),
    )
    result: Digest = compute(digest, chunk, memory.model, memory.taught, memory.services())
    records.replace_rollups("errors", minutes, result.errors)
    records.replace_rollups("calls", minutes, result.calls)
    records.replace_rollups("use", minutes, result.use)
    records.replace_rollups("customers", hours, result.customers)
    memory.learn(result)
    return result.call_records + (pc.sum(chunk.presence.column("records")).as_py() or 0)


def _judge(
    records: RecordStore, state: StateStore, memory: Memory, judge_from: int, end: int, now: int, settings: RunSettings,
) -> list[Finding]:
    start = judge_from - LOOKBACK
    window = Window(start * MINUTE_NS, end * MINUTE_NS)
    calls, errors = records.rollups("calls", window), memory.renamed(records.rollups("errors", window))
    if not len(calls) and not len(errors):
        return []
    start = min(int(np.min(t.column("minute").to_numpy())) for t in (calls, errors) if len(t))
    families = memory.families(start * MINUTE_NS)
    context = Context(start, end, max(judge_from, start), memory.ready_from(settings.learning_minutes), families, now)
    problems: list[Problem] = settings.compute(judge, calls, errors, context)
    rows, call_rows = ErrorRows.of(errors, context.families), CallRows.of(calls)
    changes = _changes(state, memory, start)
    problems = with_downs(problems, _downs(records, calls, context), rows, context.judge_from)
    problems = set_apart(problems, rows, _split_by_people(state))
    problems = [part for problem in problems for part in _parts(records, problem, context.end - 1)]
    judged = _use_judged(records, state, problems, (calls, rows), context, settings)
    explained = [_explained(records, problem, rows, call_rows, changes, memory, settings) for problem in judged.problems]
    return judged.findings + explained


def _parts(records: RecordStore, problem: Problem, last: int) -> list[Problem]:
    """A problem of slowness by the services that make it; others as they are."""
    if problem.kind != "latency":
        return [problem]
    problem.until = min(problem.until, last)
    return by_root(problem, slow_apis(records, problem))


def _split_by_people(state: StateStore) -> dict[str, str]:
    """Error group -> the key of the incident that a person took it out for."""
    page = state.select("incident", [["split:yes"]], limit=500)
    return {group: doc.body["key"] for doc in reversed(page.items) for group in doc.body["groups"] if not doc.body.get("merged_into")}


def _downs(records: RecordStore, calls: pa.Table, context: Context) -> list[Down]:
    """The down times of the judged minutes: only calls of APIs that were waited for in vain are read."""
    apis = unanswered_apis(calls, max(context.judge_from - GAP_MINUTES, context.start))
    if not apis:
        return []
    window = Window((min(apis.values()) - 1) * MINUTE_NS, context.end * MINUTE_NS)
    routes = tuple(sorted({api.partition(" ")[2] for api in apis}))
    return list(downs_of(derive_calls(records.scan("calls", window, DOWN_COLUMNS, [Condition("route", "in", routes)])), sorted(apis)))


def _use_judged(
    records: RecordStore, state: StateStore, problems: list[Problem], rolled: tuple[pa.Table, ErrorRows], context: Context,
    settings: RunSettings,
) -> Misuse:
    """What partners' use says of them; what is known of partners is kept."""
    calls, rows = rolled
    window = Window(context.start * MINUTE_NS, context.end * MINUTE_NS)
    late = Window(max(context.start, context.end - ABUSE_MINUTES) * MINUTE_NS, window.end_ns)
    refused = derive_calls(records.scan("calls", late, ABUSE_COLUMNS, [Condition("status", "in", REFUSED)]))
    seen = Seen(refused, calls, records.rollups("use", window), known_use.load(state), context.start, context.end, context.judge_from)
    names = _names(calls, settings.partner_name)
    judged: Misuse = settings.compute(judge_use, seen, problems, rows, settings.agreed, names)
    known_use.save(state, judged.known)
    return judged


def _names(calls: pa.Table, partner_name: Callable[[str], str]) -> dict[str, str]:
    partners = calls.column("partner").unique().to_pylist() if calls.schema == CALLS_SCHEMA else []
    return {partner: partner_name(partner) for partner in partners}


def _explained(
    records: RecordStore, problem: Problem, rows: ErrorRows, calls: CallRows, changes: Sequence[ChangeSeen], memory: Memory,
    settings: RunSettings,
) -> Finding:
    last = int(max(calls.minute.max(initial=0), rows.minute.max(initial=0)))
    problem.until = min(problem.until, last)
    impact = measure(problem, rows, calls, settings.partner_name)
    samples = fetch_samples(records, problem, impact)
    titles: Mapping[str, str] = {group: memory.title(group) for group in problem.groups}
    finding: Finding = settings.compute(explain, problem, impact, samples, changes, titles, memory.services())
    if problem.kind == "latency" and (root := _root_of(problem, finding)):
        during = Window(problem.since * MINUTE_NS, (problem.until + 1) * MINUTE_NS)
        partners, apis = passing(records, root, during, settings.partner_name)
        finding.partners, finding.apis = partners[:MOST] or finding.partners, apis[:MOST] or finding.apis
        scope = f"calls that pass {root}"
        finding.summary = finding.summary.replace(f"Scope: {finding.scope}.", f"Scope: {scope}.")
        finding.scope = scope
    return finding


def _root_of(problem: Problem, finding: Finding) -> str:
    """The service that makes calls slow."""
    return problem.owner.partition(":")[2] or next((s.name for s in finding.suspects if s.kind == "service"), "")


def _changes(state: StateStore, memory: Memory, start: int) -> list[ChangeSeen]:
    """Reported changes and new versions seen in spans; a version that was also reported counts once."""
    page = state.select("change", limit=200)
    told = [
        ChangeSeen(doc.body["kind"], doc.body.get("version") or "", doc.body["at_ns"],
                   {k: v for k, v in (doc.body.get("scope") or {}).items() if v})
        for doc in page.items if doc.body["at_ns"] >= start * MINUTE_NS
    ]
    known = {(c.scope.get("service"), c.version) for c in told}
    return told + [c for c in memory.new_versions(start) if (c.scope.get("service"), c.version) not in known]
