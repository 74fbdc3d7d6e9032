"""Error families that are new or far more frequent than they used to be.

A family is a group, or all groups of the same error code whatever the API. How many events to expect follows from how many there
were among how many calls before: the predictive distribution of a Poisson count whose rate has a gamma posterior is a negative
binomial, which is honest about short histories (Gelman et al., Bayesian Data Analysis, section 2.6). Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.stats import nbinom

Counts = npt.NDArray[np.float64]
WIDTHS: Final = (1, 3, 10)
"""Minutes that are looked at together: a burst at once, and a trickle by and by."""
GAP_MINUTES: Final = 20
"""Failures that are farther apart belong to two episodes; flapping within it stays one."""
RISE: Final = 2.5
_END_MINUTES: Final = 5
_END_EVENTS: Final = 2
"""An episode ends with the last event that has company; single ones behind it are everyday life."""
_CAP: Final = 3.0
"""Events a minute beyond the usual ones that history counts at most: an incident must not teach what is usual."""


@dataclass(frozen=True, slots=True)
class Sure:
    """How sure an episode has to be: the probability of chance, and the fewest events."""

    chance: float
    events: int


FAULT: Final = Sure(1e-7, 3)
CALLER: Final = Sure(1e-9, 5)
"""There are as many looks as partners times codes, and callers repeat what was refused."""


@dataclass(frozen=True, slots=True)
class Episode:
    """A stretch of minutes, first and last inclusive, in which events are beyond chance. `new`: there were none before."""

    first: int
    last: int
    usual: float  # events to be expected in that time
    new: bool


def episodes(events: Counts, calls: Counts, begin: int, sure: Sure) -> list[Episode]:
    """`events` and the `calls` that could have failed so, by the minute, shape (minutes,) each; judged from minute `begin` on."""
    found: list[Episode] = []
    counted = np.ones(len(events), bool)  # minutes that history is made of
    at = begin
    while at < len(events):
        first = _first_odd(events, calls, counted, at, sure)
        if first is None:
            break
        past = _past(events, calls, counted, first)
        last = _last_odd(events, calls, past, first, sure)
        usual = float(past[0] / max(past[1], 1.0) * calls[first : last + 1].sum())
        onset = _onset(events, past, calls, first, at)
        found.append(Episode(onset, max(last, onset), usual, past[0] == 0))
        counted[onset : last + 1] = False
        at = max(last, first) + 1
    return found


def _past(events: Counts, calls: Counts, counted: npt.NDArray[np.bool_], before: int) -> tuple[float, float]:
    """Events and calls of history, with busy minutes cut down."""
    mine, all_ = events[:before][counted[:before]], calls[:before][counted[:before]]
    if not len(mine):
        return 0.0, 0.0
    return float(_cut(mine, all_).sum()), float(all_.sum())


def _cut(events: Counts, calls: Counts) -> Counts:
    """Events by the minute, busy minutes cut down to twice the usual share and a bit."""
    usual = np.median(events / np.maximum(calls, 1.0))
    out: Counts = np.minimum(events, 2 * usual * calls + _CAP)
    return out


def _odd(k: Counts, n: Counts, past: tuple[Counts, Counts], sure: Sure) -> npt.NDArray[np.bool_]:
    """Whether k events among n calls are beyond chance after past events among past calls."""
    events, calls = past
    likely = (k >= sure.events) & (k > RISE * events * n / np.maximum(calls, 1.0)) & (calls > 0)
    out = np.zeros(len(k), bool)
    if likely.any():
        share = calls[likely] / (calls[likely] + np.maximum(n[likely], k[likely]))
        out[likely] = nbinom.sf(k[likely] - 1, events[likely] + 1, share) < sure.chance
    return out


def _sums(values: Counts, width: int) -> Counts:
    """Sum of each minute and those before it."""
    total = np.r_[0.0, np.cumsum(values)]
    index = np.arange(1, len(values) + 1)
    out: Counts = total[index] - total[np.maximum(index - width, 0)]
    return out


def _first_odd(events: Counts, calls: Counts, counted: npt.NDArray[np.bool_], at: int, sure: Sure) -> int | None:
    """The last minute of the first window that is odd, each against the history before it."""
    history = np.where(counted, _cut(events, calls), 0.0)
    exposure = np.where(counted, calls, 0.0)
    odd = np.zeros(len(events), bool)
    fresh = np.where(np.arange(len(events)) >= at, events, 0.0)
    for width in WIDTHS:
        before = np.maximum(np.arange(len(events)) - width + 1, 0)
        past = (np.r_[0.0, np.cumsum(history)][before], np.r_[0.0, np.cumsum(exposure)][before])
        odd |= _odd(_sums(fresh, width), _sums(calls, width), past, sure)
    odd[:at] = False
    places = np.flatnonzero(odd)
    return int(places[0]) if len(places) else None


def _last_odd(events: Counts, calls: Counts, past: tuple[float, float], first: int, sure: Sure) -> int:
    """The end of the episode: the last minute with events before a gap in which nothing is odd."""
    size = len(events)
    fixed = (np.full(size, past[0]), np.full(size, past[1]))
    odd = np.zeros(size, bool)
    for width in WIDTHS:
        odd |= _odd(_sums(events, width), _sums(calls, width), fixed, sure)
    places = np.flatnonzero(odd[first:]) + first
    breaks = np.flatnonzero(np.diff(places) > GAP_MINUTES)
    last = int(places[breaks[0]] if len(breaks) else places[-1]) if len(places) else first
    near = _sums(events, _END_MINUTES)
    rate = past[0] / max(past[1], 1.0)
    company = near >= np.maximum(RISE * rate * _sums(calls, _END_MINUTES), _END_EVENTS)
    busy = np.flatnonzero((events > RISE * rate * calls) & (events > 0) & company)
    busy = busy[busy <= last]
    return int(busy[-1]) if len(busy) and busy[-1] >= first - WIDTHS[-1] else first


def _onset(events: Counts, past: tuple[float, float], calls: Counts, first: int, at: int) -> int:
    """The first minute of the window that raised the alarm with more events than usual."""
    low = max(first - WIDTHS[-1] + 1, at)
    usual = past[0] / max(past[1], 1.0) * calls[low : first + 1]
    above = np.flatnonzero(events[low : first + 1] > np.minimum(RISE * usual, events[low : first + 1].max() - 0.5))
    gaps = np.flatnonzero(np.diff(above) > 3)
    return low + int(above[gaps[-1] + 1] if len(gaps) else above[0])
