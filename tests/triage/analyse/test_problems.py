"""From hand-made roll-ups to problems: which failures are one problem, and which are everyday life."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from builders import call_rollups, error_rollups

from triage.analyse.judge import Context, judge
from triage.analyse.problems import Problem, set_apart
from triage.analyse.rows import ErrorRows

START, END = 1_000, 1_120
PARTNERS = ("alpha", "beta", "gamma", "delta", "epsilon", "zeta")
APIS = ("GET /accounts", "GET /balances", "POST /payments")

Row = dict[str, Any]


def traffic(silent: Iterable[tuple[str, int, int]] = (), extra: Iterable[Row] = ()) -> pa.Table:
    """Ten calls a minute of each partner on each API, but for the silent stretches."""
    quiet = list(silent)
    rows = [
        {"minute": minute, "partner": partner, "api": api, "calls": 10, "counts": [10], "instance": "gw-1"}
        for minute in range(START, END) for partner in PARTNERS for api in APIS
        if not any(partner == who and first <= minute <= last for who, first, last in quiet)
    ]
    return call_rollups([*rows, *extra])


def failures(first: int, last: int, **columns: Any) -> list[Row]:
    """One row a minute from first to last."""
    plain = {"service": "core", "count": 5, "partner": "alpha", "api": APIS[0], **columns}
    return [{"minute": minute, **plain} for minute in range(first, last + 1)]


def everyday() -> list[Row]:
    """Callers' errors as they always are: each partner now and then, on every API."""
    rng = np.random.default_rng(3)
    return [
        {"minute": int(minute), "partner": partner, "api": APIS[int(rng.integers(3))], "group_id": "token-expired",
         "outcome": "partner_error"}
        for partner in PARTNERS for minute in rng.choice(np.arange(START, END), 24, replace=False)
    ]


def found(
    errors: Iterable[Row], calls: pa.Table | None = None, families: dict[str, str] | None = None,
) -> list[tuple[Problem, ErrorRows]]:
    """What is judged at the end of it all."""
    table = error_rollups(sorted(errors, key=lambda row: row["minute"]))
    context = Context(START, END, END - 60, {"core": START + 10}, families or {})
    rows = ErrorRows.of(table, context.families)
    return [(problem, rows) for problem in judge(traffic() if calls is None else calls, table, context)]


def owners(problems: list[tuple[Problem, ErrorRows]]) -> list[str]:
    return sorted(problem.owner for problem, _ in problems)


def test_everyday_errors_of_callers_are_no_problem() -> None:
    assert found(everyday()) == []


def test_single_failures_are_no_problem() -> None:
    assert found([*failures(1_070, 1_070, count=1), *failures(1_090, 1_090, count=1)]) == []


def test_a_usual_failure_before_the_burst_does_not_date_it() -> None:
    (problem, rows), = found([*failures(1_078, 1_078, count=1), *failures(1_080, 1_100, count=40)])

    assert (problem.since, problem.until, int(rows.count[problem.rows].sum())) == (1_080, 1_100, 840)


def test_a_slow_beginning_is_part_of_it() -> None:
    (problem, _), = found([*failures(1_074, 1_074, count=4), *failures(1_076, 1_100, count=8)])

    assert problem.since == 1_074


def test_failures_that_begin_in_one_service_are_one_problem_whatever_the_api_and_partner() -> None:
    errors = [row for api in APIS for partner in PARTNERS for row in failures(1_080, 1_100, api=api, partner=partner)]

    (problem, rows), = found([*everyday(), *errors])

    assert problem.owner == "service:core"
    assert (problem.since, problem.until) == (1_080, 1_100)
    assert rows.count[problem.rows].sum() == 5 * 21 * len(APIS) * len(PARTNERS)


def test_two_services_that_fail_at_once_are_two_problems() -> None:
    errors = failures(1_080, 1_100) + failures(1_080, 1_100, service="cards", group_id="g2", api=APIS[2])

    assert owners(found(errors)) == ["service:cards", "service:core"]


def test_a_failure_that_does_not_say_where_it_began_belongs_to_the_fault_on_the_same_api() -> None:
    errors = failures(1_080, 1_100) + failures(1_080, 1_100, service="", group_id="g-line", count=1)

    (problem, rows), = found(errors)

    assert rows.count[problem.rows].sum() == 6 * 21


def untraced(count: int = 3, **columns: Any) -> list[Row]:
    """Failures that nobody says the beginning of."""
    return failures(1_080, 1_100, service="", count=count, **{"group_id": "g-line", **columns})


@pytest.mark.parametrize("lost", [1, 3, 30])
def test_failures_without_a_trace_go_to_neither_of_two_services_that_fail_alike_on_the_api(lost: int) -> None:
    errors = failures(1_080, 1_100) + failures(1_080, 1_100, service="cards", group_id="g2", count=4) + untraced(lost)

    problems = {problem.owner: int(rows.count[problem.rows].sum()) for problem, rows in found(errors)}

    assert problems == {"service:core": 5 * 21, "service:cards": 4 * 21}


def test_failures_without_a_trace_go_to_the_service_that_most_failures_of_the_api_began_in() -> None:
    errors = failures(1_080, 1_100, count=20) + failures(1_080, 1_100, service="cards", group_id="g2", count=4) + untraced()

    problems = {problem.owner: int(rows.count[problem.rows].sum()) for problem, rows in found(errors)}

    assert problems == {"service:core": 23 * 21, "service:cards": 4 * 21}


def test_failures_without_a_trace_go_to_the_service_that_fails_with_their_code() -> None:
    errors = failures(1_080, 1_100, count=8) + failures(1_080, 1_100, service="cards", group_id="g2") + untraced()

    judged = found(errors, families={"g1": "code:A", "g2": "code:B", "g-line": "code:B"})

    assert {problem.owner: int(rows.count[problem.rows].sum()) for problem, rows in judged} == {
        "service:core": 8 * 21, "service:cards": 8 * 21}


def test_failures_without_a_trace_that_were_there_long_before_a_short_fault_on_the_api_stay_a_problem() -> None:
    assert owners(found(failures(1_062, 1_118, service="", group_id="g-line", count=8) + failures(1_080, 1_082, service="cards"))) == [
        "service:cards", "service:unknown"]


def test_a_failure_without_a_trace_is_not_given_to_the_service_that_fails_still_when_its_api_failed_for_another() -> None:
    core = failures(1_080, 1_100) + failures(1_100, 1_106, service="", group_id="g-line")
    cards = failures(1_080, 1_110, service="cards", group_id="g2", api=APIS[2])

    apis = {problem.owner: set(rows.api[problem.rows]) for problem, rows in found(core + cards)}

    assert apis == {"service:core": {APIS[0]}, "service:cards": {APIS[2]}}


def test_rare_groups_of_the_same_service_and_time_belong_to_it() -> None:
    errors = failures(1_080, 1_100) + failures(1_090, 1_090, group_id="g-rare", api=APIS[2], count=1)

    (problem, rows), = found(errors)

    assert set(rows.api[problem.rows]) == {APIS[0], APIS[2]}


def test_flapping_is_one_problem() -> None:
    errors = [row for first in range(1_060, 1_110, 10) for row in failures(first, first + 3)]

    (problem, _), = found(errors)

    assert (problem.since, problem.until) == (1_060, 1_103)


def test_routes_that_the_gateway_cannot_serve_are_a_problem_each() -> None:
    errors = [
        row for api in APIS[:2]
        for row in failures(1_080, 1_100, service="gateway", outcome="gateway_error", group_id=f"g-{api}", api=api)
    ]

    assert owners(found(errors)) == [f"api:{api}" for api in sorted(APIS[:2])]


def test_error_logs_wait_for_their_calls_before_they_are_a_problem() -> None:
    early = failures(END - 2, END - 1, partner="", api="", group_id="g-log", count=20)

    assert found(early) == []
    assert owners(found(failures(END - 9, END - 8, partner="", api="", group_id="g-log", count=20))) == ["service:core"]


def refused(partner: str, group: str, apis: Iterable[str] = APIS, count: int = 10) -> list[Row]:
    """A partner that is refused on APIs."""
    return [
        row for api in apis
        for row in failures(
            1_080, 1_100, partner=partner, api=api, group_id=f"{group} {api}", outcome="partner_error", service="", count=count)
    ]


def families_of(*codes: str) -> dict[str, str]:
    """Groups by code and API belong to one family each."""
    return {f"{code} {api}": f"code:{code}" for code in codes for api in APIS}


def test_two_partners_that_are_refused_for_the_same_reason_are_two_problems() -> None:
    errors = [*everyday(), *refused("alpha", "expired"), *refused("beta", "expired")]

    assert owners(found(errors, families=families_of("expired"))) == ["partner:alpha", "partner:beta"]


def test_a_code_that_rises_at_many_partners_is_one_problem() -> None:
    errors = [*everyday(), *(row for partner in PARTNERS for row in refused(partner, "rejected", count=2))]

    assert owners(found(errors, families=families_of("rejected"))) == ["family:code:rejected"]


def test_a_partner_whose_every_call_is_refused_owns_its_other_errors_too() -> None:
    odd = failures(1_085, 1_085, partner="alpha", outcome="partner_error", group_id="odd", count=1, service="")
    errors = [*refused("alpha", "expired"), *odd]

    (problem, rows), = found(errors, families=families_of("expired"))

    assert "odd" in set(rows.group[problem.rows])


def test_an_api_on_which_a_partner_hardly_fails_is_left_out() -> None:
    errors = [*refused("alpha", "limit", APIS[:1], 8), *refused("alpha", "limit", APIS[1:2], 0)]
    errors += [{"minute": 1_090, "partner": "alpha", "api": APIS[1], "group_id": f"limit {APIS[1]}", "outcome": "partner_error"}]

    (problem, rows), = found([row for row in errors if row.get("count", 1)], families=families_of("limit"))

    assert set(rows.api[problem.rows]) == {APIS[0]}


def test_silence_of_a_partner_is_a_traffic_drop_with_its_beginning() -> None:
    (problem, _), = found([], traffic(silent=[("beta", 1_090, END)]))

    assert (problem.kind, problem.owner, problem.since) == ("traffic_drop", "partner:beta", 1_090)


def test_a_short_pause_of_a_partner_is_none() -> None:
    assert found([], traffic(silent=[("beta", 1_100, 1_101)])) == []


def test_a_partner_with_a_batch_every_quarter_of_an_hour_is_not_silent() -> None:
    pauses = [("beta", first, first + 13) for first in range(START, END, 15)]

    assert found([], traffic(silent=pauses)) == []


def test_silence_of_everybody_right_after_the_start_is_a_gap_in_the_data() -> None:
    assert found([], traffic(silent=[(partner, 1_030, END) for partner in PARTNERS])) == []


def test_a_partner_that_storms_and_is_partly_refused_has_a_surge() -> None:
    storm = [{"minute": m, "partner": "alpha", "api": APIS[0], "calls": 300, "counts": [300]} for m in range(1_080, 1_101)]
    errors = refused("alpha", "limit", APIS[:1], 150)

    (problem, _), = found(errors, traffic(extra=storm), families_of("limit"))

    assert (problem.kind, problem.owner) == ("traffic_surge", "partner:alpha")


@pytest.mark.parametrize("learning", [5, 9])
def test_what_fails_while_a_service_is_learned_is_not_new(learning: int) -> None:
    errors = failures(START + learning - 4, START + learning)

    table = error_rollups(errors)
    assert judge(traffic(), table, Context(START, END, START, {"core": START + 10})) == []


def test_what_people_took_out_of_a_problem_is_a_problem_of_its_own() -> None:
    table = error_rollups([{"minute": 5, "group_id": "a", "count": 4}, {"minute": 7, "group_id": "b", "count": 9}])
    both = ErrorRows.of(table, {})
    whole = Problem("errors", 5, 7, np.ones(2, bool), "service:core", groups=["b", "a"])

    taken, rest = set_apart([whole], both, {"a": "errors|a"})

    assert (taken.key, taken.groups, taken.since, taken.until) == ("errors|a", ["a"], 5, 5)
    assert (rest.key, rest.groups, rest.since) == ("", ["b"], 7)


def test_error_logs_of_data_that_ended_long_ago_wait_for_nothing() -> None:
    logs = error_rollups(
        [{"minute": END - 1, "service": "core", "group_id": "g-late", "count": 40}])
    context = Context(START, END, END - 60, {"core": START + 10})

    assert judge(traffic(), logs, context) == []
    assert [p.owner for p in judge(traffic(), logs, replace(context, now=END + 60))] == ["service:core"]
