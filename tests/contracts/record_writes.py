"""Appending, identity, time and receipts: a part of the RecordStore contract (`record_store_contract.py`)."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from builders import DAY, MINUTE, SECOND, T0, call, call_rollups, log, masked, span, trace_id, uuid
from contracts.record_checks import ALWAYS, Reopen, keep, minutes, numbers, scan

from triage.domain.columns import COLUMNS, SIGNALS
from triage.domain.windows import Window, day_of, from_rfc3339
from triage.errors import StoreFormatError, StoreUnavailable
from triage.ports.masked import arrow_schema
from triage.ports.records import RecordStore


class RecordWrites:
    # -- append -----------------------------------------------------------------------------------------------------------

    def test_a_batch_is_kept_as_it_came(self, store: RecordStore) -> None:
        batch = masked(
            [span(1, attributes={"a": [1, {"b": None}], "ü": "日本", "f": 1.5, "t": True}, events=[{"name": "exception"}])],
            [log(1, body='line\nbreak "quoted" \\ \t \x01 \u2028 \U0001f600', severity=17)],
            [call(1, customer_present=True, sampled=False, gateway_ms=-1, message="Zahlung abgelehnt: Prüfziffer")],
        )
        appended = store.append(batch)
        store.settle_reads()
        assert appended.kept == {"spans": 1, "logs": 1, "calls": 1}
        assert appended.duplicate == {"spans": 0, "logs": 0, "calls": 0}
        for signal in SIGNALS:
            kept = store.scan(signal, ALWAYS, list(COLUMNS[signal]))
            assert kept.schema == arrow_schema(signal)
            assert kept.to_pylist() == batch.table(signal).to_pylist()

    def test_the_same_batch_again_changes_nothing(self, store: RecordStore) -> None:
        batch = masked([span(i) for i in range(1, 6)], [log(1)], [call(1), call(2)])
        keep(store, batch)
        again = store.append(batch)
        store.settle_reads()
        assert again.kept == {"spans": 0, "logs": 0, "calls": 0}
        assert again.duplicate == {"spans": 5, "logs": 1, "calls": 2}
        assert store.counts().kept == {"spans": 5, "logs": 1, "calls": 2}

    def test_duplicates_within_a_batch_count_once(self, store: RecordStore) -> None:
        appended = store.append(masked([span(1), span(2), span(1)], (), [call(3), call(3), call(3)]))
        store.settle_reads()
        assert (appended.kept["spans"], appended.duplicate["spans"]) == (2, 1)
        assert (appended.kept["calls"], appended.duplicate["calls"]) == (1, 2)
        assert scan(store, "spans") == [1, 2]
        assert scan(store, "calls") == [3]

    def test_a_partly_known_batch_keeps_what_is_new(self, store: RecordStore) -> None:
        store.append(masked([span(i) for i in range(1, 4)]))
        appended = store.append(masked([span(i) for i in range(2, 6)]))
        store.settle_reads()
        assert (appended.kept["spans"], appended.duplicate["spans"]) == (2, 2)
        assert scan(store, "spans") == [1, 2, 3, 4, 5]

    def test_a_span_is_known_by_trace_and_span_id_together(self, store: RecordStore) -> None:
        keep(store, masked([span(1), span(1, trace_id=trace_id(2)), span(2)]))
        assert store.counts().kept["spans"] == 3

    def test_an_empty_batch_is_nothing(self, store: RecordStore) -> None:
        appended = store.append(masked())
        assert appended.kept == appended.duplicate == {"spans": 0, "logs": 0, "calls": 0}
        assert minutes(store.receipts()) == set()

    def test_an_empty_store_answers(self, store: RecordStore) -> None:
        assert store.counts().kept == {"spans": 0, "logs": 0, "calls": 0}
        assert (store.counts().oldest_ns, store.counts().newest_ns) == (None, None)
        for signal in SIGNALS:
            assert store.scan(signal, ALWAYS, list(COLUMNS[signal])).schema == arrow_schema(signal)
            assert store.search(signal, (), None, 10).next is None
            assert store.by_trace(signal, [trace_id(1)]).schema == arrow_schema(signal)
        assert store.find(trace_id(1)) == []
        assert store.receipts() == []
        assert len(store.rollups("calls", ALWAYS)) == 0
        store.ping()

    def test_what_was_acknowledged_is_there_after_reopening(self, store: RecordStore, reopen: Reopen) -> None:
        store.append(masked([span(1)], [log(1)], [call(1)]))
        store.replace_rollups("calls", [5], call_rollups([{"minute": 5, "partner": "p"}]))
        store = reopen(store)
        store.settle_reads()
        assert store.counts().kept == {"spans": 1, "logs": 1, "calls": 1}
        assert minutes(store.receipts()) == {T0 // MINUTE}
        assert len(store.rollups("calls", ALWAYS)) == 1
        assert store.append(masked([span(1)], [log(1)], [call(1)])).duplicate == {"spans": 1, "logs": 1, "calls": 1}

    def test_a_newer_format_is_refused(
        self, store: RecordStore, reopen: Reopen, newer_format: Callable[[], None]
    ) -> None:
        store.append(masked([span(1)]))
        store.close()
        newer_format()
        with pytest.raises(StoreFormatError, match=r"version|format"):
            reopen(store)

    def test_parallel_writers_of_one_batch_keep_it_once(self, store: RecordStore) -> None:
        batch = masked([span(i) for i in range(1, 101)], [log(i) for i in range(1, 51)], [call(i) for i in range(1, 21)])
        with ThreadPoolExecutor(4) as pool:
            results = list(pool.map(lambda _: store.append(batch), range(4)))
        store.settle_reads()
        total = {"spans": 100, "logs": 50, "calls": 20}
        assert {s: sum(r.kept[s] for r in results) for s in SIGNALS} == total
        assert {s: sum(r.duplicate[s] for r in results) for s in SIGNALS} == {s: 3 * total[s] for s in SIGNALS}
        assert store.counts().kept == total

    def test_submitted_batches_are_kept_like_appended_ones(self, store: RecordStore) -> None:
        batches = [masked([span(i), span(i + 100)], [log(i)]) for i in range(1, 31)]
        futures = [store.submit(batch) for batch in [*batches, batches[0]]]
        results = [future.result(timeout=60) for future in futures]
        store.settle_reads()
        assert sum(result.kept["spans"] for result in results) == 60
        assert sum(result.duplicate["spans"] for result in results) == 2
        assert [result.kept["logs"] + result.duplicate["logs"] for result in results] == [1] * 31
        assert store.counts().kept == {"spans": 60, "logs": 30, "calls": 0}

    def test_a_closed_store_takes_nothing(self, store: RecordStore) -> None:
        store.close()
        store.close()
        with pytest.raises(StoreUnavailable):
            store.append(masked([span(1)]))

    # -- days and times ---------------------------------------------------------------------------------------------------

    def test_a_record_belongs_to_the_day_of_its_own_time(self, store: RecordStore) -> None:
        midnight = from_rfc3339("2026-03-03T00:00:00Z")
        keep(store, masked([span(1, time_ns=midnight - 1), span(2, time_ns=midnight)], [log(1, time_ns=midnight)]))
        assert store.counts().days == {"spans": ["2026-03-02", "2026-03-03"], "logs": ["2026-03-03"], "calls": []}
        assert numbers(store.scan("spans", Window(midnight, midnight + DAY), ["span_id"])) == [2]

    @pytest.mark.parametrize("at", ["1971-01-01T00:00:00Z", "2261-12-31T23:59:59Z"])
    def test_times_at_the_edges(self, store: RecordStore, at: str) -> None:
        time_ns = from_rfc3339(at) + 123_456_789
        keep(store, masked([span(1, time_ns=time_ns, duration_ns=2**62)], [log(1, time_ns=time_ns)], [call(1, time_ns=time_ns)]))
        counts = store.counts()
        assert (counts.oldest_ns, counts.newest_ns) == (time_ns, time_ns)
        assert counts.days["spans"] == [at[:10]] == [day_of(time_ns)]
        row = store.scan("spans", Window(time_ns, time_ns + 1), ["time_ns", "duration_ns"]).to_pylist()
        assert row == [{"time_ns": time_ns, "duration_ns": 2**62}]
        assert store.find(uuid(1))[0].time_ns == time_ns
        assert minutes(store.receipts()) == {time_ns // MINUTE}

    def test_windows_take_their_start_and_not_their_end(self, store: RecordStore) -> None:
        keep(store, masked([span(i, time_ns=T0 + i * SECOND) for i in range(1, 6)]))
        window = Window(T0 + 2 * SECOND, T0 + 4 * SECOND)
        assert numbers(store.scan("spans", window, ["span_id"])) == [2, 3]
        assert numbers(store.search("spans", (), window, 10).rows) == [3, 2]
        assert len(store.scan("spans", Window(T0 + DAY, T0 + 2 * DAY), ["span_id"])) == 0

    # -- receipts ---------------------------------------------------------------------------------------------------------

    def test_an_append_leaves_a_receipt_with_its_minutes(self, store: RecordStore) -> None:
        batch = masked([span(1, time_ns=T0 + 59 * SECOND)], [log(1, time_ns=T0 + 3 * MINUTE)], [call(1, time_ns=T0 - 1)])
        store.append(batch)
        receipts = store.receipts()
        assert minutes(receipts) == {T0 // MINUTE - 1, T0 // MINUTE, T0 // MINUTE + 3}
        assert len(store.scan("spans", ALWAYS, ["span_id"])) == 1, "what a receipt names can be read"

    def test_settled_receipts_are_gone_and_others_stay(self, store: RecordStore) -> None:
        store.append(masked([span(1)]))
        first = store.receipts()
        store.append(masked([span(2, time_ns=T0 + MINUTE)]))
        store.settle([receipt.receipt_id for receipt in first])
        store.settle([receipt.receipt_id for receipt in first])
        store.settle(["never given out"])
        store.settle([])
        assert minutes(store.receipts()) == {T0 // MINUTE + 1}

    def test_receipts_come_oldest_first_up_to_the_limit(self, store: RecordStore) -> None:
        for i in range(1, 6):
            store.append(masked([span(i, time_ns=T0 - i * MINUTE)]))
        all_of_them = store.receipts()
        assert [receipt.minutes for receipt in all_of_them] == [(T0 // MINUTE - i,) for i in range(1, 6)]
        assert len({receipt.receipt_id for receipt in all_of_them}) == 5
        assert store.receipts(limit=2) == all_of_them[:2]

    def test_a_repeated_batch_touches_no_other_minutes(self, store: RecordStore) -> None:
        batch = masked([span(1), span(2, time_ns=T0 + MINUTE)])
        store.append(batch)
        store.settle([receipt.receipt_id for receipt in store.receipts()])
        store.append(batch)
        assert minutes(store.receipts()) <= {T0 // MINUTE, T0 // MINUTE + 1}
