"""Failures that are news without a history, on hand-made roll-ups."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from builders import call_rollups, error_rollups

from triage.analyse.early import failing_apis, new_families
from triage.analyse.rows import ErrorRows

START, END = 1000, 1100


def rows(*errors: dict[str, Any]) -> ErrorRows:
    base = {"group_id": "g", "partner": "p", "api": "GET /a", "service": "s", "outcome": "bank_error"}
    return ErrorRows.of(error_rollups([base | error for error in errors]), {})


def calls(*cells: dict[str, Any]) -> pa.Table:
    return call_rollups([{"partner": "p", "api": "GET /a", "service": "s", "instance": ""} | cell for cell in cells])


def test_an_api_most_of_whose_calls_fail_is_news_from_its_first_minute() -> None:
    found = list(failing_apis(
        rows({"minute": 1000, "count": 12}), calls({"minute": 1000, "outcome": "bank_error", "calls": 12},
                                                   {"minute": 1000, "outcome": "ok", "calls": 3}), START, END))
    assert [mask.tolist() for mask in found] == [[True]]


def test_few_failures_or_a_small_share_are_not() -> None:
    few = calls({"minute": 1000, "outcome": "bank_error", "calls": 11})
    small = calls({"minute": 1000, "outcome": "bank_error", "calls": 20}, {"minute": 1000, "outcome": "ok", "calls": 21})
    theirs = calls({"minute": 1000, "outcome": "partner_error", "calls": 50})
    for table in (few, small, theirs):
        assert not list(failing_apis(rows({"minute": 1000, "count": 11}), table, START, END))


def test_an_error_that_a_learned_service_never_showed_is_news() -> None:
    burst = rows({"minute": 1050, "count": 5}, {"minute": 1052, "count": 5})
    assert [mask.tolist() for mask in new_families(burst, {"s": 1010}, START, END)] == [[True, True]]


def test_what_is_learned_or_rare_is_not() -> None:
    learned = rows({"minute": 1005, "count": 1}, {"minute": 1050, "count": 10})
    rare = rows({"minute": 1050, "count": 4}, {"minute": 1061, "count": 4})
    assert not list(new_families(learned, {"s": 1010}, START, END))
    assert not list(new_families(rare, {"s": 1010}, START, END))
