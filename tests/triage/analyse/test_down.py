"""Endpoints that do not answer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from builders import MINUTE, SECOND, T0, call, error_rollups, table

from triage.analyse.down import DOWN_COLUMNS, Down, downs_of, unanswered_apis, with_downs
from triage.analyse.problems import Problem
from triage.analyse.rollup import call_rollups, with_api
from triage.analyse.rows import ErrorRows
from triage.calls.join import derive_calls

API = "GET /accounts/{id}"
FIRST = T0 // MINUTE
GOOD: dict[str, Any] = {}
LOST: dict[str, Any] = {"duration_ns": 30 * SECOND, "status": 504, "outcome": "bank_error"}


def downs(*answers: dict[str, Any]) -> list[Down]:
    """Down times of calls that were made one a second."""
    rows = [call(n + 1, time_ns=T0 + n * SECOND, **columns) for n, columns in enumerate(answers)]
    return list(downs_of(derive_calls(table("calls", rows)).select(list(DOWN_COLUMNS)), [API]))


def test_five_calls_in_a_row_without_an_answer_are_down_from_the_first() -> None:
    (down,) = downs(GOOD, *[LOST] * 6, GOOD)

    assert (down.api, down.span.since_ns, down.span.until_ns, down.span.calls) == (API, T0 + SECOND, T0 + 7 * SECOND, 6)
    assert [at for at, _ in down.first_calls] == [T0 + n * SECOND for n in range(1, 6)]
    assert "10:00:01 (30 s)" in down.sentence()
    assert "answered again at 10:00:07" in down.sentence()


@pytest.mark.parametrize("answers", [
    [*[LOST] * 4, GOOD, *[LOST] * 4],
    [LOST | {"duration_ns": 10 * SECOND}] * 9,  # a gateway that says after 10 s that it gives up has answered
])
def test_less_is_not_down(answers: list[dict[str, Any]]) -> None:
    assert downs(*answers) == []


def test_a_call_that_was_refused_before_the_endpoint_was_asked_says_nothing_of_it() -> None:
    (down,) = downs(*[LOST] * 3, {"status": 401, "outcome": "partner_error"}, *[LOST] * 3)

    assert down.span.calls == 6


def test_no_status_and_an_error_is_no_answer_whatever_the_time() -> None:
    assert downs(*[{"status": 0, "outcome": "bank_error"}] * 5)
    assert downs(*[{"status": 0, "outcome": "unknown"}] * 5) == []  # a gateway that does not log the status


def test_one_instance_that_does_not_answer_is_told_as_such() -> None:
    (down,) = downs(*[LOST | {"instance": "gw-2"}, GOOD] * 6)

    assert down.instance == "gw-2"
    assert "at gw-2" in down.sentence()


def test_only_apis_that_were_waited_for_in_vain_are_read_closely() -> None:
    rows = [call(n, time_ns=T0 + MINUTE + n * SECOND, **(LOST if n < 6 else {"route": "/other"})) for n in range(1, 30)]
    rolled = call_rollups(with_api(derive_calls(table("calls", rows))))

    assert unanswered_apis(rolled, FIRST) == {API: FIRST + 1}
    assert unanswered_apis(rolled, FIRST + 2) == {}


def error_rows(*counts: tuple[str, int]) -> ErrorRows:
    """Failures of some APIs in the first minute."""
    return ErrorRows.of(
        error_rollups({"minute": FIRST, "api": api, "service": "accounts", "count": count} for api, count in counts), {})


def test_the_fault_that_it_is_part_of_becomes_one_of_a_down_endpoint() -> None:
    rows = error_rows((API, 6))
    problem = Problem("errors", FIRST, FIRST, np.ones(1, bool), "service:accounts")

    (found,) = with_downs([problem], downs(*[LOST] * 6), rows, FIRST)

    assert (found.kind, found.owner, len(found.downs)) == ("endpoint_down", "service:accounts", 1)
    assert found.down_traces


def test_a_larger_fault_stays_what_it_is_and_says_that_an_endpoint_is_down() -> None:
    rows = error_rows((API, 6), ("GET /other", 100))
    problem = Problem("errors", FIRST, FIRST, np.ones(2, bool), "service:accounts")

    (found,) = with_downs([problem], downs(*[LOST] * 6), rows, FIRST)

    assert (found.kind, len(found.downs)) == ("errors", 1)


def test_five_calls_of_a_quiet_api_are_a_problem_of_their_own() -> None:
    (found,) = with_downs([], downs(*[LOST] * 5), error_rows((API, 5)), FIRST)

    assert (found.kind, found.owner, found.new) == ("endpoint_down", "service:accounts", True)
    assert with_downs([], downs(*[LOST] * 5), error_rows((API, 5)), FIRST + 10) == []
