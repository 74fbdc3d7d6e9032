"""Blocks of roll-ups: changed minute by minute they hold what a plain dictionary of minutes holds."""

from __future__ import annotations

import pyarrow as pa
from builders import call_rollups
from hypothesis import given
from hypothesis import strategies as st

from triage.ports.rollups import CALLS_SCHEMA
from triage.store.elastic.rollup_blocks import SPANS, changes, document, unpacked

SPAN = SPANS["calls"]
Model = dict[int, list[str]]  # partners by minute
steps = st.lists(st.dictionaries(st.integers(-70, 70), st.lists(st.sampled_from(["a", "b", "ü\n", ""]), max_size=3)), max_size=6)


def rows_of(minutes: Model) -> pa.Table:
    return call_rollups([{"minute": m, "partner": p, "calls": 1} for m, partners in minutes.items() for p in partners])


@given(steps)
def test_changes_leave_what_a_dictionary_of_minutes_holds(steps: list[Model]) -> None:
    model: Model = {}
    held: dict[int, dict[str, object]] = {}
    for step in steps:
        model |= step
        for change in changes("calls", step, rows_of(step)):
            rows = change.applied(unpacked([held[change.block]]) if change.block in held else None)
            held.pop(change.block, None)
            if len(rows):
                held[change.block] = document(rows)
    expected = [(m, p) for m in sorted(model) for p in model[m]]
    found = unpacked([held[block] for block in sorted(held)]).to_pylist() if held else []
    assert [(row["minute"], row["partner"]) for row in found] == expected
    for block, source in held.items():
        minutes = [m for m in sorted(model) if m // SPAN == block and model[m]]
        assert (source["first"], source["last"]) == (minutes[0], minutes[-1])
        assert source["count"] == sum(len(model[m]) for m in minutes)
        assert set(source["partner"]) == {p for m in minutes for p in model[m]}  # type: ignore[call-overload]


def test_only_a_change_of_every_minute_is_whole() -> None:
    nothing = CALLS_SCHEMA.empty_table()
    assert [change.whole for change in changes("calls", range(2 * SPAN), nothing)] == [True, True]
    assert [change.whole for change in changes("calls", range(1, SPAN + 1), nothing)] == [False, False]


def test_rows_come_back_with_their_schema() -> None:
    rows = call_rollups([{"minute": 5, "partner": "p", "buckets": [], "counts": []}])
    assert unpacked([document(rows)]).equals(rows)
