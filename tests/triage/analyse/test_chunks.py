"""However little is read at once, a run rolls the same minutes up to the same rows."""

from __future__ import annotations

import pytest
from builders import SECOND, T0, call, masked, span, span_id, trace_id

from triage.analyse import run
from triage.analyse.run import RunSettings, analyse_minutes
from triage.domain.windows import MINUTE_NS, Window
from triage.store.memory import MemoryRecordStore, MemoryStateStore

FIRST = T0 // MINUTE_NS


def rolled_up() -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    """The rows of calls and errors of five minutes in which each call has two witnesses, a second apart."""
    records, state = MemoryRecordStore(), MemoryStateStore()
    calls, spans = [], []
    for number in range(1, 60):
        at = T0 + number * 5 * SECOND - SECOND // 2
        both = {"trace_id": trace_id(number), "status": 503, "outcome": "bank_error", "duration_ns": 2 * SECOND}
        witness = {"witness": "span", "witness_id": trace_id(number) + span_id(number), "span_id": span_id(number)}
        calls.append(call(number, time_ns=at, **witness, **both))
        calls.append(call(number + 100, witness="line", time_ns=at + SECOND, **both))
        spans.append(span(number, trace_id=trace_id(number), time_ns=at, status=2, status_message=f"no room in {number}"))
    records.append(masked(spans, calls=calls))
    analyse_minutes(records, state, range(FIRST, FIRST + 6), T0 + 6 * MINUTE_NS, None, RunSettings())
    window = Window(T0 - MINUTE_NS, T0 + 10 * MINUTE_NS)
    found = [sorted(records.rollups(kind, window).to_pylist(), key=str) for kind in ("calls", "errors")]
    return found[0], found[1]


@pytest.mark.parametrize(("most_calls", "answer_calls"), [(1, 1), (20, 3), (45, 10**6)])
def test_busy_minutes_are_read_in_pieces(most_calls: int, answer_calls: int, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = rolled_up()
    monkeypatch.setattr(run, "MOST_CALLS", most_calls)
    monkeypatch.setattr(run, "ANSWER_CALLS", answer_calls)

    assert sum(int(str(row["calls"])) for row in whole[0]) == 59
    assert sum(int(str(row["count"])) for row in whole[1]) == 59
    assert rolled_up() == whole
