"""Conditions that no store can answer are refused; the others mean one thing."""

from __future__ import annotations

from typing import Any

import pytest
from builders import span, table

from triage.domain.columns import COLUMNS
from triage.errors import StoreError
from triage.ports.records import Condition
from triage.store.conditions import check, matching, rollup_columns


@pytest.mark.parametrize("condition", [
    Condition("nothing", "=", "x"),
    Condition("resource", "contains", "x"),
    Condition("attributes", "=", "{}"),
    Condition("http_status", "contains", "5"),
    Condition("service", ">=", "a"),
    Condition("attributes.a", "in", ("x",)),
])
def test_refused(condition: Condition) -> None:
    with pytest.raises(StoreError):
        check(COLUMNS["spans"], [condition])


def test_calls_have_no_attributes() -> None:
    with pytest.raises(StoreError):
        check(COLUMNS["calls"], [Condition("attributes.a", "=", "x")])


def test_rollups_are_selected_by_plain_columns_only() -> None:
    check(rollup_columns("calls"), [Condition("partner", "=", "p"), Condition("calls", ">=", 1)])
    with pytest.raises(StoreError):
        check(rollup_columns("calls"), [Condition("buckets", "=", 1)])


@pytest.mark.parametrize(("value", "met"), [
    ("x", True), (["y", "x"], True), (["y"], False), ({"x": "x"}, False), (None, False), ([["x"]], False), ("xy", False),
])
def test_an_attribute_is_met_by_a_scalar_or_an_element(value: Any, met: bool) -> None:
    rows = table("spans", [span(1, attributes={"a": value})])
    assert len(matching(rows, [Condition("attributes.a", "=", "x")])) == met
