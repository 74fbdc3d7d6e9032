"""Records survive the way into documents and back, whatever text is in them."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from builders import T0, Row, call, log, span, table
from hypothesis import given
from hypothesis import strategies as st

from triage.domain.columns import COLUMNS, SIGNALS, Signal
from triage.store.documents import bulk_items, to_table

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
)
MAKERS: dict[Signal, Any] = {"spans": span, "logs": log, "calls": call}


@st.composite
def records(draw: st.DrawFn) -> tuple[Signal, list[Row]]:
    signal = draw(st.sampled_from(SIGNALS))
    columns: dict[str, st.SearchStrategy[Any]] = {
        name: {"str": TEXT, "int": st.integers(-(2**63), 2**63 - 1), "bool": st.booleans()}[kind]
        for name, kind in COLUMNS[signal].items()
    }
    columns["time_ns"] = st.integers(0, 9_200_000_000 * 10**9)
    for name in {"attributes", "resource"} & columns.keys():
        columns[name] = st.dictionaries(TEXT, JSON, max_size=4)
    if "events" in columns:
        columns["events"] = st.just("") | st.lists(JSON, max_size=3)
    rows = draw(st.lists(st.fixed_dictionaries({}, optional=columns), min_size=1, max_size=5))
    return signal, [MAKERS[signal](**row) for row in rows]


def documents(signal: Signal, rows: list[Row], *, plain: bool = False) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    items = bulk_items(signal, table(signal, rows), lambda time_ns: f"day-{time_ns}", plain=plain).to_pylist()
    pairs = [item.split("\n") for item in items]
    assert all(len(pair) == 3 and pair[2] == "" for pair in pairs), "two lines an item"
    return [(orjson.loads(action)["create"], orjson.loads(document)) for action, document, _ in pairs]


@given(records(), st.booleans())
def test_there_and_back(drawn: tuple[Signal, list[Row]], plain: bool) -> None:
    signal, rows = drawn
    sources = [document for _, document in documents(signal, rows, plain=plain)]
    assert to_table(signal, list(COLUMNS[signal]), sources).to_pylist() == table(signal, rows).to_pylist()


def test_identity_index_and_time() -> None:
    [(action, document)] = documents("spans", [span(7, time_ns=T0 + 1_999_999)])
    assert action == {"_index": f"day-{T0 - T0 % (86_400 * 10**9)}", "_id": "0" * 31 + "1" + "0" * 15 + "7"}
    assert document["@timestamp"] * 1_000_000 == T0 + 1_000_000
    assert document["time_ns"] == T0 + 1_999_999


def test_empty_text_is_left_out() -> None:
    [(_, document), _] = documents("logs", [log(1, exception_type=""), log(2, exception_type="E")])
    assert "exception_type" not in document


@pytest.mark.parametrize("attributes", ['{\n "a": 1,\r\n "b": "x"\n}', '{"a":1,"b":"x"}'])
def test_json_with_line_breaks_stays_one_line(attributes: str) -> None:
    [(_, document)] = documents("logs", [log(1, attributes=attributes)])
    assert document["attributes"] == {"a": 1, "b": "x"}


def test_attributes_that_may_not_be_indexed_are_marked() -> None:
    [(_, long), (_, short)] = documents("logs", [log(1, attributes={"a": "x" * 9000}), log(2, attributes={"a": "x"})])
    assert long["attributes_long"]
    assert "attributes_long" not in short
    [(_, plain)] = documents("logs", [log(2, attributes={"a": "x"})], plain=True)
    assert plain["attributes_long"]
    assert plain["attributes_text"] == '{"a":"x"}'
    assert "attributes" not in plain


def test_no_rows() -> None:
    assert len(bulk_items("spans", table("spans", [span(1)]).slice(0, 0), str)) == 0


@given(records(), st.integers(0, 4))
def test_a_row_is_written_alike_among_others_and_alone(drawn: tuple[Signal, list[Row]], first: int) -> None:
    """Whether a column has one value or many, and where in the buffers the rows stand."""
    signal, rows = drawn
    whole = table(signal, rows)

    def items(start: int, length: int | None = None) -> list[str]:
        written: list[str] = bulk_items(signal, whole.slice(start, length), lambda time_ns: f"day-{time_ns}").to_pylist()
        return written

    assert items(first) == [item for row in range(first, len(rows)) for item in items(row, 1)]
