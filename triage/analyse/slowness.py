"""Slow APIs, told apart by the service that makes them slow. Pure.

Slow APIs of one time are one problem unless their traces blame different services, each for APIs that the other does not explain.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from triage.analyse.problems import Problem, last_minute
from triage.analyse.ranking.rank import rank_spans
from triage.analyse.ranking.tables import SpanTable

SURE: Final = 0.5
"""The score from which a service is blamed for an API on its own."""
EXPLAINS: Final = 0.5
"""A service with this part of the best score may explain the API as well."""
LEAST_TRACES: Final = 10


@dataclass(frozen=True, slots=True)
class SlowApi:
    """Traces of the slowest calls of an API, and of its calls before."""

    api: str
    slow: SpanTable
    usual: SpanTable


def by_root(problem: Problem, samples: Sequence[SlowApi]) -> list[Problem]:
    """The problem in parts, one a root; the root is in the part's owner. `samples`: of the APIs that the problem names.
    Beside faults only what another service surely makes slow is a problem of its own."""
    blamed = {sample.api: _blamed(sample) for sample in samples}
    roots: list[str] = []
    for scores in sorted(blamed.values(), key=lambda scores: -max(scores.values(), default=0.0)):
        best = max(scores, key=lambda name: scores[name], default="")
        if best and (not roots or scores[best] >= SURE) and not any(_may_be(root, scores) for root in roots):
            roots.append(best)
    if problem.beside:
        roots = [root for root in roots if f"service:{root}" not in problem.beside and _is_sure(root, blamed)]
        home = {api: next((root for root in roots if _may_be(root, scores)), "") for api, scores in blamed.items()}
        return [part for root in roots if (part := _part(problem, root, home, False)) is not None]
    if not roots:
        return [problem]
    home = {api: next((root for root in roots if _may_be(root, scores)), roots[0]) for api, scores in blamed.items()}
    return [part for root in roots if (part := _part(problem, root, home, root == roots[0])) is not None]


def _blamed(sample: SlowApi) -> Mapping[str, float]:
    """Service -> how sure it is that it makes this API slow."""
    if len(set(sample.slow.trace_id)) < LEAST_TRACES or len(set(sample.usual.trace_id)) < LEAST_TRACES:
        return {}
    return {suspect.component: suspect.score for suspect in rank_spans(sample.slow, sample.usual) if suspect.score > 0}


def _is_sure(root: str, blamed: Mapping[str, Mapping[str, float]]) -> bool:
    return max((scores.get(root, 0.0) for scores in blamed.values()), default=0.0) >= SURE


def _may_be(root: str, scores: Mapping[str, float]) -> bool:
    return scores.get(root, 0.0) >= EXPLAINS * max(scores.values(), default=1.0)


def _part(problem: Problem, root: str, home: Mapping[str, str], first: bool) -> Problem | None:
    """What a root explains; the first one also owns what no trace tells of."""
    mine = [a for a in problem.anomalies if home.get(a.key.id, root if first else "") == root]
    if not mine:
        return None
    return replace(
        problem, owner=f"service:{root}", anomalies=mine, since=min(a.since_minute for a in mine),
        until=min(problem.until, max(last_minute(a) for a in mine)),
    )
