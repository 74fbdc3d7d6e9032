"""The call roll-up as series."""

from __future__ import annotations

import numpy as np
import pytest
from builders import call_rollups

from triage.analyse.anomalies.series import SeriesKey
from triage.analyse.rollup import bucket_ms, duration_bucket
from triage.analyse.triggers import series_windows


def test_every_series_has_an_entry_a_minute() -> None:
    table = call_rollups([
        {"minute": 5, "partner": "alpha", "api": "GET /a", "instance": "gw", "calls": 3, "counts": [3], "bytes_out": 30},
        {"minute": 7, "partner": "alpha", "api": "GET /a", "instance": "gw", "calls": 2, "counts": [2], "outcome": "bank_error"},
        {"minute": 7, "partner": "beta", "api": "GET /b", "instance": "gw", "calls": 1, "outcome": "partner_error"},
    ])

    series = {window.key: window for window in series_windows(table, 4, 9, 2)}

    alpha = series[SeriesKey("partner", "alpha")]
    assert alpha.minutes.tolist() == [4, 5, 6, 7, 8]
    assert alpha.calls.tolist() == [0, 3, 0, 2, 0]
    assert alpha.failed.tolist() == [0, 0, 0, 2, 0]
    assert alpha.bytes_out.tolist() == [0, 30, 0, 0, 0]
    assert series[SeriesKey("partner_api", "beta\x1fGET /b")].partner_errors.tolist() == [0, 0, 0, 1, 0]
    assert series[SeriesKey("instance", "gw")].calls.tolist() == [0, 3, 0, 3, 0]


def test_latency_is_that_of_calls_that_succeeded() -> None:
    slow, fast = (int(duration_bucket(np.array([ms * 1_000_000]))[0]) for ms in (10_000, 50))
    table = call_rollups([
        {"minute": 0, "api": "GET /a", "calls": 100, "buckets": [fast], "counts": [100]},
        {"minute": 0, "api": "GET /a", "calls": 100, "buckets": [slow], "counts": [100], "outcome": "bank_error"},
    ])

    (window,) = [w for w in series_windows(table, 0, 1, 1) if w.key.kind == "api"]

    assert window.p95_ms[0] == pytest.approx(50, rel=0.03)


@pytest.mark.parametrize("ms", [0.5, 1, 20, 333, 30_000])
def test_a_bucket_tells_the_duration_within_three_percent(ms: float) -> None:
    bucket = duration_bucket(np.array([int(ms * 1_000_000)]))

    assert bucket_ms(bucket)[0] == pytest.approx(ms, rel=0.03)
