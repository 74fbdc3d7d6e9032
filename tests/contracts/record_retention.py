"""Roll-ups, pins, dropped days: a part of the RecordStore contract (`record_store_contract.py`)."""

from __future__ import annotations

import pytest
from builders import (
    DAY,
    MINUTE,
    T0,
    call,
    call_rollups,
    customer_rollups,
    error_rollups,
    log,
    masked,
    span,
    span_id,
    table,
    trace_id,
    uuid,
)
from contracts.record_checks import ALWAYS, Reopen, keep, numbers, scan

from triage.domain.columns import SIGNALS
from triage.domain.windows import Window, day_of
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

    def test_customer_sketches_come_back_as_they_were(self, store: RecordStore) -> None:
        rows = customer_rollups([
            {"minute": 60, "partner": "p", "api": "GET /a", "sketch": [-(2**31), -1, 7, 2**31 - 1]},
            {"minute": 120, "partner": "p", "api": "GET /a", "outcome": "bank_error", "sketch": list(range(4096))},
        ])
        store.replace_rollups("customers", [60, 120], rows)
        assert store.rollups("customers", ALWAYS).equals(rows)
        failed = store.rollups("customers", ALWAYS, [Condition("outcome", "=", "bank_error"), Condition("partner", "=", "p")])
        assert failed.column("minute").to_pylist() == [120]

    def test_old_rollups_are_dropped_of_every_kind(self, store: RecordStore) -> None:
        store.replace_rollups("calls", [9, 10], call_rollups([{"minute": m, "partner": p} for m in (9, 10) for p in "ab"]))
        store.replace_rollups("errors", [9, 10], error_rollups([{"minute": m, "partner": "a"} for m in (9, 10)]))
        store.replace_rollups("customers", [0, 60], customer_rollups([{"minute": m, "partner": "a"} for m in (0, 60)]))
        assert store.drop_rollups(10) == 4
        assert store.drop_rollups(10) == 0
        assert store.rollups("calls", ALWAYS).column("minute").to_pylist() == [10, 10]
        assert store.rollups("errors", ALWAYS).column("minute").to_pylist() == [10]
        assert store.rollups("customers", ALWAYS).column("minute").to_pylist() == [60]

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

    def test_pinned_witnesses_outlive_their_day(self, store: RecordStore, reopen: Reopen) -> None:
        """What an access log alone has seen has no trace to pin."""
        batch = masked([], [], [call(1, trace_id=""), call(2, trace_id=""), call(3)])
        keep(store, batch)
        store.pin([trace_id(3)], [span_id(1), span_id(3), span_id(99), ""])
        store.settle_reads()
        assert store.counts().days["calls"] == ["2026-03-02"]
        assert store.drop_day("calls", "2026-03-02") == 1, "pinned twice is kept once"
        store = reopen(store)
        store.settle_reads()
        assert (store.counts().kept["calls"], store.counts().days["calls"], scan(store, "calls")) == (2, [], [1, 3])
        assert [found.witness_id for found in store.find(uuid(1))] == [span_id(1)]
        assert store.append(batch).duplicate["calls"] == 2, "what is pinned is known"

    def test_ids_outlive_their_day(self, store: RecordStore, reopen: Reopen) -> None:
        aliases = {name: f"{name}-1" for name in ("interaction_id", "request_id", "gateway_request_id", "consent_id", "payment_id")}
        keep(store, masked(
            [span(0xABC, trace_id=trace_id(5))], [log(1, trace_id=trace_id(6))], [call(1, **aliases), call(2, time_ns=T0 + DAY)]))
        for signal in SIGNALS:
            store.drop_day(signal, "2026-03-02")
        store = reopen(store)
        store.settle_reads()
        known = [*aliases.values(), trace_id(1), span_id(1), trace_id(5), trace_id(6)]
        assert store.find(*known) == []
        assert store.last_seen(*known, "never", trace_id(99), "") == dict.fromkeys(known, "2026-03-02")
        assert store.last_seen(span_id(0xABC)) == store.last_seen() == {}
        assert store.find(uuid(2))[0].witness_id == span_id(2)

    def test_ids_are_forgotten_after_their_time(self, store: RecordStore) -> None:
        later = T0 + 40 * DAY
        keep(store, masked(calls=[call(1), call(2, time_ns=later)]))
        store.drop_day("calls", "2026-03-02")
        store.drop_day("calls", day_of(later))
        store.tend(later + DAY, ledger_days=60)
        assert store.last_seen(uuid(1), uuid(2)) == {uuid(1): "2026-03-02", uuid(2): day_of(later)}
        store.tend(later + 10 * DAY, ledger_days=15)
        assert store.last_seen(uuid(1), uuid(2)) == {uuid(2): day_of(later)}

    def test_an_id_was_seen_last_on_its_newest_day(self, store: RecordStore) -> None:
        keep(store, masked(calls=[call(n, consent_id="consent-1", time_ns=T0 + n * DAY) for n in (1, 3, 2)]))
        for day in ("2026-03-03", "2026-03-04", "2026-03-05"):
            store.drop_day("calls", day)
        assert store.last_seen("consent-1") == {"consent-1": "2026-03-05"}

    def test_ids_of_a_day_that_filled_again_are_all_remembered(self, store: RecordStore) -> None:
        keep(store, masked(calls=[call(1)]))
        store.drop_day("calls", "2026-03-02")
        keep(store, masked(calls=[call(2)]))
        store.drop_day("calls", "2026-03-02")
        assert store.last_seen(uuid(1), uuid(2)) == {uuid(1): "2026-03-02", uuid(2): "2026-03-02"}

    def test_ids_of_a_month_that_is_over_are_found_as_before(self, store: RecordStore, reopen: Reopen) -> None:
        days = {n: T0 + (n % 20) * DAY for n in range(1, 60)}
        keep(store, masked(
            [span(n, trace_id=trace_id(n + 100), time_ns=time_ns) for n, time_ns in days.items()],
            calls=[call(n, consent_id="consent-1", time_ns=time_ns) for n, time_ns in days.items()]))
        wanted = {uuid(n): day_of(time_ns) for n, time_ns in days.items()}
        wanted |= {trace_id(n + 100): day_of(time_ns) for n, time_ns in days.items()}
        for count in (10, 20):
            for day in {day_of(T0 + n * DAY) for n in range(count)}:
                for signal in SIGNALS:
                    store.drop_day(signal, day)
            for _ in range(2):
                store.tend(T0 + 40 * DAY, ledger_days=396)
            store = reopen(store)
            gone = {value: day for value, day in wanted.items() if day < day_of(T0 + count * DAY)}
            assert store.last_seen(*gone) == gone
        wanted |= {"consent-1": day_of(max(days.values()))}
        keep(store, masked(calls=[call(99, time_ns=T0 + DAY)]))
        store.drop_day("calls", day_of(T0 + DAY))
        store.tend(T0 + 41 * DAY, ledger_days=396)
        assert store.last_seen(*wanted, uuid(99), uuid(98)) == wanted | {uuid(99): day_of(T0 + DAY)}

    def test_tending_changes_no_answer(self, store: RecordStore, reopen: Reopen) -> None:
        rows = [call(n, time_ns=T0 + n * 7 * MINUTE, consent_id="consent-1") for n in range(1, 40)]
        spans = [span(n, trace_id=trace_id(n), time_ns=T0 + n * 7 * MINUTE + 1) for n in range(1, 60)]
        keep(store, masked(spans, calls=rows[:20]))
        for late in ([], rows[20:30], [], rows[30:], [], [], []):
            keep(store, masked(calls=late))
            store.tend(T0 + 2 * DAY, ledger_days=396)
        store = reopen(store)
        assert [f.witness_id for f in store.find("consent-1")] == [row["witness_id"] for row in rows[::-1]]
        for n in (1, 25, 39):
            assert numbers(store.witnesses([span_id(n)])) == [n]
            assert numbers(store.by_trace("spans", [trace_id(n)])) == [n]
            assert store.find(span_id(n))[0].trace_id == trace_id(n)
        assert [f.kind for f in store.find(span_id(55))] == ["span_id"]
        assert [f.kind for f in store.find(trace_id(55))] == ["trace_id"]
        assert store.append(masked(spans, calls=rows)).kept == {"spans": 0, "logs": 0, "calls": 0}

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
