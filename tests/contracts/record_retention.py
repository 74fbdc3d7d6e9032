"""Roll-ups, pins, dropped days: a part of the RecordStore contract (`record_store_contract.py`)."""

from __future__ import annotations

import pytest
from builders import DAY, MINUTE, T0, call, call_rollups, error_rollups, log, masked, span, span_id, table, trace_id, uuid
from contracts.record_checks import ALWAYS, Reopen, keep, scan

from triage.domain.columns import SIGNALS
from triage.domain.windows import Window
from triage.errors import StoreError
from triage.ports.records import Condition, RecordStore
from triage.ports.rollups import SCHEMAS


class RecordRetention:
    # -- roll-ups ---------------------------------------------------------------------------------------------------------

    def test_rollups_come_back_in_order_of_the_minute(self, store: RecordStore) -> None:
        rows = call_rollups([
            {"minute": 11, "partner": "p", "api": "GET /b", "calls": 2**40, "buckets": [3, 9], "counts": [2, 5]},
            {"minute": 10, "partner": "p", "api": "GET /a", "buckets": [], "counts": []},
            {"minute": 10, "partner": "q", "api": "GET /a", "outcome": "bank_error", "instance": "gw-2"},
        ])
        store.replace_rollups("calls", [10, 11], rows)
        found = store.rollups("calls", ALWAYS)
        assert found.schema == SCHEMAS["calls"]
        assert found.column("minute").to_pylist() == [10, 10, 11]
        assert sorted(map(repr, found.to_pylist())) == sorted(map(repr, rows.to_pylist()))

    def test_replacing_rollups_leaves_nothing_of_the_minute(self, store: RecordStore) -> None:
        store.replace_rollups("errors", [10, 11], error_rollups([
            {"minute": 10, "partner": "p"}, {"minute": 10, "partner": "q"}, {"minute": 11, "partner": "p"},
        ]))
        store.replace_rollups("errors", [10], error_rollups([{"minute": 10, "partner": "r", "sample_trace": trace_id(1)}]))
        assert [(r["minute"], r["partner"]) for r in store.rollups("errors", ALWAYS).to_pylist()] == [(10, "r"), (11, "p")]
        store.replace_rollups("errors", [10, 11], error_rollups([]))
        assert len(store.rollups("errors", ALWAYS)) == 0
        assert len(store.rollups("calls", ALWAYS)) == 0

    def test_rollups_by_window_and_condition(self, store: RecordStore) -> None:
        store.replace_rollups("calls", range(20), call_rollups([
            {"minute": m, "partner": p, "api": f"GET /{p}", "outcome": "ok" if m % 2 else "bank_error", "calls": m}
            for m in range(20) for p in ("a", "b")
        ]))
        rows = store.rollups("calls", Window(10 * MINUTE, 12 * MINUTE), [Condition("partner", "=", "a")]).to_pylist()
        assert [(row["minute"], row["partner"]) for row in rows] == [(10, "a"), (11, "a")]
        assert store.rollups("calls", Window(10 * MINUTE + 1, 12 * MINUTE + 1)).column("minute").to_pylist() == [11, 11, 12, 12]
        errors = [Condition("outcome", "in", ("bank_error",)), Condition("api", "prefix", "GET /b"), Condition("calls", ">=", 18)]
        assert store.rollups("calls", ALWAYS, errors).column("minute").to_pylist() == [18]
        with pytest.raises(StoreError):
            store.rollups("calls", ALWAYS, [Condition("no_such_column", "=", "x")])

    # -- retention --------------------------------------------------------------------------------------------------------

    def test_dropping_a_day_removes_one_signal_of_it(self, store: RecordStore) -> None:
        keep(store, masked([span(1), span(2), span(3, time_ns=T0 + DAY)], [log(1)]))
        assert store.drop_day("spans", "2026-03-02") == 2
        store.settle_reads()
        assert store.counts().kept == {"spans": 1, "logs": 1, "calls": 0}
        assert store.counts().days == {"spans": ["2026-03-03"], "logs": ["2026-03-02"], "calls": []}
        assert scan(store, "spans") == [3]
        assert store.drop_day("spans", "2026-03-02") == 0
        assert store.drop_day("calls", "1999-01-01") == 0

    def test_pinned_traces_outlive_their_day(self, store: RecordStore, reopen: Reopen) -> None:
        batch = masked([span(1), span(2, trace_id=trace_id(2))], [log(1), log(2, trace_id="")], [call(1), call(2)])
        keep(store, batch)
        store.pin([trace_id(1), trace_id(99), ""])
        store.pin([trace_id(1)])
        store.settle_reads()
        assert store.counts().kept == {"spans": 2, "logs": 2, "calls": 2}, "a pin doubles nothing"
        assert scan(store, "spans") == [1, 2]
        assert [store.drop_day(signal, "2026-03-02") for signal in SIGNALS] == [1, 1, 1]
        store = reopen(store)
        store.settle_reads()
        assert store.counts().kept == {"spans": 1, "logs": 1, "calls": 1}
        assert store.counts().days == {"spans": [], "logs": [], "calls": []}, "nothing is left to drop"
        assert store.by_trace("spans", [trace_id(1)]).to_pylist() == table("spans", [span(1)]).to_pylist()
        assert [scan(store, signal) for signal in SIGNALS] == [[1], [1], [1]]
        assert store.find(uuid(1))[0].witness_id == span_id(1)
        assert store.append(batch).duplicate == {"spans": 1, "logs": 1, "calls": 1}, "what is pinned is known"

    def test_late_records_of_a_pinned_trace_are_pinned(self, store: RecordStore) -> None:
        keep(store, masked([span(1)]))
        store.pin([trace_id(1)])
        keep(store, masked([span(2)], [log(1)], [call(1)]))
        assert [store.drop_day(signal, "2026-03-02") for signal in SIGNALS] == [0, 0, 0]
        store.settle_reads()
        assert store.counts().kept == {"spans": 2, "logs": 1, "calls": 1}

    def test_a_dropped_day_can_fill_again(self, store: RecordStore) -> None:
        keep(store, masked([span(1), span(2, trace_id=trace_id(2))]))
        store.pin([trace_id(1)])
        store.drop_day("spans", "2026-03-02")
        keep(store, masked([span(3), span(4, trace_id=trace_id(4))]))
        assert scan(store, "spans") == [1, 3, 4]
        assert store.counts().days["spans"] == ["2026-03-02"]
        assert store.drop_day("spans", "2026-03-02") == 1
        store.settle_reads()
        assert scan(store, "spans") == [1, 3]
        assert store.counts().days["spans"] == []

    def test_returned_tables_belong_to_the_caller(self, store: RecordStore) -> None:
        keep(store, masked([span(1)]))
        rows = store.by_trace("spans", [trace_id(1)]).to_pylist()
        rows[0]["name"] = "changed"
        assert store.by_trace("spans", [trace_id(1)]).column("name").to_pylist() == ["GET /accounts/{id}"]
