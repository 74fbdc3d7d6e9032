"""From evidence by the minute to episodes: hysteresis, flapping joined, noise after the end left alone."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from triage.analyse.anomalies.series_evidence import Evidence

CALM_MINUTES: Final = 15
"""An episode ends when this many minutes in a row with calls were calm ..."""

CALM_LIMIT: Final = 60
"""... or this many minutes, calls or not."""

SHORT: Final = 1
"""Index of the scale that tells whether a single minute belongs to an episode: three minutes."""

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Episode:
    """Indices of minutes: first and last abnormal one, the one with the most evidence, and the scale of that."""

    first: int
    last: int
    peak: int
    scale: int
    ended: bool


def episodes(of: Evidence, series: int, active: Mask, known: Mask, start: int, opens: float) -> Iterator[Episode]:
    """The episodes of one series (row `series` of the evidence) from minute `start` on, in time order.

    `active`: minutes that can take part in an episode (with failures, or without calls); `known`: minutes that
    say anything. A scale that looks back into an earlier episode cannot open the next one.
    """
    evidence, departure = of.evidence[:, series], of.departure[:, series]
    minutes = evidence.shape[1]
    scales = np.array(of.scales)
    behind = start - 1
    for t in np.flatnonzero((evidence.max(axis=0) >= opens) & active).tolist():
        if t <= behind or t < start:
            continue
        usable = np.where(t - scales >= behind, evidence[:, t], 0.0)
        scale = int(usable.argmax())
        if usable[scale] < opens:
            continue
        level = of.lasts * departure[scale, t]
        short = np.where(np.isnan(departure[SHORT]), departure[scale], departure[SHORT])
        bad = active & (short >= level)
        since = max(behind + 1, t - of.scales[scale] + 1)
        first = since + int(np.argmax(bad[since : t + 1])) if bad[since : t + 1].any() else t
        last, ended = _extent(bad, known, t)
        best = evidence[:, t : last + 1]
        peak_scale, peak = divmod(int(best.argmax()), best.shape[1])
        yield Episode(first, last, t + peak, peak_scale, ended or last < minutes - 1 - CALM_LIMIT)
        behind = last


def _extent(bad: Mask, known: Mask, opened: int) -> tuple[int, bool]:
    """-> the last bad minute before a calm stretch, and whether that stretch was seen in full."""
    hits = np.concatenate([[opened], opened + 1 + np.flatnonzero(bad[opened + 1 :])])
    ends = np.append(hits[1:], len(bad))
    seen = np.concatenate([[0], np.cumsum(known)])
    calm = (seen[ends] - seen[hits + 1] >= CALM_MINUTES) | (ends - hits > CALM_LIMIT)
    if not calm.any():
        return int(hits[-1]), False
    return int(hits[int(calm.argmax())]), True
