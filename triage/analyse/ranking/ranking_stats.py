"""The few statistics of the ranking: what a share or a series certainly is, given how little was seen.

In: counts and arrays. Out: floats. Bounds are Wilson's score bounds (E. B. Wilson, 1927).
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from triage.analyse.ranking.tables import Floats

SURE: Final = 1.64  # one-sided 95 %


def share_at_least(hits: float, trials: float, z: float = SURE) -> float:
    """Lower bound of a share; 0 without trials."""
    return _wilson(hits, trials, -z) if trials > 0 else 0.0


def share_at_most(hits: float, trials: float, z: float = SURE) -> float:
    """Upper bound of a share; 1 without trials."""
    return _wilson(hits, trials, z) if trials > 0 else 1.0


def _wilson(hits: float, trials: float, z: float) -> float:
    share = min(1.0, max(0.0, hits / trials))
    centre = share + z * z / (2 * trials)
    margin = z * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    return float((centre + margin) / (1 + z * z / trials))


def emphasised(certain: float) -> float:
    """A certain effect, 0 to 1, on a scale where what is certain at all weighs more than how large it is."""
    return certain / (certain + 0.1) if certain > 0 else 0.0


def window_means(values: Floats, width: int) -> Floats:
    """Means of all runs of `width` neighbouring values."""
    width = max(1, min(width, len(values)))
    sums = np.concatenate(([0.0], np.cumsum(values)))
    means: Floats = (sums[width:] - sums[:-width]) / width
    return means


def beyond(value: float, usual: Floats, least: float) -> float:
    """How far a value lies above the usual ones, in units of their own reach upward; 1 is what 1 in 200 reaches.

    The reach is at least 2.6 robust standard deviations and at least `least`, so that a flat series
    does not make every twitch look big.
    """
    middle = float(np.median(usual))
    reach = float(np.quantile(usual, 0.995)) - middle
    spread = 2.6 * 1.4826 * float(np.median(np.abs(usual - middle)))
    return (value - middle) / max(reach, spread, least)
