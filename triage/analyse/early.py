"""Failures that need no history to be news: an API most of whose calls fail, and an error that a learned service never showed.

The episodes of `triage.analyse.episodes` compare with the past, and a short past proves little: with 70 quiet calls behind it,
15 failures of 100 may be chance. A person would not wait. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import numpy as np
import pyarrow as pa

from triage.analyse.rows import Counts, ErrorRows, Mask, distinct, texts
from triage.domain.calls import FAULT_OUTCOMES

WINDOW: Final = 10
"""Minutes that are looked at together."""
MOST_FAIL: Final = 0.5
LEAST_FAILED: Final = 12
LEAST_NEW: Final = 8
GAP: Final = 20


def failing_apis(rows: ErrorRows, calls: pa.Table, start: int, end: int) -> Iterator[Mask]:
    """Rows of the faults of each API in the minutes of which at least LEAST_FAILED calls, and MOST_FAIL of all, failed.

    `calls`: roll-up rows of the minutes [start, end).
    """
    if not len(calls):
        return
    api, at = texts(calls, "api"), calls.column("minute").to_numpy() - start
    number = calls.column("calls").to_numpy()
    fault = np.isin(texts(calls, "outcome"), list(FAULT_OUTCOMES))
    mine = rows.faults()
    for name in distinct(api[fault]):
        picked = api == name
        failed = np.bincount(at[picked & fault], weights=number[picked & fault], minlength=end - start).astype(float)
        total = np.bincount(at[picked], weights=number[picked], minlength=end - start).astype(float)
        failing = _sums(failed)
        odd = (failing >= LEAST_FAILED) & (failing >= MOST_FAIL * _sums(total))
        for first, last in _stretches(odd, failed > 0):
            yield np.asarray(mine & (rows.api == name) & rows.between(start + first, start + last), bool)


def new_families(rows: ErrorRows, ready_from: Mapping[str, int], start: int, end: int) -> Iterator[Mask]:
    """Rows of each fault family whose first event came after its service was learned, with LEAST_NEW events in a window."""
    faults = rows.faults()
    for family in distinct(rows.family[faults]):
        mine = faults & (rows.family == family)
        first = int(rows.minute[mine].min())
        ready = max((ready_from.get(service, start) for service in distinct(rows.service[mine])), default=start)
        if first < ready:
            continue
        events = np.bincount(rows.minute[mine] - start, weights=rows.count[mine], minlength=end - start).astype(float)
        for low, high in _stretches(_sums(events) >= LEAST_NEW, events > 0):
            if start + low <= first + WINDOW:
                yield np.asarray(mine & rows.between(start + low, start + high), bool)


def _sums(values: Counts) -> Counts:
    """Sum of each minute and the WINDOW - 1 before it."""
    total = np.r_[0.0, np.cumsum(values)]
    index = np.arange(1, len(values) + 1)
    out: Counts = total[index] - total[np.maximum(index - WINDOW, 0)]
    return out


def _stretches(odd: Mask, active: Mask) -> Iterator[tuple[int, int]]:
    """First and last active minute of each stretch of odd windows; a window reaches back to its first active minute."""
    places = np.flatnonzero(odd)
    if not len(places):
        return
    breaks = np.flatnonzero(np.diff(places) > GAP)
    for first, last in zip(np.r_[places[0], places[breaks + 1]], np.r_[places[breaks], places[-1]], strict=True):
        busy = np.flatnonzero(active[max(first - WINDOW + 1, 0) : last + 1]) + max(first - WINDOW + 1, 0)
        if len(busy):
            yield int(busy[0]), int(busy[-1])
