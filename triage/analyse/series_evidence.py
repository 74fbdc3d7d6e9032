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

Matrix = NDArray[np.float64]

DAY: Final = 1440
BIN: Final = 30
"""Minutes in a bin of the daily shape."""

SHARE_SCALES: Final = (1, 3, 10, 60, 360)
RATE_SCALES: Final = (1, 3, 10, 60)
MEAN_SCALES: Final = (1, 3, 10, 60)
LEAST_FAILED: Final = 5
LN10: Final = float(np.log(10.0))


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one feature says: see the module for the shapes.

    `departure` is 0 at the usual value and grows with the change; `seen` and `usual` are in the feature's own unit.
    """

    scales: tuple[int, ...]
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
    """Running sums along the minutes of a matrix."""

    def __init__(self, values: Matrix) -> None:
        self._sums = np.zeros((values.shape[0], values.shape[1] + 1))
        np.cumsum(values, axis=1, out=self._sums[:, 1:])

    def last(self, minutes: int) -> Matrix:
        """At t: the sum over the last `minutes` minutes, t included."""
        out = self._sums[:, 1:].copy()
        out[:, minutes:] -= self._sums[:, 1:-minutes]
        return out

    def before(self, minutes: int) -> Matrix:
        """At t: the sum over everything before the last `minutes` minutes."""
        out = np.zeros((self._sums.shape[0], self._sums.shape[1] - 1))
        out[:, minutes - 1 :] = self._sums[:, : -minutes]
        return out


def share_evidence(failed: Matrix, calls: Matrix, weight: Matrix, prior: SharePrior) -> Evidence:
    """A larger share of failed calls than the series' own past, at the same time of day too, has shown."""
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
        told = (k >= LEAST_FAILED) & (seen >= bound + 0.02) & (seen >= 1.5 * bound)
        evidence = np.zeros_like(k)
        evidence[told] = n[told] * _binomial_exponent(seen[told], bound[told]) / (spread[told] * LN10)
        parts.append((evidence, np.where(n > 0, seen - usual, np.nan), seen, usual))
    return _stack(SHARE_SCALES, parts)


def rate_evidence(calls: Matrix, weight: Matrix, surge: bool) -> Evidence:
    """Fewer calls (down to silence), or many more, than the hour before and the shape of the day lead to expect."""
    shape = daily_shape(calls, weight)
    seen_sums = Sums(calls)
    expected = _expected(calls, weight, shape)
    spread = _rate_dispersion(seen_sums, expected)
    parts = []
    for scale in RATE_SCALES:
        usual = expected[scale]
        seen = seen_sums.last(scale)
        if surge:
            told = (seen >= 3.0 * usual) & (seen >= 60.0) & (seen >= 1.5 * _highest_before(seen, scale))
            departure = seen / np.maximum(usual, 0.5 * scale) - 1.0
        else:
            told = (seen <= 0.4 * usual) & (usual >= 10.0)
            departure = 1.0 - seen / np.maximum(usual, 1e-9)
        told[:, : scale - 1] = False
        evidence = np.zeros_like(seen)
        noise = spread[told] * (1.0 + 0.0225 * usual[told])
        evidence[told] = _poisson_exponent(seen[told], usual[told]) / (noise * LN10)
        parts.append((evidence, np.where(usual * 1.0 >= 3.0, departure, np.nan), seen / scale, usual / scale))
    return _stack(RATE_SCALES, parts)


def mean_evidence(
    logs: Matrix, calls: Matrix, weight: Matrix, least_rise: float, drift: float
) -> Evidence:
    """A higher mean of a logarithm (latency, bytes a call; NaN: unknown) than the series' past has shown.

    `least_rise` and `drift` are in natural logarithms: the smallest rise worth telling, and how far the mean may
    wander from hour to hour without meaning anything.
    """
    known = np.isfinite(logs)
    count = np.where(known, np.minimum(calls, 500.0), 0.0)
    value = np.where(known, logs, 0.0)
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
        told = (rise >= least_rise) & (n >= 20.0) & (past >= 20.0)
        evidence = np.zeros_like(n)
        noise = variance[told] * (1.0 / n[told] + 1.0 / past[told]) + drift**2
        evidence[told] = rise[told] ** 2 / (2.0 * noise * LN10)
        parts.append((evidence, np.where((n > 0) & (past > 0), rise, np.nan), np.exp(seen), np.exp(usual)))
    return _stack(MEAN_SCALES, parts)


def daily_shape(calls: Matrix, weight: Matrix) -> Matrix:
    """Usual calls a minute at this time of day, from the other days; all ones for a window under two days.

    Days are blocks of 24 hours that end with the window. A day at a distance of whole weeks counts four times.
    Bins with little history are drawn to the mean of the days (one bin's worth of it).
    """
    sums = _bin_sums(np.stack([calls * weight, weight]))
    if sums is None:
        return np.ones_like(calls)
    total, minutes = sums[:2]
    overall = total.sum(axis=(1, 2)) / np.maximum(minutes.sum(axis=(1, 2)), 1.0)
    total, minutes = _earlier_days(total), _earlier_days(minutes)
    usual = (total + BIN * overall[:, None, None]) / (minutes + BIN)
    return _at_minutes(usual, calls.shape[1])


def _expected(calls: Matrix, weight: Matrix, shape: Matrix) -> dict[int, Matrix]:
    """Calls expected in the last s minutes, by scale; 0 where too little has been seen to expect anything."""
    seen, usual, minutes = Sums(calls * weight), Sums(shape * weight), Sums(weight)
    shapes = Sums(shape)
    out = {}
    for scale in RATE_SCALES:
        hour_seen = _between(seen, scale, 60)
        hour_usual = _between(usual, scale, 60)
        hour_minutes = _between(minutes, scale, 60)
        day_seen, day_usual, day_minutes = (_between(s, scale, DAY) for s in (seen, usual, minutes))
        recent = hour_minutes >= 10.0
        level = np.where(recent, hour_seen, day_seen) / np.maximum(np.where(recent, hour_usual, day_usual), 1e-9)
        out[scale] = np.where(day_minutes >= 10.0, level * shapes.last(scale), 0.0)
    return out


def _between(sums: Sums, skip: int, minutes: int) -> Matrix:
    """At t: the sum over the `minutes` minutes before the last `skip` ones."""
    upto = sums.before(skip)
    upto[:, minutes:] -= upto[:, :-minutes].copy()
    return upto


def _highest_before(seen: Matrix, scale: int) -> Matrix:
    """At t: the largest of `seen` up to t - scale."""
    out = np.zeros_like(seen)
    np.maximum.accumulate(seen[:, :-scale], axis=1, out=out[:, scale:])
    return out


def _rate_dispersion(seen: Sums, expected: dict[int, Matrix]) -> Matrix:
    """How much more the counts vary than a Poisson with 15 % of noise; 1 for a calm series, large for a bursty one.

    Past incidents stay in, but one minute adds 25 at most, so that a single one cannot blind the series.
    """
    usual = expected[3]
    known = usual >= 1.0
    square = np.minimum((seen.last(3) - usual) ** 2 / np.maximum(usual * (1.0 + 0.0225 * usual), 1.0), 25.0)
    return np.maximum((Sums(np.where(known, square, 0.0)).before(15) + 60.0) / (Sums(known * 1.0).before(15) + 60.0), 1.0)


def _share_dispersion(
    bad: Sums, all_: Sums, past_bad: Sums, past_all: Sums, weight: Matrix, prior: SharePrior
) -> Matrix:
    """How much more the failed calls of a quarter of an hour vary than a binomial (retries come in clumps)."""
    share = (past_bad.before(15) + prior.share * prior.calls) / (past_all.before(15) + prior.calls)
    n = all_.last(15)
    known = (n * share >= 1.0) & (weight > 0)
    square = np.minimum((bad.last(15) - n * share) ** 2 / np.maximum(n * share * (1.0 - share), 1e-9), 25.0)
    return np.maximum((Sums(np.where(known, square, 0.0)).before(15) + 60.0) / (Sums(known * 1.0).before(15) + 60.0), 1.0)


def _variance_per_call(value: Matrix, count: Matrix, weight: Matrix, total: Sums, number: Sums) -> Matrix:
    """Variance of the logarithm times the calls behind it, from the past; a prior of ten minutes at 0.5."""
    mean = total.before(1) / np.maximum(number.before(1), 1e-9)
    known = (count > 0) & (number.before(1) > 0) & (weight > 0)
    square = np.where(known, count * (value - mean) ** 2, 0.0)
    return (Sums(square).before(1) + 5.0) / (Sums(known * 1.0).before(1) + 10.0)


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


def _poisson_exponent(seen: Matrix, usual: Matrix) -> Matrix:
    """Exponent of Chernoff's bound for a Poisson count; nats."""
    mean = np.maximum(usual, 1e-3)
    out: Matrix = mean - seen + seen * np.log(np.maximum(seen, 1e-12) / mean)
    return out


def _stack(scales: tuple[int, ...], parts: list[tuple[Matrix, Matrix, Matrix, Matrix]]) -> Evidence:
    evidence, departure, seen, usual = (np.stack(group) for group in zip(*parts, strict=True))
    return Evidence(scales, evidence, departure, seen, usual)
