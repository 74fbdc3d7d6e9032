"""When events are beyond chance."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from triage.analyse.episodes import CALLER, FAULT, episodes

CALLS = np.full(120, 60.0)


def events(*stretches: tuple[int, int, float]) -> np.ndarray:
    series = np.zeros(120)
    for first, last, count in stretches:
        series[first : last + 1] = count
    return series


def test_a_burst_where_nothing_ever_failed_is_a_new_episode() -> None:
    (episode,) = episodes(events((60, 70, 6)), CALLS, 10, FAULT)

    assert (episode.first, episode.last, episode.new) == (60, 70, True)


def test_a_rate_as_usual_is_none() -> None:
    assert episodes(np.random.default_rng(1).poisson(2.0, 120).astype(float), CALLS, 10, FAULT) == []


def test_a_rise_over_the_usual_rate_is_growth() -> None:
    series = np.ones(120)
    series[80:100] = 12

    (episode,) = episodes(series, CALLS, 10, FAULT)

    assert (episode.first, episode.last, episode.new) == (80, 99, False)
    assert episode.usual < 40


def test_an_incident_of_before_does_not_hide_the_next_one() -> None:
    found = episodes(events((30, 40, 30), (90, 95, 30)), CALLS, 10, FAULT)

    assert [(episode.first, episode.last) for episode in found] == [(30, 40), (90, 95)]


def test_more_traffic_may_fail_more_often() -> None:
    calls = CALLS.copy()
    calls[60:] *= 20
    series = np.where(np.arange(120) < 60, 1.0, 20.0)

    assert episodes(series, calls, 10, CALLER) == []


def test_a_short_history_makes_nothing_sure() -> None:
    assert episodes(events((11, 11, 3)), np.where(np.arange(120) < 12, 5.0, 0.0), 10, FAULT) == []


@given(st.lists(st.integers(0, 200), min_size=1, max_size=90), st.integers(0, 20))
def test_episodes_are_ordered_and_inside(counts: list[int], begin: int) -> None:
    series = np.array(counts, float)

    found = episodes(series, np.maximum(series, 50.0), begin, FAULT)

    assert all(begin <= e.first <= e.last < len(series) for e in found)
    assert all(a.last < b.first for a, b in pairwise(found))
