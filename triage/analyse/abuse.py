"""Abnormal partner use: one partner that tries many resources it has no right to (OWASP API Security Top 10 2023, API1 and API4).

Counts distinct resources among refused calls: UK Open Banking answers 400 or 403 for a resource that is not the partner's, never
404, so a count of 404 alone would miss it. A partner with a broken integration asks for the same resources again and again; one
that walks through IDs hardly ever asks twice. What is usual is the share of calls that other partners are refused so. Pure.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy.stats import poisson

from triage.analyse.problems import Problem
from triage.analyse.rows import ErrorRows, sums, texts
from triage.domain.finding import Finding
from triage.domain.incident import ApiImpact, Impact, Point, Suspect
from triage.domain.windows import HOUR_NS, MINUTE_NS

ABUSE_COLUMNS: Final = ("time_ns", "partner", "method", "route", "status", "resource_ref", "trace_id")
REFUSED: Final = (400, 403, 404)
MIN_RESOURCES: Final = 12
MIN_DISTINCT: Final = 0.6
"""Different resources among the refused calls; a walk through IDs comes near 1."""
PEER_FACTOR: Final = 5.0
CHANCE: Final = 1e-6
TRIED: Final = 0.7
"""A partner's refusals of which this share are on single resources are for this room to judge."""
QUIET_MINUTES: Final = 30


def refused_on_resources(calls: pa.Table) -> pa.Table:
    """The refused calls that asked for one resource."""
    status = pc.is_in(calls.column("status"), pa.array(REFUSED, pa.int64()))
    return calls.filter(pc.and_(status, pc.not_equal(calls.column("resource_ref"), "")))


def partner_totals(calls: pa.Table) -> dict[str, int]:
    """Partner -> its calls, from the call roll-up."""
    return sums(texts(calls, "partner"), calls.column("calls").to_numpy())


def abnormal_use(refused: pa.Table, totals: Mapping[str, int], names: Mapping[str, str]) -> list[Finding]:
    """Partners that were refused on many distinct resources; `refused` comes from `refused_on_resources`, `totals` are all calls of
    each partner in the same time."""
    counts = sums(texts(refused, "partner"), np.ones(len(refused), np.int64))
    findings = []
    for partner, count in counts.items():
        if count < MIN_RESOURCES or not partner:
            continue
        mine = _latest_walk(refused.filter(pc.equal(refused.column("partner"), partner)))
        resources = len(mine.column("resource_ref").unique())
        others = sum(totals.values()) - totals.get(partner, 0)
        usual = (sum(counts.values()) - count + 1) / max(others, 1) * totals.get(partner, count)
        sure = poisson.sf(resources - 1, max(usual * PEER_FACTOR, 0.5)) < CHANCE
        if sure and resources >= MIN_RESOURCES and resources >= MIN_DISTINCT * len(mine):
            total = max(totals.get(partner, 0), len(mine))
            findings.append(_finding(partner, names.get(partner, partner), resources, total, mine, usual))
    return findings


def _latest_walk(mine: pa.Table) -> pa.Table:
    """The refused calls since the last long pause, so that everyday ones before it do not move its beginning."""
    mine = mine.sort_by("time_ns")
    times = mine.column("time_ns").to_numpy()
    pauses = np.flatnonzero(np.diff(times) > QUIET_MINUTES * MINUTE_NS)
    runs = np.split(np.arange(len(times)), pauses + 1)
    best = max(runs, key=len)
    gaps = np.diff(times[best])
    if len(gaps) >= MIN_RESOURCES:  # leading stragglers lie far before the walk's own pace
        far = np.flatnonzero(gaps[: len(gaps) // 2] > 10 * np.median(gaps) + MINUTE_NS)
        best = best[far[-1] + 1 :] if len(far) else best
    return mine.take(best)


def is_abuse(problem: Problem, rows: ErrorRows, refused: pa.Table, abusers: Collection[str]) -> bool:
    """Whether a partner's problem is (or may become) one of abnormal use, which is told to security alone."""
    what, _, partner = problem.owner.partition(":")
    if what != "partner":
        return False
    if not problem.rows.any():
        return partner in abusers and problem.kind == "traffic_surge"
    times = refused.column("time_ns").to_numpy() // MINUTE_NS
    during = pa.array((times >= problem.since) & (times <= problem.until))
    tried = len(refused.filter(pc.and_(during, pc.equal(refused.column("partner"), partner))))
    return tried >= TRIED * float(rows.count[problem.rows].sum())


def _finding(partner: str, name: str, resources: int, total: int, mine: pa.Table, usual: float) -> Finding:
    times = mine.column("time_ns").to_numpy()
    hours = max((int(times[-1]) - int(times[0])) / HOUR_NS, 1 / 60)
    called = [f"{method} {route}" for method, route in zip(texts(mine, "method"), texts(mine, "route"), strict=True)]
    apis = sums(np.array(called, object), np.ones(len(mine), np.int64))
    least = max(apis.values()) * 0.1
    minutes, counts = np.unique(times // MINUTE_NS, return_counts=True)
    why: list[Any] = [
        f"{resources:,} different resources were asked for and refused within {hours * 60:.0f} min",
        f"a partner with as many calls is usually refused on {usual:.1f}; "
        f"{resources / len(mine):.0%} of the refused calls ask for a new one",
    ]
    return Finding(
        key=f"abnormal_use|partner:{partner}", kinds=["abnormal_use"], kind="abnormal_use",
        title=f"{name} tries many accounts that are not its customers'",
        summary=f"{name} was refused on {resources:,} different resources in {hours * 60:.0f} min, "
                f"{resources / hours:,.0f} an hour. This looks like enumeration. The partner's side; restricted to security.",
        scope=f"one partner: {name}", severity="medium", whose_side="partner", since_ns=int(times[0]), until_ns=int(times[-1]),
        failed_calls=len(mine), total_calls=total, customers=0, partners=[Impact(partner, name, len(mine), total)],
        apis=[ApiImpact(api.partition(" ")[0], api.partition(" ")[2], n, n) for api, n in apis.items() if n >= least][:5],
        suspects=[Suspect("partner", name, 0.9, why)],
        trace_ids=[t for t in dict.fromkeys(mine.column("trace_id").to_pylist()) if t][:10],
        series=[Point(int(m), int(c), int(c)) for m, c in zip(minutes, counts, strict=True)], restricted=True,
    )
