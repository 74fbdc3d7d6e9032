"""A second opinion on many series at once: which of them stands apart from the others (isolation forest)."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import IsolationForest

from triage.analyse.anomalies.series_batch import Matrix, SeriesBatch

LEAST_ROWS: Final = 20
"""Fewer rows than this are no crowd to stand apart from."""

OUTLIER: Final = 0.6
"""Scores from here on are outliers; Liu, Ting and Zhou, 'Isolation Forest' (2008): near 0.5 nothing stands out."""

RECENT_MINUTES: Final = 10
CHANGES: Final = ("failed share", "partner errors", "customer errors", "calls", "latency", "bytes a call")
"""The columns of `change_rows`."""


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


def change_rows(batch: SeriesBatch) -> Matrix:
    """How far the last RECENT_MINUTES lie from all before, in standard errors: (series, CHANGES)."""
    recent = RECENT_MINUTES
    now, then = batch.calls[:, -recent:].sum(axis=1), batch.calls[:, :-recent].sum(axis=1)
    columns = [_share_change(c, now, then) for c in (batch.failed, batch.partner_errors, batch.customer_errors)]
    hour = batch.calls[:, -recent - 60 : -recent]
    usual = hour.sum(axis=1) * recent / max(1, hour.shape[1])
    columns.append((now - usual) / np.sqrt(1.0 + usual + 0.0225 * usual**2))
    for per_call, floor in ((batch.p95_ms, 5.0), (_per_call(batch), 100.0)):
        logs = np.nan_to_num(np.log(np.maximum(per_call, floor))) * batch.calls
        rise = logs[:, -recent:].sum(axis=1) / np.maximum(now, 1.0) - logs[:, :-recent].sum(axis=1) / np.maximum(then, 1.0)
        columns.append(np.where((now > 0) & (then > 0), rise / np.sqrt(0.5 / np.maximum(now, 1.0) + 0.02), 0.0))
    return np.column_stack(columns)


def _share_change(counts: Matrix, now: Matrix, then: Matrix) -> Matrix:
    share = (counts[:, :-RECENT_MINUTES].sum(axis=1) + 0.5) / (then + 10.0)
    out: Matrix = (counts[:, -RECENT_MINUTES:].sum(axis=1) - now * share) / np.sqrt(1.0 + now * share * (1.0 - share))
    return out


def _per_call(batch: SeriesBatch) -> Matrix:
    out = np.full_like(batch.calls, np.nan)
    np.divide(batch.bytes_out, batch.calls, out=out, where=batch.calls > 0)
    return out
