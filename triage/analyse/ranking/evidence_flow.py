"""Evidence from what happened inside each visit: log lines and calls that are missing or new against normal.

In: two forests (incident, normal) with their logs. Out: `Evidence` of kind `flow`. A visit of an operation that
always logged a line or made a call, and now does not, ended early there; an error line that its healthy visits never
wrote is news. What a service below explains in the same trace is held against that service, not against its callers.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from triage.analyse.ranking.forest import Forest
from triage.analyse.ranking.log_shape import alike, says_error
from triage.analyse.ranking.ranking_stats import emphasised, share_at_least, share_at_most
from triage.analyse.ranking.tables import ERROR, Evidence, LogTable, SpanTable, Template

KIND: Final = "flow"
_LINE: Final = "log line "
_KNOWN: Final = 0.6  # words shared with an error of normal times that make an error an old acquaintance
_KNOWN_WORTH: Final = 0.3
_FAILED: Final = "failed span "
_PRIOR: Final = 10  # weight, in traces, of never having seen an error in any visit of normal times
_EXPLAINED: Final = 0.8  # how much of a deviation is forgiven when a service below deviates too

Operation = tuple[str, str]  # service, name of the span that the visit began with


@dataclass(frozen=True, slots=True)
class Visit:
    """What one visit did. `steps`: calls, own spans, log shapes; `errors`: failed spans, shapes of error lines."""

    row: int
    trace: str
    steps: frozenset[str]
    errors: frozenset[str]


@dataclass(frozen=True, slots=True)
class Deviation:
    """One step that an operation lost, or one error that is new, and the visits that show it."""

    operation: Operation
    step: str
    lost: bool
    strength: float
    rows: tuple[int, ...]
    told: str


Visits = dict[Operation, list[Visit]]


def collect_visits(forest: Forest, logs: LogTable, template: Template) -> Visits:
    """All visits of a table by operation, with the steps taken during each."""
    spans = forest.spans
    steps: dict[int, set[str]] = {row: set() for row in forest.visits()}
    errors: dict[int, set[str]] = defaultdict(set)
    for row in range(len(spans)):
        visit, above, name = int(forest.visit[row]), int(forest.parent[row]), spans.name[row]
        if spans.error[row] or says_error(name):
            errors[visit].add(f"{_FAILED}{name!r}")
        elif row != visit:
            steps[visit].add(f"span {name!r}")
        if row == visit and above >= 0:
            steps[int(forest.visit[above])].add(f"call to {spans.service[row]} {name!r}")
    row_of = {(trace, span): row for row, (trace, span) in enumerate(zip(spans.trace_id, spans.span_id, strict=True))}
    for line in range(len(logs)):
        found = row_of.get((logs.trace_id[line], logs.span_id[line]))
        if found is None:
            continue
        visit = int(forest.visit[found])
        text = template(logs.body[line])
        if is_error(logs, line):
            errors[visit].add(text)
        else:
            steps[visit].add(f"{_LINE}{text!r}")
    visits: Visits = defaultdict(list)
    for row, taken in steps.items():
        operation = (spans.service[row], spans.name[row])
        visits[operation].append(Visit(row, spans.trace_id[row], frozenset(taken), frozenset(errors[row])))
    return dict(visits)


def spans_of_logs(logs: LogTable, template: Template) -> SpanTable:
    """Stand-ins for missing spans: one for each span that log lines name, called after its first line.

    Without span IDs the lines of a service in a trace count as one span; lines without a trace tell no flow.
    """
    first: dict[tuple[str, str, str], int] = {}
    for line in np.argsort(logs.time_ns, kind="stable").tolist():
        if logs.trace_id[line]:
            first.setdefault((logs.trace_id[line], logs.span_id[line], logs.service[line]), line)
    lines = list(first.values())
    none, count = [""] * len(lines), len(lines)
    return SpanTable(
        [key[0] for key in first], [key[1] for key in first], none, [key[2] for key in first],
        [template(logs.body[line]) for line in lines], np.zeros(count, np.int64), logs.time_ns[lines],
        np.zeros(count, np.int64), np.zeros(count, np.bool_), none, none,
    )


def is_error(logs: LogTable, line: int) -> bool:
    """Whether a line states an error: by its level, or by its words where no level is known."""
    level = int(logs.severity[line])
    return level >= ERROR or (level == 0 and says_error(logs.body[line]))


def known_errors(visits: Visits) -> set[str]:
    """Shapes of all error lines of the visits."""
    return {error for group in visits.values() for visit in group for error in visit.errors}


def familiar(error: str, known: Iterable[str]) -> bool:
    """Whether an error reads like one of those known."""
    return any(alike(error, other) >= _KNOWN for other in known)


def flow_evidence(incident: Forest, now: Visits, before: Visits) -> list[Evidence]:
    """The strongest deviation of each service, after what services below explain was taken off."""
    now = _news_of_errors(now, before)
    known = known_errors(before)
    old = {error: familiar(error, known) for error in known_errors(now)}
    deviations = [
        deviation
        for operation in sorted(now.keys() & before.keys())
        for deviation in _deviations(operation, now[operation], before[operation], old)
    ]
    below = _worst_below(incident, deviations)
    best: dict[str, Evidence] = {}
    for deviation in deviations:
        explained = sum(below.get(row, 0.0) >= 0.5 * deviation.strength for row in deviation.rows)
        share = explained / len(deviation.rows) if deviation.rows else 0.0
        strength = emphasised(deviation.strength) * (1 - _EXPLAINED * share)
        service = deviation.operation[0]
        if service not in best or strength > best[service].strength:
            best[service] = Evidence(service, KIND, strength, deviation.told)
    return list(best.values())


def _news_of_errors(now: Visits, before: Visits) -> Visits:
    """Visits in which log lines that speak of an error and that normal times never wrote count as errors.

    Levels are often too low: a warning that a call failed, an exception told as information.
    """
    usual = {step for visits in before.values() for visit in visits for step in visit.steps}
    steps = {step for visits in now.values() for visit in visits for step in visit.steps}
    news = {step for step in steps - usual if step.startswith(_LINE) and says_error(step)}
    return {
        operation: [
            replace(visit, errors=visit.errors | {step.removeprefix(_LINE) for step in visit.steps & news})
            for visit in visits
        ]
        for operation, visits in now.items()
    }


def _deviations(operation: Operation, now: list[Visit], before: list[Visit], old: dict[str, bool]) -> list[Deviation]:
    healthy = [visit for visit in before if not visit.errors]
    found = _new_errors(operation, now, before, old)
    if healthy:
        unexplained = [visit for visit in now if not visit.errors or not all(old[one] for one in visit.errors)]
        found += _lost_steps(operation, unexplained, healthy)
    return found


def _lost_steps(operation: Operation, now: list[Visit], healthy: list[Visit]) -> list[Deviation]:
    usual = Counter(step for visit in healthy for step in visit.steps)
    traces_usual = _traces(healthy)
    found = []
    for step, count in usual.items():
        if 2 * count <= len(healthy):
            continue
        other_ways = _other_ways(step, healthy)
        judged = [visit for visit in now if step in visit.steps or not visit.steps & other_ways]
        rows = tuple(visit.row for visit in judged if step not in visit.steps)
        if not rows:
            continue
        share, traces_now = count / len(healthy), _traces(judged)
        missed = len(rows) / len(judged)
        certain = share_at_least(share * traces_usual, traces_usual) - share_at_most(
            (1 - missed) * traces_now, traces_now
        )
        settled = (2 * share - 1) ** 2  # what only some visits do may change with the mix of requests
        if certain > 0:
            told = (
                f"{operation[1]!r} no longer reaches its {step}: in {len(judged) - len(rows)} of {len(judged)} "
                f"visits, normally in {count} of {len(healthy)}"
            )
            found.append(Deviation(operation, step, True, certain * settled, rows, told))
    return found


def _other_ways(step: str, healthy: list[Visit]) -> set[str]:
    """Steps that normal visits take only when they do without this one: another branch, not an early end."""
    without = {other for visit in healthy if step not in visit.steps for other in visit.steps}
    return without - {other for visit in healthy if step in visit.steps for other in visit.steps}


def _new_errors(operation: Operation, now: list[Visit], before: list[Visit], old: dict[str, bool]) -> list[Deviation]:
    seen, usual = Counter(e for v in now for e in v.errors), Counter(e for v in before for e in v.errors)
    traces_now, traces_before = _traces(now), _traces(before)
    found = []
    for error, count in seen.items():
        share, share_before = count / len(now), usual[error] / len(before)
        others = 0 if old[error] else _PRIOR  # normal times know no such error anywhere
        certain = share_at_least(share * traces_now, traces_now) - share_at_most(
            share_before * traces_before, traces_before + others
        )
        strength = certain * (_KNOWN_WORTH if old[error] else 1.0)
        if strength > 0:
            rows = tuple(visit.row for visit in now if error in visit.errors)
            told = (
                f"{_told_error(operation[1], error)} in {count} of {len(now)} visits, "
                f"normally in {usual[error]} of {len(before)}"
            )
            found.append(Deviation(operation, error, False, strength, rows, told))
    return found


def _told_error(name: str, error: str) -> str:
    if error == f"{_FAILED}{name!r}":
        return f"{name!r} fails"
    if error.startswith(_FAILED):
        return f"in {name!r} fails {error.removeprefix(_FAILED)}"
    return f"{name!r} logs the error {error.removeprefix(_LINE)!r}"


def _traces(visits: list[Visit]) -> int:
    return len({visit.trace for visit in visits})


def _worst_below(forest: Forest, deviations: list[Deviation]) -> dict[int, float]:
    """For each visit's first row the strongest deviation among the visits below it."""
    own: dict[int, float] = defaultdict(float)
    for deviation in deviations:
        for row in deviation.rows:
            own[row] = max(own[row], deviation.strength)
    below: dict[int, float] = defaultdict(float)
    for row in reversed(forest.order):  # children before parents
        above = int(forest.parent[row])
        if above < 0 or forest.visit[row] != row:
            continue
        caller = int(forest.visit[above])
        below[caller] = max(below[caller], own[row], below[row])
    return below
