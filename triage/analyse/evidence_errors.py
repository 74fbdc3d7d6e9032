"""Evidence from span status and from error lines that belong to no span.

In: forests and logs of an incident and of normal times. Out: `Evidence` of the kinds `origin` (the deepest failing
span of each failing trace) and `error log`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Final

from triage.analyse.evidence_flow import familiar, is_error
from triage.analyse.forest import Forest
from triage.analyse.ranking_stats import share_at_least, share_at_most
from triage.analyse.tables import CLIENT, PRODUCER, Evidence, LogTable, Template

ORIGIN: Final = "origin"
ERROR_LOG: Final = "error log"


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
    """Services in which errors begin more often than normal, by the share of failing traces that they explain."""
    now, before = _origins(incident), _origins(normal)
    failing = len(set().union(*now.values())) if now else 0
    visited, visited_before = _traces_through(incident), _traces_through(normal)
    found = []
    for service, traces in now.items():
        passed, passed_before = visited[service], visited_before.get(service, 0)
        usual = len(before.get(service, ()))
        rise = share_at_least(len(traces), passed) - share_at_most(usual, passed_before + 10)
        if rise <= 0:
            continue
        strength = share_at_least(len(traces), failing)
        told = (
            f"errors begin in {service} in {len(traces)} of {failing} failing traces "
            f"({len(traces)} of {passed} that pass it, normally {usual} of {passed_before})"
        )
        lone = _unanswered(incident, service)
        told += f"; {lone} of them are calls that nothing answered" if lone else ""
        found.append(Evidence(service, ORIGIN, strength, told))
    return found


def _origins(forest: Forest) -> dict[str, set[str]]:
    traces: dict[str, set[str]] = defaultdict(set)
    for row in origin_rows(forest):
        traces[forest.spans.service[row]].add(forest.spans.trace_id[row])
    return dict(traces)


def _traces_through(forest: Forest) -> dict[str, int]:
    traces: dict[str, set[str]] = defaultdict(set)
    for service, trace in zip(forest.spans.service, forest.spans.trace_id, strict=True):
        traces[service].add(trace)
    return {service: len(found) for service, found in traces.items()}


def _unanswered(forest: Forest, service: str) -> int:
    spans = forest.spans
    return sum(
        spans.service[row] == service and int(spans.kind[row]) in (CLIENT, PRODUCER) and not forest.children[row]
        for row in origin_rows(forest)
    )


def error_log_evidence(now: LogTable, before: LogTable, template: Template) -> list[Evidence]:
    """Services that log errors which normal times do not know, by their share of all such lines."""
    known = {template(before.body[line]) for line in range(len(before)) if is_error(before, line)}
    lines: dict[str, Counter[str]] = defaultdict(Counter)
    verdict: dict[str, bool] = {}
    for line in range(len(now)):
        if not is_error(now, line):
            continue
        text = template(now.body[line])
        if text not in verdict:
            verdict[text] = familiar(text, known)
        if not verdict[text]:
            lines[now.service[line]][text] += 1
    total = sum(sum(texts.values()) for texts in lines.values())
    return [
        Evidence(service, ERROR_LOG, share_at_least(sum(texts.values()), total), _told(service, texts))
        for service, texts in lines.items()
    ]


def _told(service: str, texts: Counter[str]) -> str:
    text, count = texts.most_common(1)[0]
    return f"{service} logs {sum(texts.values())} error lines that normal times do not know, {count} times {text!r}"
