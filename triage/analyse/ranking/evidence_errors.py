"""Evidence from span status and from error lines that belong to no span.

In: forests and logs of an incident and of normal times. Out: `Evidence` of the kinds `origin` (the deepest failing
span of each failing trace) and `error log`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Final

from triage.analyse.ranking.evidence_flow import familiar, is_error
from triage.analyse.ranking.forest import Forest
from triage.analyse.ranking.ranking_stats import share_at_least, share_at_most
from triage.analyse.ranking.tables import CLIENT, PRODUCER, Evidence, LogTable, Template

ORIGIN: Final = "origin"
ERROR_LOG: Final = "error log"
_LONGEST_EXAMPLE: Final = 160
_PRIOR: Final = 10  # traces without an error that stand in where normal times hardly saw a service


def origin_rows(forest: Forest) -> list[int]:
    """Failing spans below which nothing failed: where each error began, as far as the trace shows."""
    spans = forest.spans
    failed_below: set[int] = set()
    origins = []
    for row in reversed(forest.order):
        failed = bool(spans.error[row])
        if failed and row not in failed_below:
            origins.append(row)
        if failed or row in failed_below:
            failed_below.add(int(forest.parent[row]))
    return origins


def origin_evidence(incident: Forest, normal: Forest) -> list[Evidence]:
    """Services in which errors begin more often than normal, by the share of failing traces that they explain.

    A failing call that nothing answered is charged to the service that answers it in normal times.
    """
    answers = _usual_answers(normal)
    now, before = _origins(incident, answers), _origins(normal, answers)
    failing = len({trace for traces in now.values() for trace in traces})
    visited, visited_before = _traces_through(incident), _traces_through(normal)
    found = []
    for service, traces in now.items():
        passed = max(visited.get(service, 0), len(traces))
        passed_before, usual = visited_before.get(service, 0), len(before.get(service, ()))
        rise = share_at_least(len(traces), passed) - share_at_most(usual, passed_before + _PRIOR)
        if rise <= 0:
            continue
        strength = share_at_least(len(traces), failing)
        told = (
            f"errors begin in {service} in {len(traces)} of {failing} failing traces "
            f"({len(traces)} of {passed} that pass it, normally {usual} of {passed_before})"
        )
        lone = sum(row >= 0 for row in traces.values())
        told += f"; {lone} of them are calls that it did not answer" if lone else ""
        found.append(Evidence(service, ORIGIN, strength, told))
    return found


def _usual_answers(normal: Forest) -> dict[tuple[str, str], str]:
    """Which service answers the calls of a name, where it is always the same: (caller, span name) -> callee."""
    spans = normal.spans
    seen: dict[tuple[str, str], set[str]] = defaultdict(set)
    for row, above in enumerate(normal.parent):
        if above >= 0 and spans.service[above] != spans.service[row]:
            seen[spans.service[above], spans.name[above]].add(spans.service[row])
    return {call: next(iter(services)) for call, services in seen.items() if len(services) == 1}


def _origins(forest: Forest, answers: dict[tuple[str, str], str]) -> dict[str, dict[str, int]]:
    """Service -> failing traces that begin there -> row of an unanswered call, -1 where the service failed itself."""
    spans = forest.spans
    traces: dict[str, dict[str, int]] = defaultdict(dict)
    for row in origin_rows(forest):
        calls = int(spans.kind[row]) in (CLIENT, PRODUCER) and not forest.children[row]
        callee = answers.get((spans.service[row], spans.name[row])) if calls else None
        traces[callee or spans.service[row]][spans.trace_id[row]] = row if callee else -1
    return dict(traces)


def passed_on(forest: Forest) -> dict[str, str]:
    """Services whose failing spans only hand on what failed below, with a sentence that says so."""
    origins = set(origin_rows(forest))
    began: Counter[str] = Counter(forest.spans.service[row] for row in origins)
    handed: Counter[str] = Counter(
        forest.spans.service[row]
        for row in range(len(forest.spans))
        if forest.spans.error[row] and row not in origins
    )
    return {
        service: f"{count} failing spans of {service} only pass on an error from below, {began[service]} begin there"
        for service, count in handed.items()
        if count > began[service]
    }


def _traces_through(forest: Forest) -> dict[str, int]:
    traces: dict[str, set[str]] = defaultdict(set)
    for service, trace in zip(forest.spans.service, forest.spans.trace_id, strict=True):
        traces[service].add(trace)
    return {service: len(found) for service, found in traces.items()}


def error_log_evidence(now: LogTable, before: LogTable, template: Template) -> list[Evidence]:
    """Services that log errors which normal times do not know, by their share of all such lines."""
    known = {template(before.body[line]) for line in range(len(before)) if is_error(before, line)}
    lines: dict[str, Counter[str]] = defaultdict(Counter)
    example: dict[tuple[str, str], str] = {}
    verdict: dict[str, bool] = {}
    for line in range(len(now)):
        if not is_error(now, line):
            continue
        text = template(now.body[line])
        if text not in verdict:
            verdict[text] = familiar(text, known)
        if not verdict[text]:
            lines[now.service[line]][text] += 1
            example.setdefault((now.service[line], text), now.body[line])
    total = sum(sum(texts.values()) for texts in lines.values())
    return [
        Evidence(service, ERROR_LOG, share_at_least(sum(texts.values()), total), _told(service, texts, example))
        for service, texts in lines.items()
    ]


def _told(service: str, texts: Counter[str], example: dict[tuple[str, str], str]) -> str:
    """In words, with the first line of the commonest kind as it was logged: its shape would read as a riddle."""
    text, count = texts.most_common(1)[0]
    line = " ".join(example[service, text].split())
    said = line if len(line) <= _LONGEST_EXAMPLE else f"{line[:_LONGEST_EXAMPLE]}…"
    total = sum(texts.values())
    return f"{service} logs {total} error lines that normal times do not know" + (
        f", {count} of them like “{said}”" if count < total else f", all like “{said}”")
