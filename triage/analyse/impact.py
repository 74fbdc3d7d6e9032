"""For whom a problem is: partners, APIs, services, curve and smallest scope, from the roll-ups. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from triage.analyse.problems import Problem
from triage.analyse.rows import CallRows, ErrorRows, sums
from triage.domain.calls import SIDE_OF
from triage.domain.incident import ApiImpact, Impact, Point

MOST: Final = 1_000
"""Partners and APIs of an incident; about 100 bytes each in its document."""
_CURVE_BEFORE: Final = 30
_CURVE_LONGEST: Final = 360


@dataclass(slots=True)
class ImpactOf:
    """What the roll-ups say of a problem."""

    failed: int
    total: int
    partners: list[Impact]
    apis: list[ApiImpact]
    services: list[str]
    side: str
    outcomes: dict[str, int]
    series: list[Point]
    traces: list[str]
    scope: str
    scope_kind: str  # 'partner', 'api', 'partner_api', 'service', 'everything'


def measure(problem: Problem, rows: ErrorRows, calls: CallRows, partner_name: Callable[[str], str]) -> ImpactOf:
    """Count failures and all calls of the same partners and APIs in the same time."""
    during = (calls.minute >= problem.since) & (calls.minute <= problem.until)
    failed_by_partner = sums(rows.partner[problem.rows], rows.count[problem.rows])
    failed_by_api = sums(rows.api[problem.rows], rows.count[problem.rows])
    if not problem.rows.any():
        failed_by_partner, failed_by_api = _from_anomalies(problem, calls, during)
    total_by_partner = sums(calls.partner[during], calls.calls[during])
    total_by_api = sums(calls.api[during], calls.calls[during])
    partners = [Impact(p, partner_name(p), f, max(total_by_partner.get(p, 0), f)) for p, f in failed_by_partner.items() if p]
    apis = [
        ApiImpact(a.partition(" ")[0], a.partition(" ")[2] or a, f, max(total_by_api.get(a, 0), f))
        for a, f in failed_by_api.items() if a
    ]
    touched = during & np.isin(calls.api, list(failed_by_api) or [""])
    if len(partners) == 1:
        touched = during & (calls.partner == partners[0].id)
    failed = int(rows.count[problem.rows].sum())
    outcomes = sums(rows.outcome[problem.rows], rows.count[problem.rows])
    services = [s for s in sums(rows.service[problem.rows], rows.count[problem.rows]) if s]
    if problem.owner.startswith("service:"):
        services = sorted(services, key=lambda name: name != problem.owner.partition(":")[2])
    scope_kind, scope = _scope(partners, apis, services, total_by_partner, total_by_api, failed)
    return ImpactOf(
        failed=failed, total=max(int(calls.calls[touched].sum()), failed), partners=partners[:MOST], apis=apis[:MOST],
        services=services[:MOST], side=SIDE_OF.get(next(iter(outcomes), ""), "unknown"), outcomes=outcomes,
        series=_curve(problem, rows, calls, failed_by_api, partners), traces=_traces(problem, rows), scope=scope,
        scope_kind=scope_kind,
    )


def _from_anomalies(problem: Problem, calls: CallRows, during: npt.NDArray[np.bool_]) -> tuple[dict[str, int], dict[str, int]]:
    """Partners and APIs of problems without failures, from the series that left their range; nothing failed, so 0 each. Of a
    partner that fell silent: what it used to call."""
    what, _, owner = problem.owner.partition(":")
    if what == "partner":
        used = calls.partner == owner
        touched = used & (calls.minute <= problem.since if problem.kind == "traffic_drop" else during)
        narrow = {a.key.id.partition("\x1f")[2] for a in problem.anomalies if a.key.kind == "partner_api"} - {""}
        apis = narrow if narrow and problem.kind == "traffic_surge" else sums(calls.api[touched], calls.calls[touched])
        return {owner: 0}, dict.fromkeys(apis, 0)
    apis = dict.fromkeys((a.key.id for a in problem.anomalies if a.key.kind == "api"), 0)
    touched = during & np.isin(calls.api, list(apis))
    return dict.fromkeys(sums(calls.partner[touched], calls.calls[touched]), 0), apis


def _scope(
    partners: list[Impact], apis: list[ApiImpact], services: list[str], of_partners: dict[str, int], of_apis: dict[str, int],
    failed: int,
) -> tuple[str, str]:
    """The smallest scope that explains the failures. One partner counts when it fails more than its share of the traffic."""
    all_calls = max(sum(of_partners.values()), 1)
    one_partner = bool(partners) and (
        len(partners) == 1 or (partners[0].failed >= 0.9 * failed > 0 and of_partners.get(partners[0].id, 0) < 0.6 * all_calls)
    )
    one_api = bool(apis) and (
        len(apis) == 1 or (apis[0].failed >= 0.9 * failed > 0
                           and of_apis.get(f"{apis[0].method} {apis[0].route}".strip(), 0) < 0.6 * all_calls)
    )
    if one_partner and one_api and len(of_apis) > 1:
        return "partner_api", f"{partners[0].name} on {apis[0].method} {apis[0].route}"
    if one_partner:
        return "partner", f"one partner: {partners[0].name}"
    if one_api:
        return "api", f"one API: {apis[0].method} {apis[0].route}"
    if len(services) == 1:
        return "service", f"calls that pass {services[0]}"
    if apis and len(apis) >= 0.8 * len([a for a in of_apis if a]):
        return "everything", "all APIs"
    return "service", f"{len(apis)} APIs" if apis else (f"calls that pass {services[0]}" if services else "all traffic")


def _curve(
    problem: Problem, rows: ErrorRows, calls: CallRows, apis: dict[str, int], partners: list[Impact],
) -> list[Point]:
    start = max(problem.since - _CURVE_BEFORE, problem.until - _CURVE_LONGEST)
    stop = min(problem.until, start + _CURVE_LONGEST + _CURVE_BEFORE)
    if stop < start:
        return []
    mine = np.isin(calls.api, list(apis) or [""]) | (not apis)
    if len(partners) == 1:
        mine = calls.partner == partners[0].id
    mine = mine & (calls.minute >= start) & (calls.minute <= stop)
    width = stop - start + 1
    total = np.bincount(calls.minute[mine] - start, weights=calls.calls[mine], minlength=width)
    picked = problem.rows & (rows.minute >= start) & (rows.minute <= stop)
    failed = np.bincount(rows.minute[picked] - start, weights=rows.count[picked], minlength=width)
    return [Point(start + i, int(max(total[i], failed[i])), int(failed[i])) for i in range(width)]


def _traces(problem: Problem, rows: ErrorRows) -> list[str]:
    order = np.argsort(-rows.minute[problem.rows], kind="stable")
    traces = [trace for trace in rows.trace[problem.rows][order] if trace]
    return list(dict.fromkeys(traces))
