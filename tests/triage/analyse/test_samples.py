"""The samples of a problem are its own, and shares are of what was looked at."""

from __future__ import annotations

from typing import Any

import numpy as np
from builders import MINUTE, T0, call, call_rollups, error_rollups, masked, span, trace_id

from triage.analyse.compare import compare
from triage.analyse.explain import explain
from triage.analyse.impact import measure
from triage.analyse.problems import Problem
from triage.analyse.rows import CallRows, ErrorRows
from triage.analyse.samples import fetch_samples
from triage.analyse.suspects import Samples
from triage.domain.finding import Finding
from triage.store.memory import MemoryRecords, MemoryRecordStore

FIRST = T0 // MINUTE
API = {"method": "GET", "route": "/accounts", "partner": "alpha"}


def problem_of(traces: list[str], owner: str, **columns: Any) -> tuple[Problem, ErrorRows]:
    table = error_rollups(
        {"minute": FIRST, "partner": "alpha", "api": "GET /accounts", "count": 1, "sample_trace": trace} | columns for trace in traces)
    return Problem("errors", FIRST, FIRST, np.ones(len(table), bool), owner, groups=["g"]), ErrorRows.of(table, {})


def sampled(problem: Problem, rows: ErrorRows, calls: list[dict[str, Any]], spans: list[dict[str, Any]]) -> Samples:
    store = MemoryRecordStore(MemoryRecords())
    store.append(masked(spans, (), calls))
    return fetch_samples(store, problem, measure(problem, rows, CallRows.of(call_rollups([])), str))


def failing(number: int, **columns: Any) -> dict[str, Any]:
    return call(number, **(API | {"time_ns": T0 + number * 1_000_000, "status": 503, "outcome": "bank_error"} | columns))


def failing_span(number: int, service: str, **columns: Any) -> dict[str, Any]:
    return span(number, **({"trace_id": trace_id(number), "time_ns": T0 + number * 1_000_000, "service": service, "status": 2,
                            "parent_id": ""} | columns))


def test_traces_of_a_neighbour_on_the_same_api_are_no_samples() -> None:
    mine, theirs = range(1, 4), range(100, 140)
    problem, rows = problem_of([trace_id(n) for n in mine], "service:fraud-check", service="fraud-check")
    spans = [failing_span(n, "fraud-check") for n in mine] + [failing_span(n, "payments") for n in theirs]

    samples = sampled(problem, rows, [failing(n) for n in [*mine, *theirs]], spans)

    assert set(samples.failing.service) == {"fraud-check"}
    assert len(samples.calls_failing) == 3


def test_shares_are_of_the_failing_calls_that_were_looked_at() -> None:
    numbers = range(1, 401)
    problem, rows = problem_of([trace_id(n) for n in numbers], "partner:alpha", outcome="partner_error")
    attributes = {"http.response.status_code": 401}
    spans = [failing_span(n, "api-gateway", status=0, attributes=attributes) for n in numbers]
    good = [call(n, **API, time_ns=T0 + n * 1_000_000) for n in range(1_000, 1_200)]
    spans += [failing_span(n, "api-gateway", status=0, attributes={"http.response.status_code": 200}) for n in range(1_000, 1_200)]

    samples = sampled(problem, rows, [failing(n, status=401, outcome="partner_error") for n in numbers] + good, spans)
    status = next(c for c in compare(samples.calls_failing, samples.calls_healthy) if c.value == "401")

    assert (status.failing, status.healthy, status.looked_at) == (1.0, 0.0, 80)


def explained(owner: str) -> Finding:
    problem, rows = problem_of(["t"], owner, outcome="gateway_error", service="gateway", count=9)
    calls = CallRows.of(call_rollups([]))
    samples = sampled(problem, rows, [failing(1, outcome="gateway_error")], [])
    return explain(problem, measure(problem, rows, calls, str), samples, [], {"g": "no peer"}, frozenset())


def test_where_only_the_api_is_known_no_cause_is_named() -> None:
    summary = explained("api:GET /accounts").summary

    assert "Most likely cause" not in summary
    assert "No component stands out; the gateway cannot reach the upstream of GET /accounts" in summary
