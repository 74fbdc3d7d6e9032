"""Scanning, finding and paging: a part of the RecordStore contract (`record_store_contract.py`)."""

from __future__ import annotations

from collections import Counter

import pytest
from builders import DAY, SECOND, T0, call, log, masked, span, span_id, trace_id, uuid
from contracts.record_checks import ALWAYS, keep, numbers

from triage.domain.windows import MINUTE_NS, Window
from triage.errors import BadInput
from triage.ports.masked import arrow_schema
from triage.ports.records import PRESENCE_SCHEMA, Condition, Found, RecordStore


class RecordReads:
    def test_scan_gives_the_columns_asked_for_in_order_of_time(self, store: RecordStore) -> None:
        keep(store, masked([span(i, time_ns=T0 + (i * 7 % 5) * SECOND) for i in range(1, 5)]))
        rows = store.scan("spans", ALWAYS, ["span_id", "http_status", "error_type"], [Condition("service", "=", "accounts")])
        assert rows.column_names == ["span_id", "http_status", "error_type"]
        assert numbers(rows) == [3, 1, 4, 2]
        assert rows.column("error_type").to_pylist() == [""] * 4
        assert all(column.null_count == 0 for column in rows.columns)

    def test_presence_counts_spans_and_logs_by_minute_service_and_version(self, store: RecordStore) -> None:
        spans = [span(i, time_ns=T0 + i * 25 * SECOND, service="cards" if i == 5 else "accounts", version="7") for i in range(6)]
        keep(store, masked(spans, [log(1, time_ns=T0, service="accounts", version="7"), log(2, time_ns=T0, service="", version="")]))
        first = T0 // MINUTE_NS
        found = store.presence(Window(T0, T0 + 3 * MINUTE_NS))
        assert found.schema == PRESENCE_SCHEMA
        assert sorted(tuple(row.values()) for row in found.to_pylist()) == sorted([
            *((minute, "accounts", "7", number + (minute == first)) for minute, number in Counter(
                s["time_ns"] // MINUTE_NS for s in spans[:5]).items()),
            (spans[5]["time_ns"] // MINUTE_NS, "cards", "7", 1), (first, "", "", 1),
        ])
        assert sum(store.presence(Window(T0 + 1, T0 + 26 * SECOND)).column("records").to_pylist()) == 1
        assert len(store.presence(Window(T0 - 2, T0))) == 0

    def test_a_scan_is_not_limited(self, store: RecordStore) -> None:
        rows = [log(i, time_ns=T0 + i % 977) for i in range(1, 12_001)]
        keep(store, masked(logs=rows))
        found = store.scan("logs", ALWAYS, ["log_id", "time_ns"])
        assert sorted(numbers(found)) == list(range(1, 12_001))
        times = found.column("time_ns").to_pylist()
        assert times == sorted(times)

    def test_by_trace_gives_whole_traces_in_order_of_time(self, store: RecordStore) -> None:
        keep(store, masked(
            [span(1, time_ns=T0 + 2), span(2, time_ns=T0 + 1 + 2 * DAY), span(3, trace_id=trace_id(2)), span(4, time_ns=T0)],
            [log(1), log(2, trace_id="")], [call(1), call(2)],
        ))
        assert numbers(store.by_trace("spans", [trace_id(1)])) == [4, 1, 2]
        assert sorted(numbers(store.by_trace("spans", [trace_id(1), trace_id(2), trace_id(9)]))) == [1, 2, 3, 4]
        assert numbers(store.by_trace("logs", {trace_id(1)})) == [1]
        assert numbers(store.by_trace("calls", [trace_id(2)])) == [2]
        assert len(store.by_trace("logs", [""])) == len(store.by_trace("logs", [])) == 0
        assert store.by_trace("logs", [trace_id(1)]).schema == arrow_schema("logs")

    def test_witnesses_by_their_ids(self, store: RecordStore) -> None:
        of_span = call(5, witness="span", witness_id=trace_id(5) + span_id(5), span_id=span_id(5))
        keep(store, masked(calls=[call(1), call(2), of_span]))
        assert sorted(numbers(store.witnesses([span_id(2), of_span["witness_id"], span_id(77)]))) == [2, 5]
        assert store.witnesses([of_span["witness_id"]]).to_pylist() == [of_span]
        assert len(store.witnesses([])) == 0

    @pytest.mark.parametrize("kind", ["interaction_id", "request_id", "gateway_request_id", "consent_id", "payment_id"])
    def test_find_by_every_alias(self, store: RecordStore, kind: str) -> None:
        keep(store, masked(calls=[call(1, **{kind: "the-one"}), call(2)]))
        assert store.find("the-one") == [Found(kind, "the-one", trace_id(1), span_id(1), T0)]
        assert store.find("THE-ONE") == store.find("the-on") == []

    def test_find_a_trace(self, store: RecordStore) -> None:
        spans = [span(1, trace_id=trace_id(7), time_ns=T0), span(2, trace_id=trace_id(7), time_ns=T0 + 5)]
        keep(store, masked(spans, [log(1, trace_id=trace_id(8), time_ns=T0 + DAY)], [call(9), call(10, trace_id=trace_id(9))]))
        assert store.find(trace_id(7)) == [Found("trace_id", trace_id(7), trace_id(7), "", T0 + 5)]
        assert store.find(trace_id(8)) == [Found("trace_id", trace_id(8), trace_id(8), "", T0 + DAY)]
        assert [(f.kind, f.trace_id, f.witness_id) for f in store.find(trace_id(9))] == [
            ("trace_id", trace_id(9), span_id(9)), ("trace_id", trace_id(9), span_id(10)),
        ]

    def test_find_prefers_the_witness_of_a_trace_to_its_spans(self, store: RecordStore) -> None:
        keep(store, masked([span(1, trace_id=trace_id(3))], [log(1, trace_id=trace_id(3))], [call(3)]))
        assert store.find(trace_id(3)) == [Found("trace_id", trace_id(3), trace_id(3), span_id(3), T0)]

    def test_find_a_span_and_a_witness(self, store: RecordStore) -> None:
        keep(store, masked([span(0xABC, trace_id=trace_id(4)), span(1)], (), [call(0xDEF)]))
        assert store.find(span_id(0xABC)) == [Found("span_id", span_id(0xABC), trace_id(4), "", T0)]
        assert store.find(span_id(0xDEF)) == [Found("witness_id", span_id(0xDEF), trace_id(0xDEF), span_id(0xDEF), T0)]

    def test_find_gives_the_newest_first_up_to_the_limit(self, store: RecordStore) -> None:
        keep(store, masked(calls=[call(i, consent_id="consent-1", time_ns=T0 + i * DAY // 4) for i in range(1, 9)]))
        assert [f.witness_id for f in store.find("consent-1")] == [span_id(i) for i in range(8, 0, -1)]
        assert [f.witness_id for f in store.find("consent-1", limit=3)] == [span_id(i) for i in (8, 7, 6)]
        assert store.find("") == []

    def test_find_takes_several_ids_and_says_which(self, store: RecordStore) -> None:
        rows = [call(i, consent_id="consent-1", payment_id=f"pay-{i}", time_ns=T0 + i * DAY // 4) for i in range(1, 9)]
        keep(store, masked([span(0xABC, trace_id=trace_id(50), time_ns=T0)], [log(1, trace_id=trace_id(51))], rows))
        found = store.find("nothing", "pay-3", "consent-1", trace_id(50), span_id(0xABC), trace_id(51), "pay-3", "", limit=2)
        assert sorted((f.value, f.kind, f.time_ns) for f in found) == sorted([
            ("pay-3", "payment_id", T0 + 3 * DAY // 4), ("consent-1", "consent_id", T0 + 2 * DAY),
            ("consent-1", "consent_id", T0 + 7 * DAY // 4), (trace_id(50), "trace_id", T0), (span_id(0xABC), "span_id", T0),
            (trace_id(51), "trace_id", T0),
        ])
        assert [f.time_ns for f in found] == sorted((f.time_ns for f in found), reverse=True)
        assert store.find() == []

    def test_find_the_call_of_a_span_id_that_only_the_gateway_saw(self, store: RecordStore) -> None:
        keep(store, masked(calls=[call(7, span_id=span_id(0xF00), sampled=False)]))
        assert store.find(span_id(0xF00)) == [Found("span_id", span_id(0xF00), trace_id(7), span_id(7), T0)]

    def test_nothing_is_pending_once_it_is_found(self, store: RecordStore) -> None:
        store.append(masked(calls=[call(1)]))
        assert store.pending(uuid(1), uuid(2)) <= {uuid(1)}
        assert len(store.find(uuid(1))) == 1, "whoever asks what is pending finds it afterwards"

    def test_pages_run_newest_first_without_gap_or_repeat(self, store: RecordStore) -> None:
        keep(store, masked(calls=[call(i, time_ns=T0 + (i // 4) * 12 * 3600 * SECOND) for i in range(1, 18)]))
        pages, cursor = [], None
        while True:
            page = store.search("calls", (), None, 5, cursor)
            pages.append(numbers(page.rows))
            cursor = page.next
            if cursor is None:
                break
            keep(store, masked(calls=[call(100 + len(pages), time_ns=T0 + 90 * DAY)]))
        assert [number for page in pages for number in page] == list(range(17, 0, -1)), "ties by ID, largest first"
        assert [len(page) for page in pages] == [5, 5, 5, 2]

    def test_pages_run_over_days_and_pinned_records_alike(self, store: RecordStore) -> None:
        rows = [call(n, time_ns=T0 + (n % 9) * DAY + n, status=500 if n % 3 else 200) for n in range(1, 60)]
        keep(store, masked(calls=rows))
        store.pin([trace_id(n) for n in (9, 10, 18)])
        for day in ("2026-03-02", "2026-03-03"):
            store.drop_day("calls", day)
        store.settle_reads()
        kept = [n for n in range(1, 60) if n % 9 > 1 or n in (9, 10, 18)]
        for where, wanted in (([], kept), ([Condition("status", ">=", 500)], [n for n in kept if n % 3])):
            cursor, seen, pages = None, [], 0
            while pages == 0 or cursor:
                page = store.search("calls", where, None, 7, cursor)
                cursor, seen, pages = page.next, seen + numbers(page.rows), pages + 1
            assert seen == sorted(wanted, key=lambda n: (n % 9, n), reverse=True)
            assert pages == -(-len(wanted) // 7)

    def test_the_last_full_page_says_so(self, store: RecordStore) -> None:
        keep(store, masked([span(i) for i in range(1, 5)]))
        first = store.search("spans", [Condition("service", "=", "accounts")], ALWAYS, 2)
        assert first.next is not None
        assert store.search("spans", [Condition("service", "=", "accounts")], ALWAYS, 2, first.next).next is None

    def test_a_damaged_cursor_is_refused(self, store: RecordStore) -> None:
        keep(store, masked([span(1)]))
        with pytest.raises(BadInput):
            store.search("spans", (), None, 2, "not a cursor")
