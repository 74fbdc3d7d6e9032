"""What the streaming detector promises: causal, quiet on what it knows, one alert an episode."""

import math

import numpy as np
from examples import examples
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from triage.analyse.anomalies.detect_file import detect_file, read_time, read_value
from triage.analyse.anomalies.detector import Episode, Point, StreamDetector, TailRank

STEP_S = 300
DAY = 288
START = 1_700_000_000


def judge(values: NDArray[np.float64], step: int = STEP_S) -> list[Point]:
    detector = StreamDetector()
    return [detector.update(START + step * i, float(v)) for i, v in enumerate(values)]


def alerts(points: list[Point]) -> list[int]:
    return [i for i, point in enumerate(points) if point.anomaly]


def office_hours(days: int, seed: int) -> NDArray[np.float64]:
    rng = np.random.default_rng(seed)
    clock = np.arange(days * DAY) % DAY
    busy = (clock > 100) & (clock < 210)
    values: NDArray[np.float64] = 20.0 + 60.0 * busy + rng.uniform(0.0, 4.0, days * DAY)
    return values


def test_a_spike_and_a_dip_are_told_within_few_rows() -> None:
    values = office_hours(10, 1)
    values[8 * DAY + 150 : 8 * DAY + 162] += 80.0
    found = alerts(judge(values))
    assert any(8 * DAY + 150 <= i < 8 * DAY + 162 for i in found)


def test_a_usual_rise_that_stays_half_way_is_told() -> None:
    values = office_hours(10, 2)
    values[9 * DAY + 101 : 9 * DAY + 210] -= 30.0
    assert any(9 * DAY + 101 <= i < 9 * DAY + 140 for i in alerts(judge(values)))


def test_a_steady_daily_shape_gives_few_alerts_after_the_first_days() -> None:
    for seed in range(3):
        assert sum(i > 4 * DAY for i in alerts(judge(office_hours(12, seed)))) <= 6


def test_a_constant_series_is_never_abnormal() -> None:
    assert all(point == Point(0.0, False) for point in judge(np.full(600, 7.5)))


def test_a_long_fault_is_one_alert() -> None:
    rng = np.random.default_rng(4)
    values = rng.normal(100.0, 2.0, 1500)
    values[1200:1300] = rng.normal(160.0, 2.0, 100)
    found = [i for i in alerts(judge(values)) if 1195 <= i < 1300]
    assert len(found) == 1
    assert found[0] < 1206


def test_the_start_is_learned_not_judged() -> None:
    assert not alerts(judge(np.random.default_rng(5).normal(0.0, 1.0, 30)))


@examples(15)
@given(st.lists(st.floats(-1e9, 1e9), min_size=60, max_size=120), st.integers(1, 59))
def test_an_answer_never_depends_on_later_rows(values: list[float], cut: int) -> None:
    rows = [(str(START + 60 * i), repr(v)) for i, v in enumerate(values)]
    assert list(detect_file(rows))[:cut] == list(detect_file(rows[:cut]))


@examples(15)
@given(st.floats(0.001, 1000.0), st.floats(-1000.0, 1000.0))
def test_the_unit_of_the_metric_does_not_matter(scale: float, offset: float) -> None:
    values = np.random.default_rng(6).normal(0.0, 1.0, 200)
    plain, other = judge(values), judge(values * scale + offset)
    assert np.mean([abs(a.score - b.score) < 0.02 for a, b in zip(plain, other, strict=True)]) > 0.98


@given(st.lists(st.tuples(st.text(max_size=12), st.text(max_size=12)), max_size=60))
def test_any_text_gives_one_valid_answer_a_row(rows: list[tuple[str, str]]) -> None:
    answers = list(detect_file(rows))
    assert [answer["timestamp"] for answer in answers] == [timestamp for timestamp, _ in rows]
    assert all(0.0 <= answer["score"] <= 1.0 for answer in answers)


def test_missing_values_and_uneven_times_change_nothing_for_the_others() -> None:
    values = np.random.default_rng(7).normal(0.0, 1.0, 300)
    rows = [(str(START + 60 * i), repr(float(v))) for i, v in enumerate(values)]
    with_gaps = [row for i, row in enumerate(rows) for row in ([(row[0], "")] if i % 50 == 0 else []) + [row]]
    kept = [answer for answer, row in zip(detect_file(with_gaps), with_gaps, strict=True) if row[1]]
    assert kept == list(detect_file(rows))


def test_times_are_read_in_the_usual_spellings() -> None:
    spellings = ("2023-11-14 22:13:20", "2023-11-14T22:13:20Z", "2023-11-14T23:13:20+01:00",
                 "1700000000", "1700000000000", "1700000000000000", "1700000000000000000")
    assert {read_time(text) for text in spellings} == {1_700_000_000.0}
    assert read_time("yesterday") is None
    assert read_time("nan") is None
    assert math.isnan(read_value("n/a"))


def test_tail_rank_forgets_the_oldest_and_ties_are_no_surprise() -> None:
    rank = TailRank(memory=40, learning=10)
    assert [rank.surprise(1.0) for _ in range(60)] == [0.0] * 60
    assert rank.surprise(2.0) > 1.5
    for _ in range(40):
        rank.surprise(0.0)
    assert rank.surprise(1.0) > 1.5, "the ones are out of the memory, so a one is news again"


def test_an_episode_outlives_short_calm_and_ends_after_long_calm() -> None:
    episode = Episode(opens=1.6, calm=1.2, rows=3)
    evidence = [0, 2, 0, 0, 2, 0, 0, 0, 0, 2, 2]
    assert [episode.update(e) for e in evidence] == [i in (1, 9) for i in range(len(evidence))]
