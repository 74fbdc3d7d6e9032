"""Roll-ups in, problems out. Pure; runs in the analysis process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from triage.analyse.anomalies.series import SeriesAnomaly, SeriesWindow
from triage.analyse.calm import calm_problems
from triage.analyse.early import failing_apis, new_families
from triage.analyse.problems import SLACK_MINUTES, Problem, failing_problems
from triage.analyse.rows import CallRows, ErrorRows, Traffic
from triage.analyse.triggers import series_anomalies, series_windows

KNOWN_MINUTES: Final = 60
"""Minutes of traffic that must be known before silence of the whole platform is news."""


@dataclass(frozen=True, slots=True)
class Context:
    """What a judgement needs beside the roll-ups. Minutes are epoch minutes."""

    start: int  # first minute of the roll-ups
    end: int  # the minute behind the last one
    judge_from: int
    ready_from: Mapping[str, int]  # service -> minute from which it is no longer learned
    families: Mapping[str, str] = field(default_factory=dict)  # group -> its error code, whatever the API
    now: int = 0  # the wall clock's minute


def judge(calls: pa.Table, errors: pa.Table, context: Context) -> list[Problem]:
    """The problems whose evidence reaches into the judged minutes, largest first."""
    active = np.unique(calls.column("minute").to_numpy())
    windows = series_windows(calls, context.start, context.end, max(context.end - context.judge_from, 1))
    series = {window.key: window for window in windows}
    anomalies = [_trimmed(a, series[a.key]) for a in series_anomalies(windows) if _believable(a, active, context)]
    rows, call_rows = ErrorRows.of(errors, context.families), CallRows.of(calls)
    traffic = Traffic.of(calls, context.start, context.end)
    early = [
        *failing_apis(rows, calls, context.start, context.end),
        *new_families(rows, context.ready_from, context.start, context.end),
    ]
    problems = failing_problems(rows, call_rows, traffic, anomalies, context.ready_from, context.judge_from, early, context.now)
    problems += [p for p in calm_problems(rows, call_rows, traffic, problems, anomalies, series) if p.until >= context.judge_from]
    return sorted(problems, key=lambda p: (-int(rows.count[p.rows].sum()), p.since))


def _believable(anomaly: SeriesAnomaly, active: npt.NDArray[np.int64], context: Context) -> bool:
    """Whether a drop is a drop, and not the minute that is still filling or a gap in the data of everyone."""
    if anomaly.feature != "rate_drop":
        return True
    if anomaly.since_minute >= context.end - 1:
        return False
    until = anomaly.until_minute if anomaly.until_minute is not None else context.end - 1
    span = np.arange(anomaly.since_minute, until + 1)
    seen = np.isin(span, active).mean()
    return bool(seen > 0.5 or (active < anomaly.since_minute).sum() >= KNOWN_MINUTES)


def _trimmed(anomaly: SeriesAnomaly, window: SeriesWindow) -> SeriesAnomaly:
    """A slow or silent stretch without the calm behind it: it ends with the last minute nearer to what was seen than to usual."""
    values = {"latency": window.p95_ms, "rate_drop": window.calls}.get(anomaly.feature)
    if values is None:
        return anomaly
    first = anomaly.since_minute - int(window.minutes[0])
    last = len(values) - 1 if anomaly.until_minute is None else anomaly.until_minute - int(window.minutes[0])
    before, during = values[:first], values[first : last + 1]
    before, seen = before[np.isfinite(before)], during[np.isfinite(during)][: max(5, len(during) // 2)]
    if not len(before) or not len(seen):
        return anomaly
    usual = float(np.median(before[before > 0])) if (before > 0).any() else 0.0
    limit = np.sqrt(max(usual, 1e-9) * max(float(np.median(seen)), 1e-9)) if anomaly.feature == "latency" else usual / 2
    odd = np.flatnonzero(during >= limit if anomaly.feature == "latency" else during <= limit)
    if not len(odd) or last - first - odd[-1] <= SLACK_MINUTES:
        return anomaly
    return replace(anomaly, until_minute=anomaly.since_minute + int(odd[-1]))
