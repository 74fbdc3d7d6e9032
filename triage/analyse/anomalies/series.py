"""Abnormal call series: which API, partner or instance fails, slows down, falls silent or surges, and since when.

`find_anomalies` judges series of calls by the minute. It is a pure function of the window that it is given: what
is judged again with more minutes behind it keeps its beginning. Methods: `series_evidence` (how surprising is
each minute), `series_episodes` (one alert an episode), `outliers` (a second opinion on weak evidence).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from triage.analyse.anomalies.outliers import CHANGES, LEAST_ROWS, OUTLIER, RECENT_MINUTES, change_rows, outlier_scores
from triage.analyse.anomalies.series_batch import Matrix, SeriesBatch, SeriesKey, SeriesWindow, stack
from triage.analyse.anomalies.series_episodes import CALM_LIMIT, Episode, episodes
from triage.analyse.anomalies.series_evidence import (
    Evidence,
    SharePrior,
    mean_candidates,
    mean_evidence,
    rate_candidates,
    rate_evidence,
    share_candidates,
    share_evidence,
)

__all__ = ["FEATURES", "Feature", "SeriesAnomaly", "SeriesBatch", "SeriesKey", "SeriesWindow", "find_anomalies"]

Feature = Literal[
    "rate_drop", "rate_surge", "error_share", "partner_error_share", "customer_error_share", "latency", "bytes"
]
FEATURES: Final[tuple[Feature, ...]] = (
    "error_share", "partner_error_share", "customer_error_share", "rate_surge", "rate_drop", "latency", "bytes"
)

OPENS: Final = 7.0
"""-log10(p) that opens an episode: a bound, and 3,000 series at 25 looks a minute are 10^8 looks a day."""

WEAK: Final = 5.0
"""Evidence from here to OPENS counts if the series is also an outlier among the series of the batch just now."""

LEARNING_MINUTES: Final = 10
RATE_LEARNING_MINUTES: Final = 60
"""A rhythm takes longer to learn than a share: a caller with a batch every quarter of an hour is not silent."""

BACKLOG_MINUTES: Final = 60
"""A surge this soon after a drop or an outage of the same series is the backlog, not news."""

CHUNK_ENTRIES: Final = 200_000
"""Series times minutes worked on at once: what the processor keeps near."""

PASSES: Final = 16


@dataclass(frozen=True, slots=True)
class SeriesAnomaly:
    """One episode of one feature of one series.

    `since_minute`, `until_minute`: minutes since 1970, first and last abnormal one; None while it lasts. `usual`
    and `seen`: shares, calls a minute, milliseconds, or bytes a call. `score` 0..1, 0.5 at the alert threshold.
    `unusualness`: a bound on the probability of this in ordinary operation. `why`: one sentence.
    """

    key: SeriesKey
    feature: Feature
    since_minute: int
    until_minute: int | None
    usual: float
    seen: float
    score: float
    unusualness: float
    why: str


@dataclass(frozen=True, slots=True)
class _Found:
    """An episode before it is put into words."""

    series: int
    feature: Feature
    episode: Episode
    usual: float
    seen: float
    evidence: float
    minutes: int


_PRIORS: Final[dict[Feature, SharePrior]] = {
    "error_share": SharePrior(0.02, 50.0),
    "partner_error_share": SharePrior(0.10, 20.0),
    "customer_error_share": SharePrior(0.10, 20.0),
}

_MEANS: Final[tuple[Feature, ...]] = ("latency", "bytes")


def find_anomalies(windows: Sequence[SeriesWindow] | SeriesBatch) -> list[SeriesAnomaly]:
    """The episodes that touch the new minutes, in the order of the series.

    The first LEARNING_MINUTES from a series' first call are learned, never judged (RATE_LEARNING_MINUTES by the
    rate). Raises ValueError when the arrays of a window differ in length or its minutes are not contiguous.
    """
    batches = [windows] if isinstance(windows, SeriesBatch) else stack(windows)
    return [anomaly for batch in batches for anomaly in _of_batch(batch)]


def _of_batch(batch: SeriesBatch) -> list[SeriesAnomaly]:
    if batch.calls.shape[1] <= LEARNING_MINUTES:
        return []
    found = []
    chunk = max(8, CHUNK_ENTRIES // len(batch.minutes))
    for at in range(0, len(batch.keys), chunk):
        part = batch.rows(slice(at, at + chunk))
        found += [(at + one.series, one) for one in _of_chunk(part)]
    new = len(batch.minutes) - batch.judge_last
    touching = [(i, one) for i, one in found if not one.episode.ended or one.episode.last >= new]
    sure = _confirmed(batch, touching)
    return [_anomaly(batch.keys[i], batch.minutes, one) for i, one in sorted(sure, key=lambda pair: pair[0])]


def _of_chunk(batch: SeriesBatch) -> list[_Found]:
    active = batch.calls > 0
    first = np.where(active.any(axis=1), active.argmax(axis=1), batch.calls.shape[1])
    since = max(0, len(batch.minutes) - batch.judge_last - CALM_LIMIT)
    candidates = _candidates(batch, since)
    found: list[_Found] = []
    for feature in FEATURES:
        rows = np.flatnonzero(candidates[feature])
        weight = np.ones_like(batch.calls)
        if feature == "rate_drop":  # The end of a surge is no drop.
            _leave_out(weight, (one for one in found if one.feature == "rate_surge"))
        learning = RATE_LEARNING_MINUTES if feature in ("rate_drop", "rate_surge") else LEARNING_MINUTES
        found += _of_feature(batch, feature, rows, first + learning, weight)
    return _without_backlog(found)


def _of_feature(
    batch: SeriesBatch, feature: Feature, rows: NDArray[np.intp], start: NDArray[np.intp], weight: Matrix
) -> list[_Found]:
    """Judges the series again, without the episodes found so far in the baseline, until these no longer change."""
    given = weight.copy()
    found: dict[int, list[_Found]] = {}
    for _ in range(PASSES):
        if not len(rows):
            break
        part = batch.rows(rows)
        evidence = _evidence(part, feature, weight[rows])
        hot = (evidence.evidence.max(axis=0) >= WEAK).any(axis=1)
        changed = []
        for i, series in enumerate(rows.tolist()):
            now = _of_series(part, feature, evidence, i, int(start[series]), series) if hot[i] else []
            if [one.episode for one in now] != [one.episode for one in found.get(series, [])]:
                changed.append(series)
                weight[series] = given[series]
                _leave_out(weight, now)
            found[series] = now
        rows = np.array(changed, dtype=np.intp)
    return [one for series in found.values() for one in series]


def _leave_out(weight: Matrix, found: Iterable[_Found]) -> None:
    for one in found:
        weight[one.series, one.episode.first : one.episode.last + 1] = 0.0


def _candidates(batch: SeriesBatch, since: int) -> dict[Feature, NDArray[np.bool_]]:
    """By feature: the series worth a closer look; the rest costs one glance."""
    rates = rate_candidates(batch.calls, since)
    out: dict[Feature, NDArray[np.bool_]] = {"rate_surge": rates, "rate_drop": rates}
    for feature, prior in _PRIORS.items():
        out[feature] = share_candidates(_counts(batch, feature), batch.calls, prior, since)
    for feature in _MEANS:
        hits = [mean_candidates(logs, batch.calls, least, since) for logs, least, _ in _means(batch, feature)]
        out[feature] = np.logical_or.reduce(hits)
    return out


def _counts(batch: SeriesBatch, feature: Feature) -> Matrix:
    """The failures that a share feature is about."""
    if feature == "error_share":
        return batch.failed
    return batch.partner_errors if feature == "partner_error_share" else batch.customer_errors


def _evidence(batch: SeriesBatch, feature: Feature, weight: Matrix) -> Evidence:
    if feature in _PRIORS:
        return share_evidence(_counts(batch, feature), batch.calls, weight, _PRIORS[feature])
    if feature in ("rate_drop", "rate_surge"):
        return rate_evidence(batch.calls, weight, feature == "rate_surge")
    parts = [mean_evidence(logs, batch.calls, weight, least, drift) for logs, least, drift in _means(batch, feature)]
    return reduce(_larger, parts)


def _means(batch: SeriesBatch, feature: Feature) -> list[tuple[Matrix, float, float]]:
    """-> (logarithms, least rise, drift) of what is looked at: both quantiles, or the bytes a call."""
    if feature == "latency":
        return [(_logs(values, 5.0), np.log(1.5), 0.1) for values in (batch.p95_ms, batch.p50_ms)]
    each = np.full_like(batch.calls, np.nan)
    np.divide(batch.bytes_out, batch.calls, out=each, where=batch.calls > 0)
    return [(_logs(each, 100.0), np.log(3.0), 0.25)]


def _logs(values: Matrix, least: float) -> Matrix:
    """Logarithms, with all below `least` taken as that: a change down there means nothing."""
    out: Matrix = np.log(np.maximum(values, least))
    return out


def _larger(one: Evidence, other: Evidence) -> Evidence:
    """Entry by entry the one of two with more evidence."""
    take = one.evidence >= other.evidence
    return Evidence(
        one.scales,
        one.lasts,
        np.where(take, one.evidence, other.evidence),
        np.where(take, one.departure, other.departure),
        np.where(take, one.seen, other.seen),
        np.where(take, one.usual, other.usual),
    )


def _of_series(
    batch: SeriesBatch, feature: Feature, evidence: Evidence, row: int, start: int, series: int
) -> list[_Found]:
    calls = batch.calls[row]
    known = calls > 0
    if feature in _PRIORS:
        active = _counts(batch, feature)[row] > 0
    elif feature == "rate_drop":
        usual = evidence.usual[1, row]
        active = calls <= 0.5 * usual
        known = usual > 0
    else:
        active = known
    out = []
    for episode in episodes(evidence, row, active, known, start, WEAK):
        at = (episode.scale, row, episode.peak)
        out.append(_Found(
            series, feature, episode, float(evidence.usual[at]), float(evidence.seen[at]),
            float(evidence.evidence[at]), evidence.scales[episode.scale],
        ))
    return out


def _without_backlog(found: list[_Found]) -> list[_Found]:
    """Leaves out surges during, or soon after, a drop or an outage of the same series."""
    faults: dict[int, list[Episode]] = {}
    for one in found:
        if one.feature in ("rate_drop", "error_share", "latency"):
            faults.setdefault(one.series, []).append(one.episode)
    return [
        one for one in found
        if one.feature != "rate_surge"
        or not any(
            fault.first < one.episode.first <= fault.last + BACKLOG_MINUTES
            for fault in faults.get(one.series, [])
        )
    ]


def _confirmed(batch: SeriesBatch, found: list[tuple[int, _Found]]) -> list[tuple[int, _Found]]:
    """Strong evidence, and weak evidence of just now if an isolation forest sets that series apart as well."""
    recent = len(batch.minutes) - RECENT_MINUTES
    weak = [(i, one) for i, one in found if one.evidence < OPENS and one.episode.last >= recent]
    strong = [(i, one) for i, one in found if one.evidence >= OPENS]
    if not weak or len(batch.keys) < LEAST_ROWS:
        return strong
    scores, _ = outlier_scores(change_rows(batch), CHANGES)
    return strong + [(i, one) for i, one in weak if scores[i] >= OUTLIER]


def _anomaly(key: SeriesKey, minutes: NDArray[np.int64], one: _Found) -> SeriesAnomaly:
    episode = one.episode
    return SeriesAnomaly(
        key=key,
        feature=one.feature,
        since_minute=int(minutes[episode.first]),
        until_minute=int(minutes[episode.last]) if episode.ended else None,
        usual=one.usual,
        seen=one.seen,
        score=one.evidence / (one.evidence + OPENS),
        unusualness=10.0 ** -min(one.evidence, 300.0),
        why=_sentence(one),
    )


def _sentence(one: _Found) -> str:
    usual, seen, over = one.usual, one.seen, _stretch(one.minutes)
    if one.feature in _PRIORS:
        what = {
            "error_share": "failed calls", "partner_error_share": "calls refused for the partner's requests",
            "customer_error_share": "calls ended on the customer's side",
        }[one.feature]
        return f"The share of {what} rose from {_percent(usual)} to {_percent(seen)} {over}."
    if one.feature == "rate_drop":
        if seen == 0.0:
            return f"No call came {over}, where {usual:.3g} a minute are usual."
        return f"Calls fell from {usual:.3g} to {seen:.3g} a minute {over}."
    if one.feature == "rate_surge":
        return f"Calls rose from {usual:.3g} to {seen:.3g} a minute {over}."
    if one.feature == "latency":
        return f"Response time rose from {usual:,.0f} to {seen:,.0f} ms {over}."
    return f"Bytes sent rose from {usual:,.0f} to {seen:,.0f} a call {over}."


def _stretch(minutes: int) -> str:
    if minutes == 1:
        return "within a minute"
    return f"over {minutes} minutes" if minutes < 120 else f"over {minutes // 60} hours"


def _percent(share: float) -> str:
    return f"{100.0 * share:.1f} %" if share < 0.1 else f"{100.0 * share:.0f} %"
