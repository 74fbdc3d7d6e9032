"""Who comes first among the suspects, and who is not one."""

from __future__ import annotations

import numpy as np

from triage.analyse.impact import ImpactOf
from triage.analyse.problems import Problem
from triage.analyse.ranking.tables import CLIENT, SERVER, SpanTable, no_logs
from triage.analyse.suspects import Samples, suspects_of

BANK = frozenset({"gateway", "payments", "fraud"})


def traces(prefix: str, answered: bool, count: int = 30) -> SpanTable:
    """Gateway -> payments -> a call to fraud, which answers it with a span of its own or not at all."""
    rows = []
    for number in range(count):
        trace, bad = f"{prefix}{number}", not answered
        rows += [(trace, "a", "", "gateway", SERVER, bad), (trace, "b", "a", "payments", SERVER, bad)]
        rows += [(trace, "c", "b", "payments", CLIENT, bad)]
        rows += [(trace, "d", "c", "fraud", SERVER, False)] if answered else []
    trace_id, span_id, parent, service, kind, error = zip(*rows, strict=True)
    size = len(rows)
    return SpanTable(trace_id, span_id, parent, service, ("call",) * size, np.array(kind), np.arange(size) * 1_000, np.full(size, 10_000),
                     np.array(error), ("1",) * size, ("",) * size)


def test_who_only_calls_the_one_that_does_not_answer_is_no_second_origin() -> None:
    problem = Problem("errors", 10, 12, np.ones(1, bool), "service:fraud")
    impact = ImpactOf(30, 90, [], [], ["fraud"], "bank", {"bank_error": 30}, [], [], "calls that pass fraud", "service")
    samples = Samples(
        failing=traces("f", answered=False), healthy=traces("h", answered=True), logs_failing=no_logs(), logs_healthy=no_logs(),
        calls_failing=[], calls_healthy=[], customers=0, failed_at=[("fraud", "")] * 30, passed=[("fraud", "")] * 30)

    first, *others = suspects_of(problem, impact, samples, [], BANK)

    assert first.name == "fraud"
    assert all(other.score <= first.score / 2 for other in others)
    assert not any("errors begin in payments" in why for other in others for why in other.why)
