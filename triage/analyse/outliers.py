"""A second opinion on many series at once: which of them stands apart from the others (isolation forest)."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import IsolationForest

LEAST_ROWS: Final = 20
"""Fewer rows than this are no crowd to stand apart from."""

OUTLIER: Final = 0.65
"""Scores from here on are outliers; Liu, Ting and Zhou, 'Isolation Forest' (2008): near 0.5 nothing stands out."""


def outlier_scores(matrix: NDArray[np.float64], names: Sequence[str]) -> tuple[NDArray[np.float64], list[str]]:
    """(rows, features) -> a score 0..1 a row, and the name of the feature in which the row deviates most.

    Features are put on one scale by median and MAD first. Raises ValueError when `names` does not fit the matrix.
    """
    if matrix.ndim != 2 or matrix.shape[1] != len(names):
        raise ValueError(f"{len(names)} names for a matrix of shape {matrix.shape}")
    centre = np.median(matrix, axis=0)
    spread = 1.4826 * np.median(np.abs(matrix - centre), axis=0)
    scaled = (matrix - centre) / np.maximum(spread, 1e-3)
    top = [names[i] for i in np.abs(scaled).argmax(axis=1)]
    if len(matrix) < LEAST_ROWS:
        return np.full(len(matrix), 0.5), top
    forest = IsolationForest(n_estimators=100, max_samples=min(256, len(matrix)), random_state=0)
    scores: NDArray[np.float64] = -forest.fit(scaled).score_samples(scaled)
    return scores, top
