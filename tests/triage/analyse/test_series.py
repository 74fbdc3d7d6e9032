"""What the call series promise: quiet weeks stay quiet, faults are told once, early, and in plain words."""

from dataclasses import replace

import numpy as np
import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from triage.analyse.anomalies.outliers import CHANGES, outlier_scores
from triage.analyse.anomalies.series import SeriesAnomaly, SeriesBatch, SeriesKey, SeriesWindow, find_anomalies
from triage.analyse.down_clock import down_spans

DAY = 1440
FIRST = 29_000_000
COUNTS = ("calls", "failed", "partner_errors", "customer_errors", "bytes_out")


def quiet(rates: NDArray[np.float64], minutes: int, seed: int) -> SeriesBatch:
    """A bank's ordinary traffic: a daily wave, drift, Poisson calls, some failures of all kinds, log-normal latency."""
    rng = np.random.default_rng(seed)
    n, clock = len(rates), 2 * np.pi * ((FIRST + np.arange(minutes)) % DAY) / DAY
    knots = np.arange(0, minutes + 30, 30)
    drift = np.stack([np.interp(np.arange(minutes), knots, rng.normal(0.0, 0.1, len(knots))) for _ in range(n)])
    wave = 1 + rng.uniform(0.3, 0.9, (n, 1)) * np.sin(clock - 1.9)
    calls = rng.poisson(rates[:, None] * wave * np.exp(drift))
    known, root = calls > 0, np.sqrt(np.maximum(calls, 1))
    p50 = np.exp(rng.normal(4.5, 0.6, (n, 1)) + rng.normal(0.0, 0.6, calls.shape) / root)
    p95 = p50 * np.exp(1.0 - 1.0 / np.maximum(calls, 1) + rng.normal(0.0, 0.8, calls.shape) / root)
    return SeriesBatch(
        [SeriesKey("partner_api", f"s{i}") for i in range(n)], np.arange(FIRST, FIRST + minutes),
        calls.astype(float), rng.binomial(calls, 0.005).astype(float), rng.binomial(calls, 0.03).astype(float),
        rng.binomial(calls, 0.1).astype(float), np.where(known, p50, np.nan), np.where(known, p95, np.nan),
        (calls * 2000.0 * np.exp(rng.normal(0.0, 0.8, calls.shape) / root)).astype(np.float64), minutes,
    )


def silence(batch: SeriesBatch, since: int, until: int) -> None:
    for name in COUNTS:
        getattr(batch, name)[:, since:until] = 0.0
    batch.p50_ms[:, since:until] = batch.p95_ms[:, since:until] = np.nan


def fail(batch: SeriesBatch, since: int, until: int, share: float) -> None:
    calls = batch.calls[:, since:until].astype(int)
    batch.failed[:, since:until] = np.random.default_rng(0).binomial(calls, share)


def upto(batch: SeriesBatch, minutes: int, new: int) -> SeriesBatch:
    """The batch as a run sees it after so many minutes."""
    return SeriesBatch(
        batch.keys, batch.minutes[:minutes], batch.calls[:, :minutes], batch.failed[:, :minutes],
        batch.partner_errors[:, :minutes], batch.customer_errors[:, :minutes], batch.p50_ms[:, :minutes],
        batch.p95_ms[:, :minutes], batch.bytes_out[:, :minutes], new,
    )


def by_series(found: list[SeriesAnomaly]) -> dict[str, list[SeriesAnomaly]]:
    out: dict[str, list[SeriesAnomaly]] = {}
    for one in found:
        out.setdefault(one.key.id, []).append(one)
    return out


def steady(rate: float, n: int = 12) -> NDArray[np.float64]:
    return np.full(n, rate)


@pytest.mark.parametrize("seed", range(4))
def test_a_quiet_day_is_quiet_at_every_volume(seed: int) -> None:
    assert find_anomalies(quiet(10 ** np.linspace(-2.2, 2.3, 60), DAY, seed)) == []


@pytest.mark.parametrize("seed", range(2))
def test_a_quiet_week_is_quiet_at_every_volume(seed: int) -> None:
    assert find_anomalies(quiet(10 ** np.linspace(-2.2, 2.3, 12), 8 * DAY, 20 + seed)) == []


@pytest.mark.parametrize("seed", range(3))
def test_a_partner_under_50_calls_a_day_never_alerts_on_noise(seed: int) -> None:
    batch = quiet(np.linspace(1, 50, 40) / DAY, 3 * DAY, 40 + seed)
    batch.failed[:] = np.random.default_rng(seed).binomial(batch.calls.astype(int), 0.1)
    assert find_anomalies(batch) == []


def test_always_failing_a_lot_is_not_news() -> None:
    batch = quiet(10 ** np.linspace(-1, 2, 40), DAY, 5)
    batch.failed[:] = np.random.default_rng(6).binomial(batch.calls.astype(int), 0.15)
    batch.customer_errors[:] = np.random.default_rng(7).binomial(batch.calls.astype(int), 0.5)
    assert find_anomalies(batch) == []


def test_twelve_of_twelve_is_news_and_one_of_two_is_not() -> None:
    for calls, failed, news in ((12, 12, True), (2, 1, False), (3, 3, False)):
        batch = quiet(steady(1 / 60, 1), DAY, 8)
        silence(batch, DAY - 300, DAY)
        batch.failed[:] = 0.0
        at = np.linspace(DAY - 280, DAY - 1, calls).astype(int)
        batch.calls[0, at] = 1.0
        batch.failed[0, at[:failed]] = 1.0
        assert ("error_share" in {one.feature for one in find_anomalies(batch)}) is news


@pytest.mark.parametrize(("rate", "share", "within"), [(20.0, 1.0, 1), (50.0, 0.3, 2), (2.0, 1.0, 5), (50.0, 0.1, 6)])
def test_failures_are_told_within_minutes(rate: float, share: float, within: int) -> None:
    batch = quiet(steady(rate), DAY, 9)
    fail(batch, 1200, 1260, share)
    assert find_anomalies(upto(batch, 1200, 5)) == []
    early = by_series(find_anomalies(upto(batch, 1200 + within, within)))
    assert len(early) >= 11
    for found in by_series(find_anomalies(batch)).values():
        assert [one.feature for one in found] == ["error_share"]
        assert abs(found[0].since_minute - FIRST - 1200) <= 3
        assert found[0].until_minute is not None
        assert abs(found[0].until_minute - FIRST - 1259) <= 20


def test_the_sentence_and_the_figures_agree() -> None:
    batch = quiet(steady(20.0, 1), DAY, 10)
    fail(batch, DAY - 10, DAY, 0.5)
    (one,) = find_anomalies(replace(batch, judge_last=5))
    assert one.until_minute is None
    assert 0.3 < one.seen < 0.7
    assert one.usual < 0.02
    assert one.score > 0.5
    assert one.unusualness < 1e-7
    assert one.why.startswith("The share of failed calls rose from 0.")


def test_silence_is_told_where_calls_are_expected_and_lasts_until_they_return() -> None:
    batch = quiet(steady(20.0), DAY, 11)
    silence(batch, 1000, 1060)
    found = by_series(find_anomalies(batch))
    assert len(found) == 12
    for ones in found.values():
        assert [one.feature for one in ones] == ["rate_drop"]
        assert abs(ones[0].since_minute - FIRST - 1000) <= 3
        assert ones[0].until_minute is not None
        assert abs(ones[0].until_minute - FIRST - 1059) <= 5
    rare = quiet(steady(0.02), DAY, 12)
    silence(rare, 1000, 1060)
    assert find_anomalies(rare) == []


def test_a_long_outage_stays_one_episode_and_its_backlog_is_none() -> None:
    batch = quiet(steady(20.0, 6), DAY, 13)
    silence(batch, 600, 1000)
    for backlog in (batch.calls, batch.bytes_out):
        backlog[:, 1000:1020] *= 8
    found = by_series(find_anomalies(batch))
    assert {tuple(one.feature for one in ones) for ones in found.values()} == {("rate_drop",)}


def test_a_surge_is_told() -> None:
    batch = quiet(steady(20.0), DAY, 14)
    for name in COUNTS:
        getattr(batch, name)[:, 1200:1230] *= 6
    found = by_series(find_anomalies(batch))
    assert len(found) == 12
    assert all(any(one.feature == "rate_surge" for one in ones) for ones in found.values())
    assert not any(one.feature == "rate_drop" for ones in found.values() for one in ones)


def test_slow_answers_are_told_when_sudden_and_when_creeping() -> None:
    sudden, creeping = quiet(steady(20.0), DAY, 15), quiet(steady(20.0), DAY, 16)
    growth = np.exp(np.linspace(0.0, np.log(4.0), 120))
    for values in (sudden.p50_ms, sudden.p95_ms):
        values[:, 1200:] *= 3.0
    for values in (creeping.p50_ms, creeping.p95_ms):
        values[:, 1200:1320] *= growth
        values[:, 1320:] *= 4.0
    for batch, late in ((sudden, 3), (creeping, 90)):
        found = by_series(find_anomalies(batch))
        assert len(found) == 12
        for ones in found.values():
            assert [one.feature for one in ones] == ["latency"]
            assert ones[0].since_minute - FIRST - 1200 <= late


def test_bulk_extraction_is_told_by_its_bytes() -> None:
    batch = quiet(steady(5.0), DAY, 17)
    batch.bytes_out[:, 1200:1260] *= 10
    assert {one.feature for one in find_anomalies(batch)} == {"bytes"}


def test_flapping_is_one_episode() -> None:
    batch = quiet(steady(20.0), DAY, 18)
    for since in range(1200, 1280, 8):
        fail(batch, since, since + 3, 0.6)
    found = by_series(find_anomalies(batch))
    assert len(found) == 12
    assert all(len(ones) == 1 for ones in found.values())


def test_a_caller_in_batches_is_neither_silent_nor_surging() -> None:
    batch = quiet(steady(0.01), DAY, 19)
    silence(batch, 0, DAY)
    for at in range(7, DAY, 15):
        batch.calls[:, at] = 60.0
    assert find_anomalies(batch) == []


def test_a_run_sees_only_what_is_new_and_keeps_the_beginning() -> None:
    batch = quiet(steady(20.0, 4), DAY, 20)
    fail(batch, 1000, 1030, 0.5)
    assert find_anomalies(replace(batch, judge_last=5)) == []
    starts = [
        {(one.key.id, one.since_minute) for one in find_anomalies(upto(batch, minutes, 1))} for minutes in (1005, 1010, 1020)
    ]
    assert starts[0] == starts[1] == starts[2]
    assert len(starts[0]) == 4


def test_the_first_ten_minutes_are_learned() -> None:
    batch = quiet(steady(20.0, 4), 60, 21)
    fail(batch, 0, 9, 1.0)
    assert find_anomalies(upto(batch, 10, 10)) == []
    outage = quiet(steady(20.0, 4), 60, 22)
    fail(outage, 15, 60, 1.0)
    assert {one.since_minute - FIRST for one in find_anomalies(outage)} <= {15, 16}


def test_windows_are_stacked_by_their_minutes_and_gaps_refused() -> None:
    batch = quiet(steady(20.0, 3), DAY, 23)
    fail(batch, DAY - 20, DAY, 0.8)
    windows = [
        SeriesWindow(
            key, batch.minutes, batch.calls[i], batch.failed[i], batch.partner_errors[i], batch.customer_errors[i],
            batch.p50_ms[i], batch.p95_ms[i], batch.bytes_out[i], DAY,
        )
        for i, key in enumerate(batch.keys)
    ]
    assert find_anomalies(windows) == find_anomalies(batch) != []
    with pytest.raises(ValueError, match="not contiguous"):
        find_anomalies([replace(windows[0], minutes=batch.minutes * 2)])
    assert find_anomalies([]) == []


def test_the_forest_names_the_row_apart_and_its_feature() -> None:
    rows = np.random.default_rng(24).normal(0.0, 1.0, (300, len(CHANGES)))
    rows[7, 3:] = 12.0, 25.0, 12.0
    scores, top = outlier_scores(rows, CHANGES)
    assert int(scores.argmax()) == 7
    assert top[7] == "latency"
    assert outlier_scores(rows[:5], CHANGES)[0].tolist() == [0.5] * 5
    with pytest.raises(ValueError, match="2 names"):
        outlier_scores(rows, ["a", "b"])


def clock(answers: str, ms: float = 40_000.0) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.float64]]:
    told = np.array([c == "+" for c in answers], dtype=np.bool_)
    return np.arange(len(answers), dtype=np.int64) * 1000, told, np.where(told, 100.0, ms)


def test_five_unanswered_in_a_row_are_down_from_the_first() -> None:
    assert [(s.since_ns, s.until_ns) for s in down_spans(*clock("++-----"))] == [(2000, None)]
    assert down_spans(*clock("++----")) == []
    assert [s.until_ns for s in down_spans(*clock("-----+"))] == [5000]
    (span,) = down_spans(*clock("+------++"))
    assert (span.since_ns, span.last_ns, span.until_ns, span.calls) == (1000, 6000, 7000, 6)


def test_an_answer_after_30_s_counts_as_none() -> None:
    starts, _, ms = clock("-----", ms=30_001.0)
    assert [s.since_ns for s in down_spans(starts, np.ones(5, dtype=np.bool_), ms)] == [0]
    assert down_spans(starts, np.ones(5, dtype=np.bool_), ms - 1) == []
    with pytest.raises(ValueError, match="one entry a call"):
        down_spans(starts, np.ones(4, dtype=np.bool_), ms)


@examples(60)
@given(st.text(alphabet="+-", max_size=40))
def test_down_spans_are_the_runs_of_five_or_more_in_any_order(answers: str) -> None:
    starts, told, ms = clock(answers)
    order = np.random.default_rng(len(answers)).permutation(len(answers))
    spans = down_spans(starts[order], told[order], ms[order])
    runs = [run for run in answers.split("+") if len(run) >= 5]
    assert [span.calls for span in spans] == [len(run) for run in runs]
