"""How surprising each minute of many call series is: evidence matrices, all series at once.

Every function takes arrays of shape (series, minutes) and returns a `Evidence`, whose arrays have the shape
(scales, series, minutes): entry [s, i, t] speaks of the last `scales[s]` minutes up to t of series i. Evidence is
-log10 of a bound on the probability of what was seen if nothing had changed: Chernoff's for counts (Hoeffding,
'Probability inequalities for sums of bounded random variables', 1963, theorem 1), the Gaussian one for logarithms
of latency. The bounds are closed forms and err on the quiet side, which is what low traffic needs.

Baselines look back only, and minutes with weight 0 (earlier anomalies) do not enter them.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from triage.analyse.anomalies.series_batch import Matrix

DAY: Final = 1440
BIN: Final = 30
"""Minutes in a bin of the daily shape."""

SHARE_SCALES: Final = (1, 3, 10, 60, 360, 1440)
RATE_SCALES: Final = (1, 3, 10, 60)
MEAN_SCALES: Final = (1, 3, 10, 60)
LEAST_FAILED: Final = 5
LEAST_CALLS: Final = 20.0
CLEAR_CALLS: Final = 5.0
"""Fewer calls than this say nothing about whether a change still lasts."""

SHRINK_CALLS: Final = 20.0
RATE_NOISE: Final = 0.0225
"""Relative variance that every call rate has from minute to minute, beyond Poisson: 15 % squared."""

LN10: Final = float(np.log(10.0))


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one feature says: see the module for the shapes.

    `departure` is 0 at the usual value and grows with the change; `seen` and `usual` are in the feature's own unit.
    A minute still belongs to an episode at `lasts` times the departure that opened it.
    """

    scales: tuple[int, ...]
    lasts: float
    evidence: Matrix
    departure: Matrix
    seen: Matrix
    usual: Matrix


@dataclass(frozen=True, slots=True)
class SharePrior:
    """A share that is believed before a series has shown its own, worth `calls` calls."""

    share: float
    calls: float


class Sums:
    """Running sums along the minutes of a matrix; each question is answered for the minutes from `since` on.

    No question may go back further than two days before `since`.
    """

    def __init__(self, values: Matrix, since: int = 0) -> None:
        self._start = max(0, since - 2 * DAY)
        self._since = since - self._start
        late = values[:, self._start :]
        self._sums = np.empty((late.shape[0], late.shape[1] + 1))
        self._sums[:, 0] = values[:, : self._start].sum(axis=1)
        np.cumsum(late, axis=1, out=self._sums[:, 1:])
        self._sums[:, 1:] += self._sums[:, :1]

    def last(self, minutes: int) -> Matrix:
        """At t: the sum over the last `minutes` minutes, t included."""
        return self._upto(0) - self._upto(minutes)

    def before(self, minutes: int) -> Matrix:
        """At t: the sum over everything before the last `minutes` minutes."""
        return self._upto(minutes)

    def between(self, skip: int, minutes: int) -> Matrix:
        """At t: the sum over the `minutes` minutes before the last `skip` ones."""
        return self._upto(skip) - self._upto(skip + minutes)

    def _upto(self, back: int) -> Matrix:
        """At t: the sum up to minute t - back; 0 where there is none."""
        out = np.zeros((self._sums.shape[0], self._sums.shape[1] - 1 - self._since))
        first = max(self._since + 1, back)
        if first < self._sums.shape[1]:
            out[:, first - self._since - 1 :] = self._sums[:, first - back : self._sums.shape[1] - back]
        return out


def share_candidates(failed: Matrix, calls: Matrix, prior: SharePrior, since: int) -> NDArray[np.bool_]:
    """Series in which `share_evidence` could tell anything from minute `since` on; a quick look at all of them."""
    hit = np.asarray(failed.sum(axis=1) >= LEAST_FAILED, dtype=np.bool_)
    if not hit.any():
        return hit
    some = np.flatnonzero(hit)
    bad, all_ = Sums(failed[some], since), Sums(calls[some], since)
    told = np.zeros(len(some), dtype=np.bool_)
    for scale in SHARE_SCALES:
        k, n = bad.last(scale), all_.last(scale)
        known = all_.before(scale) + prior.calls
        usual = (bad.before(scale) + prior.share * prior.calls) / known
        rose = k >= n * np.maximum(usual + 0.02, 1.5 * usual)
        told |= (rose & (k >= LEAST_FAILED) & (n <= known)).any(axis=1)
    hit[some] = told
    return hit


def share_evidence(failed: Matrix, calls: Matrix, weight: Matrix, prior: SharePrior) -> Evidence:
    """A larger share of failed calls than the series' own past, at the same time of day too, has shown.

    No stretch is judged by a past with fewer calls than it has itself: what was always so is not news.
    """
    weight = weight * _not_too_much(calls)
    bad, all_ = Sums(failed), Sums(calls)
    past_bad, past_all = Sums(failed * weight), Sums(calls * weight)
    season = _seasonal_share(failed * weight, calls * weight, prior)
    spread = _share_dispersion(bad, all_, past_bad, past_all, weight, prior)
    parts = []
    for scale in SHARE_SCALES:
        known = past_all.before(scale) + prior.calls
        usual = np.maximum((past_bad.before(scale) + prior.share * prior.calls) / known, season)
        bound = np.minimum(usual + 2.0 * np.sqrt(usual * (1.0 - usual) / known), 0.999)
        k, n = bad.last(scale), all_.last(scale)
        seen = k / np.maximum(n, 1.0)
        told = (k >= LEAST_FAILED) & (seen >= bound + 0.02) & (seen >= 1.5 * bound) & (n <= known)
        evidence = np.zeros_like(k)
        evidence[told] = n[told] * _binomial_exponent(seen[told], bound[told]) / (spread[told] * LN10)
        parts.append((evidence, np.where(n >= CLEAR_CALLS, seen - usual, np.nan), seen, usual))
    return _stack(SHARE_SCALES, 0.4, parts)


def _not_too_much(calls: Matrix) -> Matrix:
    """Weights by which no minute counts for more than four usual ones: a burst must not be what is usual later."""
    mean = calls.sum(axis=1) / np.maximum((calls > 0).sum(axis=1), 1)
    out: Matrix = np.minimum(1.0, 4.0 * mean[:, None] / np.maximum(calls, 1.0))
    return out


def rate_candidates(calls: Matrix, since: int) -> NDArray[np.bool_]:
    """Series in which `rate_evidence` could tell anything from minute `since` on."""
    weight = np.ones_like(calls)
    seen_sums = Sums(calls, since)
    hit = np.zeros(len(calls), dtype=np.bool_)
    for scale, (usual, _) in _expected(calls, weight, since).items():
        seen = seen_sums.last(scale)
        hit |= (_surges(seen, usual) | _drops(seen, usual)).any(axis=1)
    return hit


def rate_evidence(calls: Matrix, weight: Matrix, surge: bool) -> Evidence:
    """Fewer calls (down to silence), or many more, than the hour before and the shape of the day lead to expect."""
    seen_sums = Sums(calls)
    expected = _expected(calls, weight)
    spread = _rate_dispersion(seen_sums, expected[3][0])
    parts = []
    for scale, (usual, doubt) in expected.items():
        seen = seen_sums.last(scale)
        if surge:
            told = _surges(seen, usual) & (seen >= 1.5 * _highest_before(seen, scale))
            departure = seen / np.maximum(usual, 0.5 * scale) - 1.0
        else:
            told = _drops(seen, usual)
            departure = 1.0 - seen / np.maximum(usual, 1e-9)
        told[:, : scale - 1] = False
        evidence = np.zeros_like(seen)
        exponent = _count_exponent(seen[told], usual[told], RATE_NOISE + doubt[told])
        evidence[told] = exponent / (spread[told] * LN10)
        parts.append((evidence, np.where(usual >= CLEAR_CALLS, departure, np.nan), seen / scale, usual / scale))
    return _stack(RATE_SCALES, 0.6, parts)


def mean_candidates(logs: Matrix, calls: Matrix, least_rise: float, since: int) -> NDArray[np.bool_]:
    """Series in which `mean_evidence` could tell anything from minute `since` on."""
    value, count = _weighted(logs, calls)
    total, number = Sums(value * count, since), Sums(count, since)
    hit = np.zeros(len(calls), dtype=np.bool_)
    for scale in MEAN_SCALES:
        n, past = number.last(scale), number.before(scale)
        rise = total.last(scale) / np.maximum(n, 1e-9) - total.before(scale) / np.maximum(past, 1e-9)
        hit |= ((rise >= least_rise) & (n >= LEAST_CALLS) & (past >= LEAST_CALLS)).any(axis=1)
    return hit


def mean_evidence(logs: Matrix, calls: Matrix, weight: Matrix, least_rise: float, drift: float) -> Evidence:
    """A higher mean of a logarithm (latency, bytes a call; NaN: unknown) than the series' past has shown.

    `least_rise` and `drift` are in natural logarithms: the smallest rise worth telling, and how far the mean may
    wander from hour to hour without meaning anything.
    """
    value, count = _weighted(logs, calls)
    total, number = Sums(value * count), Sums(count)
    past_total, past_number = Sums(value * count * weight), Sums(count * weight)
    variance = _variance_per_call(value, count, weight, past_total, past_number)
    season = _seasonal_mean(value, count, weight)
    parts = []
    for scale in MEAN_SCALES:
        past = past_number.before(scale)
        usual = np.maximum(past_total.before(scale) / np.maximum(past, 1e-9), season)
        n = number.last(scale)
        seen = total.last(scale) / np.maximum(n, 1e-9)
        rise = seen - usual
        told = (rise >= least_rise) & (n >= LEAST_CALLS) & (past >= LEAST_CALLS)
        evidence = np.zeros_like(n)
        noise = variance[told] * (1.0 / n[told] + 1.0 / past[told]) + drift**2
        evidence[told] = rise[told] ** 2 / (2.0 * noise * LN10)
        parts.append((evidence, np.where((n >= CLEAR_CALLS) & (past > 0), rise, np.nan), np.exp(seen), np.exp(usual)))
    return _stack(MEAN_SCALES, 0.5, parts)


def _weighted(logs: Matrix, calls: Matrix) -> tuple[Matrix, Matrix]:
    """-> the values without NaN, and the calls that each counts for (one busy minute must not decide alone)."""
    known = np.isfinite(logs)
    return np.where(known, logs, 0.0), np.where(known, np.minimum(calls, 500.0), 0.0)


def _surges(seen: Matrix, usual: Matrix) -> NDArray[np.bool_]:
    out: NDArray[np.bool_] = (seen >= 3.0 * usual) & (seen >= 60.0)
    return out


def _drops(seen: Matrix, usual: Matrix) -> NDArray[np.bool_]:
    out: NDArray[np.bool_] = (seen <= 0.4 * usual) & (usual >= 10.0)
    return out


def daily_shape(calls: Matrix, weight: Matrix) -> tuple[Matrix, Matrix]:
    """Usual calls a minute at this time of day, from the other days, and how many calls that rests on.

    Days are blocks of 24 hours that end with the window. A day at a distance of whole weeks counts four times.
    Each bin is drawn to the mean of the days by SHRINK_CALLS calls. All ones for a window under two days.
    """
    sums = _bin_sums(np.stack([calls * weight, weight]))
    if sums is None:
        return np.ones_like(calls), np.full_like(calls, np.inf)
    overall = sums[0].sum(axis=(1, 2)) / np.maximum(sums[1].sum(axis=(1, 2)), 1.0)
    total, minutes = (_earlier_days(part) for part in sums)
    mean = np.maximum(overall, 1e-6)[:, None, None]
    usual = (total + SHRINK_CALLS) / (minutes + SHRINK_CALLS / mean)
    return _at_minutes(usual, calls.shape[1]), _at_minutes(total + SHRINK_CALLS, calls.shape[1])


def _expected(calls: Matrix, weight: Matrix, since: int = 0) -> dict[int, tuple[Matrix, Matrix]]:
    """By scale s: calls expected in the last s minutes (0: too little seen), and the relative variance of that.

    The level is that of the hour before, relative to the shape of the day; of longer stretches where half of that
    hour was abnormal. It is drawn to the level of the day before by SHRINK_CALLS calls.
    """
    shape, rests_on = daily_shape(calls, weight)
    seen, usual, minutes = Sums(calls * weight, since), Sums(shape * weight, since), Sums(weight, since)
    shapes = Sums(shape, since)
    out = {}
    for scale in RATE_SCALES:
        near_seen, near_usual = seen.between(scale, DAY), usual.between(scale, DAY)
        drawn = SHRINK_CALLS * near_usual / np.maximum(near_seen, 1e-9)
        for stretch in (240, 60):
            healthy = minutes.between(scale, stretch) >= 30.0
            near_seen = np.where(healthy, seen.between(scale, stretch), near_seen)
            near_usual = np.where(healthy, usual.between(scale, stretch), near_usual)
        level = (near_seen + SHRINK_CALLS) / np.maximum(near_usual + drawn, 1e-9)
        enough = minutes.between(scale, DAY) >= 10.0
        doubt = 1.0 / (near_seen + SHRINK_CALLS) + 1.0 / rests_on[:, since:]
        out[scale] = np.where(enough, level * shapes.last(scale), 0.0), doubt
    return out


def _highest_before(seen: Matrix, scale: int) -> Matrix:
    """At t: the largest of `seen` up to t - scale."""
    out = np.zeros_like(seen)
    np.maximum.accumulate(seen[:, :-scale], axis=1, out=out[:, scale:])
    return out


def _rate_dispersion(seen: Sums, usual: Matrix) -> Matrix:
    """How much more the counts vary than a Poisson with 15 % of noise; 1 for a calm series, large for a bursty one.

    Past incidents stay in, but one minute adds 25 at most, so that a single one cannot blind the series.
    """
    square = (seen.last(3) - usual) ** 2 / np.maximum(usual * (1.0 + RATE_NOISE * usual), 1.0)
    return _dispersion(square, usual >= 1.0)


def _share_dispersion(
    bad: Sums, all_: Sums, past_bad: Sums, past_all: Sums, weight: Matrix, prior: SharePrior
) -> Matrix:
    """How much more the failed calls of a quarter of an hour vary than a binomial (retries come in clumps)."""
    share = (past_bad.before(15) + prior.share * prior.calls) / (past_all.before(15) + prior.calls)
    n = all_.last(15)
    square = (bad.last(15) - n * share) ** 2 / np.maximum(n * share * (1.0 - share), 1e-9)
    return _dispersion(square, (n * share >= 0.1) & (weight > 0))


def _dispersion(square: Matrix, known: NDArray[np.bool_]) -> Matrix:
    """Mean of the squared deviations of the known minutes up to 15 minutes ago, drawn to 1 by an hour; at least 1."""
    total = Sums(np.where(known, np.minimum(square, 25.0), 0.0)).before(15)
    number = Sums(np.where(known, 1.0, 0.0)).before(15)
    return np.maximum((total + 60.0) / (number + 60.0), 1.0)


def _variance_per_call(value: Matrix, count: Matrix, weight: Matrix, total: Sums, number: Sums) -> Matrix:
    """Variance of the logarithm times the calls behind it, from the past; a prior of ten minutes at 0.5."""
    mean = total.before(1) / np.maximum(number.before(1), 1e-9)
    known = (count > 0) & (number.before(1) > 0) & (weight > 0)
    square = np.where(known, count * (value - mean) ** 2, 0.0)
    return (Sums(square).before(1) + 5.0) / (Sums(np.where(known, 1.0, 0.0)).before(1) + 10.0)


def _seasonal_share(failed: Matrix, calls: Matrix, prior: SharePrior) -> Matrix:
    sums = _bin_sums(np.stack([failed, calls]))
    if sums is None:
        return np.zeros_like(calls)
    bad, all_ = (_earlier_days(part) for part in sums)
    overall = sums[0].sum(axis=(1, 2)) / np.maximum(sums[1].sum(axis=(1, 2)), 1.0)
    strength = 4.0 * prior.calls
    return _at_minutes((bad + strength * overall[:, None, None]) / (all_ + strength), calls.shape[1])


def _seasonal_mean(value: Matrix, count: Matrix, weight: Matrix) -> Matrix:
    sums = _bin_sums(np.stack([value * count * weight, count * weight]))
    if sums is None:
        return np.full_like(value, -np.inf)
    total, number = (_earlier_days(part) for part in sums)
    return _at_minutes(np.where(number >= 50.0, total / np.maximum(number, 1e-9), -np.inf), value.shape[1])


def _bin_sums(values: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """(kinds, series, minutes) -> sums (kinds, series, days, bins of the day); None under two days."""
    minutes = values.shape[2]
    days = minutes // DAY
    if days < 2:
        return None
    whole = values[:, :, minutes - days * DAY :]
    sums: NDArray[np.float64] = whole.reshape(*whole.shape[:2], days, DAY // BIN, BIN).sum(axis=4)
    return sums


def _earlier_days(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """(series, days, bins) -> for each day the sum over the days before it; the first day takes all later ones."""
    days = sums.shape[1]
    apart = np.arange(days)[:, None] - np.arange(days)[None, :]
    take = np.where(apart > 0, np.where(apart % 7 == 0, 4.0, 1.0), 0.0)
    take[0, 1:] = 1.0
    out: NDArray[np.float64] = np.einsum("de,neb->ndb", take, sums)
    return out


def _at_minutes(bins: NDArray[np.float64], minutes: int) -> Matrix:
    """(series, days, bins) -> (series, minutes); what lies before the first whole day takes that day's bins."""
    each = np.repeat(bins.reshape(bins.shape[0], -1), BIN, axis=1)
    lead = minutes - each.shape[1]
    return np.concatenate([each[:, DAY - lead : DAY], each], axis=1) if lead else each


def _binomial_exponent(seen: Matrix, usual: Matrix) -> Matrix:
    """Kullback-Leibler divergence of two shares, the exponent of Chernoff's bound a call; nats."""
    inner = np.clip(seen, 1e-12, 1.0 - 1e-12)
    out: Matrix = inner * np.log(inner / usual) + (1.0 - inner) * np.log((1.0 - inner) / (1.0 - usual))
    return out


def _count_exponent(seen: Matrix, usual: Matrix, noise: Matrix) -> Matrix:
    """Exponent of Chernoff's bound for a negative binomial count whose mean has the relative variance `noise`; nats."""
    size = 1.0 / noise
    mean = np.maximum(usual, 1e-3)
    count = np.maximum(seen, 1e-12)
    out: Matrix = count * np.log(count / mean) - (count + size) * np.log((count + size) / (mean + size))
    return out


def _stack(
    scales: tuple[int, ...], lasts: float, parts: list[tuple[Matrix, Matrix, Matrix, Matrix]]
) -> Evidence:
    evidence, departure, seen, usual = (np.stack(group) for group in zip(*parts, strict=True))
    return Evidence(scales, lasts, evidence, departure, seen, usual)
