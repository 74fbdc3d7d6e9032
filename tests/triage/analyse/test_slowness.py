"""Slow APIs by what makes them slow."""

from __future__ import annotations

import numpy as np

from triage.analyse.anomalies.series import SeriesAnomaly, SeriesKey
from triage.analyse.problems import Problem
from triage.analyse.ranking.tables import SERVER, SpanTable
from triage.analyse.slowness import SlowApi, by_root

MS = 1_000_000


def traces(*services: str, slow: str = "", count: int = 30) -> SpanTable:
    """Traces in which each service calls the next and takes 20 ms itself, but one 900 ms."""
    rows = []
    for number in range(count):
        own = [(900 if service == slow else 20) + number % 5 for service in services]
        for place, service in enumerate(services):
            rows.append((f"{slow}{number:032x}", f"{number:08x}{place:08x}", f"{number:08x}{place - 1:08x}" if place else "", service,
                         10 * place * MS, sum(own[place:]) * MS))
    trace, span, parent, service, start, took = zip(*rows, strict=True)
    size = len(rows)
    return SpanTable(trace, span, parent, service, ("call",) * size, np.full(size, SERVER), np.array(start), np.array(took),
                     np.zeros(size, bool), ("1",) * size, ("",) * size)


def sample(api: str, *services: str, slow: str) -> SlowApi:
    return SlowApi(api, traces(*services, slow=slow), traces(*services))


def problem(*apis: str) -> Problem:
    """Slow APIs since minute 10 and onwards, one minute apart."""
    anomalies = [
        SeriesAnomaly(SeriesKey("api", api), "latency", 10 + n, None, 20.0, 900.0, 0.9, 1e-9, "slow") for n, api in enumerate(apis)
    ]
    return Problem("latency", 10, 30, np.zeros(0, bool), "service:", anomalies=anomalies)


def test_two_services_that_are_slow_at_once_are_two_problems() -> None:
    parts = by_root(problem("GET /a", "GET /b"), [
        sample("GET /a", "gateway", "accounts", slow="accounts"), sample("GET /b", "gateway", "cards", slow="cards")])

    assert sorted((p.owner, [a.key.id for a in p.anomalies], p.since) for p in parts) == [
        ("service:accounts", ["GET /a"], 10), ("service:cards", ["GET /b"], 11)]


def test_one_slow_service_behind_many_apis_is_one_problem() -> None:
    (part,) = by_root(problem("GET /a", "GET /b"), [
        sample("GET /a", "gateway", "accounts", "core", slow="core"), sample("GET /b", "gateway", "cards", "core", slow="core")])

    assert (part.owner, len(part.anomalies)) == ("service:core", 2)


def test_an_api_whose_traces_do_not_tell_goes_with_the_others() -> None:
    few = traces("gateway", count=2)

    (part,) = by_root(problem("GET /a", "GET /b"), [sample("GET /a", "gateway", "accounts", slow="accounts"), SlowApi("GET /b", few, few)])

    assert (part.owner, len(part.anomalies)) == ("service:accounts", 2)


def test_without_traces_it_stays_one_problem_without_a_root() -> None:
    whole = problem("GET /a", "GET /b")

    assert by_root(whole, []) == [whole]


def test_beside_a_fault_only_what_another_service_surely_slows_is_a_problem() -> None:
    whole = problem("GET /a", "GET /b", "GET /c")
    whole.beside = frozenset({"service:core"})
    few = traces("gateway", count=2)

    (part,) = by_root(whole, [
        sample("GET /a", "gateway", "accounts", "core", slow="core"), sample("GET /b", "gateway", "fraud", slow="fraud"),
        SlowApi("GET /c", few, few)])

    assert (part.owner, [a.key.id for a in part.anomalies]) == ("service:fraud", ["GET /b"])
    assert by_root(whole, []) == []
