"""Roll-ups: latency quantiles within 3 %, and minutes that are right whenever and however often their records come."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from builders import MINUTE, T0, call, masked, table
from examples import examples
from hypothesis import given
from hypothesis import strategies as st

from triage.analyse.distinct import estimate, united
from triage.analyse.rollup import call_rollups, customer_rollups, quantiles_ms, united_customers, with_api
from triage.analyse.run import RunSettings, analyse_minutes
from triage.calls.join import derive_calls
from triage.domain.windows import MINUTE_NS, Window
from triage.ports.rollups import CUSTOMERS_SCHEMA
from triage.store.memory import MemoryRecordStore, MemoryStateStore

ALWAYS = Window(0, 2**62)


def rolled(durations: list[int]) -> pa.Table:
    return call_rollups(with_api(table("calls", [call(n, duration_ns=ns) for n, ns in enumerate(durations)])))


@examples(60)
@given(st.lists(st.integers(1_000, 10**12), min_size=1, max_size=60), st.sampled_from([0.5, 0.9, 0.95, 0.99]))
def test_any_quantile_is_within_three_percent(durations: list[int], quantile: float) -> None:
    exact = float(np.quantile(durations, quantile, method="inverted_cdf")) / 1e6
    assert quantiles_ms(rolled(durations), (quantile,))[0] == pytest.approx(exact, rel=0.03)


@pytest.mark.parametrize("seed", range(3))
def test_quantiles_of_many_rows_taken_together(seed: int) -> None:
    draws = np.random.default_rng(seed).lognormal(18, 1.5, 4_000).astype(np.int64)
    parts = pa.concat_tables([rolled(part.tolist()) for part in np.array_split(draws, 4)])
    for quantile, found in zip((0.5, 0.95, 0.99), quantiles_ms(parts, (0.5, 0.95, 0.99)), strict=True):
        assert found == pytest.approx(float(np.quantile(draws, quantile, method="inverted_cdf")) / 1e6, rel=0.03)


def test_customers_by_hour_partner_api_and_outcome() -> None:
    calls = with_api(table("calls", [
        call(1, customer="a"), call(2, customer="a"), call(3, customer="b"), call(4, customer=""),
        call(5, customer="a", outcome="bank_error"), call(6, customer="a", partner="other"),
        call(7, customer="c", time_ns=T0 + 60 * MINUTE),
    ]))
    rows = customer_rollups(calls).to_pylist()
    hour = T0 // MINUTE_NS
    found = {(row["minute"] - hour, row["partner"], row["outcome"]): estimate(row["sketch"]) for row in rows}
    assert found == {(0, "fintech-one", "ok"): 2, (0, "fintech-one", "bank_error"): 1, (0, "other", "ok"): 1,
                     (60, "fintech-one", "ok"): 1}
    assert estimate(united([row["sketch"] for row in rows])) == 3


def test_customers_united_with_what_was_there() -> None:
    first, second = (customer_rollups(with_api(table("calls", [call(n, customer=c) for n, c in enumerate(names)])))
                     for names in ("abc", "cd"))
    both = united_customers(first, second)
    assert [estimate(sketch) for sketch in both.column("sketch").to_pylist()] == [4]
    assert united_customers(both, first).equals(both)
    assert len(united_customers(CUSTOMERS_SCHEMA.empty_table(), CUSTOMERS_SCHEMA.empty_table())) == 0


def test_late_duplicate_and_disordered_records_leave_the_minutes_right() -> None:
    rows = [call(n, customer=f"c{n % 7}", time_ns=T0 + (n * 37 % 40) * MINUTE, status=500 if n % 5 == 0 else 200,
                 outcome="bank_error" if n % 5 == 0 else "ok") for n in range(60)]
    at_once = play([rows])
    in_parts = play([rows[40:], rows[10:20], rows[10:45], rows, rows[:3]])
    for kind in ("calls", "customers", "errors"):
        assert sorted(map(repr, in_parts.rollups(kind, ALWAYS).drop_columns(["sample_trace"] if kind == "errors" else [])
                          .to_pylist())) == sorted(map(repr, at_once.rollups(kind, ALWAYS)
                          .drop_columns(["sample_trace"] if kind == "errors" else []).to_pylist()))
    expected = call_rollups(with_api(derive_calls(table("calls", rows))))
    assert sorted(map(repr, in_parts.rollups("calls", ALWAYS).to_pylist())) == sorted(map(repr, expected.to_pylist()))


def play(batches: list[list[dict[str, object]]]) -> MemoryRecordStore:
    """A run of the analysis after every batch."""
    records, state = MemoryRecordStore(), MemoryStateStore()
    for batch in batches:
        records.append(masked(calls=batch))
        receipts = records.receipts()
        minutes = {minute for receipt in receipts for minute in receipt.minutes}
        analyse_minutes(records, state, minutes, T0 + 3600 * 10**9, None, RunSettings())
        records.settle([receipt.receipt_id for receipt in receipts])
    return records
