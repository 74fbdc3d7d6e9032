"""Abnormal partner use: one partner that tries many resources it has no right to (OWASP API Security Top 10 2023, API1 and API4).

Counts refused calls by distinct resources: UK Open Banking answers 400 or 403 for a resource that is not the partner's, never 404,
so a count of 404 alone would miss it. Pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from triage.domain.finding import Finding
from triage.domain.incident import ApiImpact, Impact, Point, Suspect
from triage.domain.windows import MINUTE_NS, NS

ABUSE_COLUMNS: Final = ("time_ns", "partner", "method", "route", "status", "resource_ref", "trace_id", "instance")
MIN_RESOURCES: Final = 30
MIN_REFUSED_SHARE: Final = 0.5
_REFUSED: Final = (400, 403, 404)
_PEER_FACTOR: Final = 5


def abnormal_use(calls: pa.Table, names: Mapping[str, str]) -> list[Finding]:
    """Partners that were refused on many distinct resources in these calls (columns ABUSE_COLUMNS)."""
    refused = pc.and_(pc.is_in(calls.column("status"), pa.array(_REFUSED, pa.int64())), pc.not_equal(calls.column("resource_ref"), ""))
    rows = calls.filter(refused)
    if not len(rows):
        return []
    distinct = rows.group_by("partner").aggregate([("resource_ref", "count_distinct")])
    found = dict(zip(distinct.column("partner").to_pylist(), distinct.column("resource_ref_count_distinct").to_pylist(), strict=True))
    totals = Counter(calls.filter(pc.not_equal(calls.column("resource_ref"), "")).column("partner").to_pylist())
    findings = []
    for partner, resources in found.items():
        peers = sorted(n for p, n in found.items() if p != partner)
        usual = peers[len(peers) // 2] if peers else 0
        mine = rows.filter(pc.equal(rows.column("partner"), partner))
        if resources < max(MIN_RESOURCES, _PEER_FACTOR * usual) or len(mine) < MIN_REFUSED_SHARE * totals[partner]:
            continue
        findings.append(_finding(partner, names.get(partner, partner), resources, totals[partner], mine, usual))
    return findings


def _finding(partner: str, name: str, resources: int, total: int, mine: pa.Table, usual: int) -> Finding:
    times = np.sort(mine.column("time_ns").to_numpy())
    hours = max((times[-1] - times[0]) / (3600 * NS), 1 / 60)
    route = Counter(zip(mine.column("method").to_pylist(), mine.column("route").to_pylist(), strict=True)).most_common(3)
    minutes, counts = np.unique(times // MINUTE_NS, return_counts=True)
    why: list[Any] = [
        f"{resources:,} different resources were asked for and refused within {hours * 60:.0f} min",
        f"{len(mine) / total:.0%} of its calls on single resources were refused; the usual partner was refused on {usual}",
    ]
    return Finding(
        key=f"abnormal_use|{partner}", kinds=["abnormal_use"], kind="abnormal_use",
        title=f"{name} tries many accounts that are not its customers'",
        summary=f"{name} was refused on {resources:,} different resources in {hours * 60:.0f} min, "
                f"{resources / hours:,.0f} an hour. This looks like enumeration. The partner's side; restricted to security.",
        scope=f"one partner: {name}", severity="medium", whose_side="partner", since_ns=int(times[0]), until_ns=int(times[-1]),
        failed_calls=len(mine), total_calls=total, customers=0, partners=[Impact(partner, name, len(mine), total)],
        apis=[ApiImpact(method, template, n, n) for (method, template), n in route],
        suspects=[Suspect("partner", name, 0.9, why)],
        trace_ids=[t for t in dict.fromkeys(mine.column("trace_id").to_pylist()) if t][:10],
        series=[Point(int(m), int(c), int(c)) for m, c in zip(minutes, counts, strict=True)], restricted=True,
    )
