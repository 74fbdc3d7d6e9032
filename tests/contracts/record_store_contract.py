"""The promises of `triage.ports.records`, as tests that every adapter passes in full.

An adapter's test module subclasses `RecordStoreContract` and gives three fixtures:
`store` an empty RecordStore; `reopen` a function that closes a store and opens another one on the same data; `newer_format` a
function that marks the data of the (closed) store as written by a later version.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyarrow as pa
import pytest
from builders import (
    DAY,
    MINUTE,
    SECOND,
    T0,
    call,
    call_rollups,
    error_rollups,
    log,
    masked,
    span,
    span_id,
    table,
    trace_id,
    uuid,
)

from triage.domain.columns import COLUMNS, SIGNALS, Signal
from triage.domain.windows import Window, day_of, from_rfc3339
from triage.errors import BadInput, StoreError, StoreFormatError
from triage.ports.masked import MaskedRecords, arrow_schema
from triage.ports.records import Condition, Found, Receipt, RecordStore
from triage.ports.rollups import SCHEMAS

Reopen = Callable[[RecordStore], RecordStore]

ALWAYS = Window(0, 2**63 - 1)
LONG = "x" * 20_000 + "Needle"


def keep(store: RecordStore, batch: MaskedRecords) -> None:
    """Append and make it findable."""
    store.append(batch)
    store.settle_reads()


def ids(rows: pa.Table) -> list[Any]:
    """The last identity column of every row, in order."""
    for name in ("witness_id", "log_id", "span_id"):
        if name in rows.column_names:
            return list(rows.column(name).to_pylist())
    raise AssertionError(rows.column_names)


def numbers(rows: pa.Table) -> list[int]:
    """The small numbers that the IDs of these rows were made from."""
    return [int(value[-16:], 16) for value in ids(rows)]


def scan(store: RecordStore, signal: Signal, *where: Condition) -> list[int]:
    """The numbers of all records that meet the conditions, sorted; search must agree with scan."""
    found = sorted(numbers(store.scan(signal, ALWAYS, list(COLUMNS[signal]), where)))
    assert sorted(numbers(store.search(signal, where, None, 100).rows)) == found
    return found


def minutes(receipts: Sequence[Receipt]) -> set[int]:
    """All minutes that these receipts name."""
    return {minute for receipt in receipts for minute in receipt.minutes}


class RecordStoreContract:
    """Run by `tests/contracts/test_*.py`, one subclass an adapter."""

    # -- append ----------------------------------------------------------------------------------------------------

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

    # -- days and times --------------------------------------------------------------------------------------------

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

    # -- receipts --------------------------------------------------------------------------------------------------

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

    # -- conditions ------------------------------------------------------------------------------------------------

    @pytest.mark.parametrize(
        ("condition", "expected"),
        [
            (Condition("partner", "=", "alpha"), [1, 4]),
            (Condition("partner", "=", "alph"), []),
            (Condition("partner", "=", "Alpha"), []),
            (Condition("message", "=", ""), [1, 3]),
            (Condition("status", "=", 500), [2, 3]),
            (Condition("status", "=", 0), [4]),
            (Condition("customer_present", "=", True), [2]),
            (Condition("customer_present", "=", False), [1, 3, 4]),
            (Condition("partner", "in", ("alpha", "gamma", "nobody")), [1, 3, 4]),
            (Condition("status", "in", (200, 0)), [1, 4]),
            (Condition("partner", "in", ()), []),
            (Condition("status", ">=", 500), [2, 3]),
            (Condition("status", "<=", 200), [1, 4]),
            (Condition("duration_ns", ">=", 2**53 + 1), [3]),
            (Condition("route", "prefix", "/payments"), [2, 3]),
            (Condition("route", "prefix", "/payments/{id}*"), []),
            (Condition("message", "contains", "time*out?"), [4]),
            (Condition("message", "contains", "CONNECTION.reset"), [2]),
            (Condition("message", "contains", "straße ÄUSSERE"), [4]),
            (Condition("message", "contains", '"\\'), [4]),
        ],
        ids=lambda value: f"{value.column} {value.operator} {value.value}"[:40] if isinstance(value, Condition) else "",
    )
    def test_conditions_on_calls(self, store: RecordStore, condition: Condition, expected: list[int]) -> None:
        keep(store, masked(calls=[
            call(1, partner="alpha", status=200, route="/accounts"),
            call(2, partner="beta", status=500, route="/payments", message="Connection.Reset by peer", customer_present=True),
            call(3, partner="gamma", status=500, route="/payments/{id}", duration_ns=2**53 + 1),
            call(4, partner="alpha", status=0, route="/balances", message='TIME*OUT? in Straße äußere "\\ Straße äussere'),
        ]))
        assert scan(store, "calls", condition) == expected

    def test_conditions_are_joined_by_and(self, store: RecordStore) -> None:
        keep(store, masked(calls=[call(1, partner="a", status=500), call(2, partner="b", status=500), call(3, partner="a")]))
        assert scan(store, "calls", Condition("partner", "=", "a"), Condition("status", ">=", 400)) == [1]

    def test_conditions_on_attributes(self, store: RecordStore) -> None:
        keep(store, masked([
            span(1, attributes={"tenant": "north", "a.b": "x", "n": 200, "ok": True, "list": ["one", "two"]}),
            span(2, attributes={"tenant": "northern", "a": {"b": "x"}, "n": "200"}),
            span(3, attributes={"tenant": None, 'quo"te': 'v"\\', "ü": "Größe"}),
            span(4, attributes={}),
        ]))
        for name, value, expected in [
            ("tenant", "north", [1]), ("tenant", "North", []), ("a.b", "x", [1]), ("n", "200", [1, 2]), ("ok", "true", [1]),
            ("list", "two", [1]), ('quo"te', 'v"\\', [3]), ("ü", "Größe", [3]), ("nothing", "x", []), ("tenant", "", []),
        ]:
            assert scan(store, "spans", Condition(f"attributes.{name}", "=", value)) == expected, name
        assert scan(store, "spans", Condition("attributes.tenant", "prefix", "north")) == [1, 2]
        assert scan(store, "spans", Condition("attributes.list", "prefix", "tw")) == [1]

    def test_long_text_is_kept_and_searched_like_any_other(self, store: RecordStore) -> None:
        attributes = {"long": LONG, "k" * 2000: "v", "deep": {"l": [[[[[[[[[[[[[[[[[[[[[[[[["x"]]]]]]]]]]]]]]]]]]]]]]]]]}}
        batch = masked([span(1, attributes=attributes, exception_stack=LONG)], [log(1, body=LONG), log(2, body="short")])
        keep(store, batch)
        assert store.by_trace("spans", [trace_id(1)]).to_pylist() == batch.spans.to_pylist()
        assert scan(store, "logs", Condition("body", "contains", "xneedle")) == [1]
        assert scan(store, "logs", Condition("body", "=", LONG)) == [1]
        assert scan(store, "logs", Condition("body", "prefix", LONG[:12_000])) == [1]
        assert scan(store, "logs", Condition("body", "contains", "haystack")) == []
        assert scan(store, "spans", Condition("exception_stack", "contains", "NEEDLE")) == [1]

    @pytest.mark.parametrize("condition", [
        Condition("no_such_column", "=", "x"), Condition("attributes.a", "contains", "x"), Condition("attributes.a", ">=", "x"),
    ])
    def test_what_cannot_be_answered_is_an_error(self, store: RecordStore, condition: Condition) -> None:
        keep(store, masked([span(1)]))
        with pytest.raises(StoreError):
            store.scan("spans", ALWAYS, ["span_id"], [condition])
        with pytest.raises(StoreError):
            store.search("spans", [condition], None, 10)
        with pytest.raises(StoreError):
            store.scan("spans", ALWAYS, ["no_such_column"])

    # -- reading ---------------------------------------------------------------------------------------------------

    def test_scan_gives_the_columns_asked_for_in_order_of_time(self, store: RecordStore) -> None:
        keep(store, masked([span(i, time_ns=T0 + (i * 7 % 5) * SECOND) for i in range(1, 5)]))
        rows = store.scan("spans", ALWAYS, ["span_id", "http_status", "error_type"], [Condition("service", "=", "accounts")])
        assert rows.column_names == ["span_id", "http_status", "error_type"]
        assert numbers(rows) == [3, 1, 4, 2]
        assert rows.column("error_type").to_pylist() == [""] * 4
        assert all(column.null_count == 0 for column in rows.columns)

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

    def test_the_last_full_page_says_so(self, store: RecordStore) -> None:
        keep(store, masked([span(i) for i in range(1, 5)]))
        first = store.search("spans", [Condition("service", "=", "accounts")], ALWAYS, 2)
        assert first.next is not None
        assert store.search("spans", [Condition("service", "=", "accounts")], ALWAYS, 2, first.next).next is None

    def test_a_damaged_cursor_is_refused(self, store: RecordStore) -> None:
        keep(store, masked([span(1)]))
        with pytest.raises(BadInput):
            store.search("spans", (), None, 2, "not a cursor")

    # -- roll-ups --------------------------------------------------------------------------------------------------

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

    # -- retention -------------------------------------------------------------------------------------------------

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
