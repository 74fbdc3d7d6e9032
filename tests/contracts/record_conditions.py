"""What conditions mean: a part of the RecordStore contract (`record_store_contract.py`)."""

from __future__ import annotations

import pytest
from builders import call, log, masked, span, trace_id
from contracts.record_checks import ALWAYS, keep, scan

from triage.errors import StoreError
from triage.ports.records import Condition, RecordStore

LONG = "x" * 20_000 + "Needle"


class RecordConditions:
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
