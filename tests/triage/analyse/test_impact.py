"""For whom a problem is, and what it is called."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from builders import call_rollups, error_rollups

from triage.analyse.compare import compare
from triage.analyse.explain import narrowed
from triage.analyse.impact import ImpactOf, measure
from triage.analyse.problems import Problem
from triage.analyse.rows import CallRows, ErrorRows
from triage.analyse.titles import title_of
from triage.domain.incident import Comparison

APIS = ("GET /accounts", "POST /payments")
CALLS = CallRows.of(call_rollups(
    {"minute": minute, "partner": partner, "api": api, "calls": 10}
    for minute in range(20) for partner in ("alpha", "beta") for api in APIS
))


def measured(kind: Any = "errors", owner: str = "service:core", **columns: Any) -> tuple[Problem, ImpactOf]:
    """Failures from minute 10 to 14, five a minute, unless it says otherwise."""
    partners = columns.pop("partners", ("alpha", "beta"))
    apis = columns.pop("apis", APIS)
    table = error_rollups(
        {"minute": minute, "partner": partner, "api": api, "service": "core", "count": 5, "sample_trace": f"{minute}{partner}"}
        | columns
        for minute in range(10, 15) for partner in partners for api in apis
    )
    rows = ErrorRows.of(table, {})
    problem = Problem(kind, 10, 14, np.ones(len(table), bool), owner, groups=["g1"])
    return problem, measure(problem, rows, CALLS, str.title)


def test_it_counts_failures_and_all_calls_of_the_same_time() -> None:
    _, impact = measured()

    assert (impact.failed, impact.total) == (100, 200)
    assert [(p.id, p.name, p.failed, p.total) for p in impact.partners] == [("alpha", "Alpha", 50, 100), ("beta", "Beta", 50, 100)]
    apis = [(a.method, a.route, a.failed, a.total) for a in impact.apis]
    assert apis == [("GET", "/accounts", 50, 100), ("POST", "/payments", 50, 100)]
    assert (impact.services, impact.side) == (["core"], "bank")


def test_five_hundred_partners_and_forty_apis_are_all_named() -> None:
    _, impact = measured(partners=tuple(f"p{n}" for n in range(500)), apis=tuple(f"GET /thing-{n}" for n in range(40)))

    assert (len(impact.partners), len(impact.apis)) == (500, 40)


@pytest.mark.parametrize(("columns", "scope"), [
    ({"partners": ("alpha",), "outcome": "partner_error", "owner": "partner:alpha"}, "one partner: Alpha"),
    ({"apis": APIS[:1]}, "one API: GET /accounts"),
    ({"partners": ("alpha",), "apis": APIS[:1]}, "Alpha on GET /accounts"),
    ({}, "calls that pass core"),
])
def test_the_scope_is_the_smallest_that_explains_the_failures(columns: dict[str, Any], scope: str) -> None:
    assert measured(**columns)[1].scope == scope


@pytest.mark.parametrize(("outcome", "side"), [
    ("bank_error", "bank"), ("gateway_error", "gateway"), ("external_error", "external"), ("partner_error", "partner"),
    ("customer_error", "customer"),
])
def test_the_side_follows_from_the_outcome(outcome: str, side: str) -> None:
    assert measured(outcome=outcome)[1].side == side


def test_the_curve_begins_before_the_problem() -> None:
    _, impact = measured()

    at = {point.minute: (point.calls, point.failed) for point in impact.series}
    assert at[9] == (40, 0)
    assert at[12] == (40, 20)


def test_the_newest_sample_traces_come_first() -> None:
    assert measured()[1].traces[0].startswith("14")


@pytest.mark.parametrize(("columns", "title", "expected"), [
    ({}, "NullPointerException in com.acme.bank.CreditorMapper.toPacs008",
     "core: NullPointerException in CreditorMapper.toPacs008"),
    ({"owner": "partner:alpha", "partners": ("alpha",), "outcome": "partner_error", "count": 10},
     "CERTIFICATE_EXPIRED on GET /accounts", "Alpha: every call is refused, CERTIFICATE_EXPIRED"),
    ({"owner": "partner:alpha", "partners": ("alpha",), "outcome": "customer_error"}, "CONSENT_EXPIRED on GET /accounts",
     "Alpha: 50% of calls end with CONSENT_EXPIRED"),
    ({"owner": "api:GET /accounts", "outcome": "gateway_error"}, "no peer in the balancer for GET <*>",
     "GET /accounts: no peer in the balancer"),
    ({"owner": "family:code:x", "outcome": "partner_error"}, "invalid_token on GET /accounts", "2 partners: invalid_token"),
    ({"kind": "traffic_surge", "owner": "partner:alpha", "partners": ("alpha",), "outcome": "partner_error"},
     "x", "Alpha: far more calls than usual, 50% refused"),
])
def test_titles_say_who_and_what(columns: dict[str, Any], title: str, expected: str) -> None:
    problem, impact = measured(**columns)

    assert title_of(problem, impact, {"g1": title}, []) == expected


@pytest.mark.parametrize(("attribute", "healthy", "scope"), [
    ("core cloud.region", 0.4, "calls that pass core, only core cloud.region eu-west-2"),
    ("core service.version", 0.0, "calls that pass core, only core service.version eu-west-2"),
    ("core cloud.region", 0.9, "calls that pass core"),  # nearly all calls are there
    ("partner", 0.0, "calls that pass core"),
])
def test_the_one_region_or_version_that_holds_the_failures_is_part_of_the_scope(attribute: str, healthy: float, scope: str) -> None:
    _, impact = measured()

    assert narrowed(impact, [Comparison(attribute, "eu-west-2", 1.0, healthy)]) == scope


def calls(number: int, **attributes: str) -> list[dict[str, str]]:
    return [{"id": f"{attributes}{n}", **attributes} for n in range(number)]


def test_the_comparison_finds_the_region_whatever_else_the_calls_say() -> None:
    failing = calls(60, **{"core cloud.region": "eu-west-2", "method": "GET"})
    healthy = calls(60, **{"core cloud.region": "eu-west-1", "method": "GET"}) + calls(30, **{"core cloud.region": "eu-west-2"})

    (found,) = [c for c in compare(failing, healthy) if c.value != "GET"]

    assert (found.attribute, found.value, found.failing, found.healthy) == ("core cloud.region", "eu-west-2", 1.0, round(30 / 90, 4))


def test_small_samples_show_no_difference() -> None:
    assert compare(calls(3, region="a"), calls(3, region="b")) == []


def test_what_some_calls_do_not_say_is_compared_among_those_that_say_it() -> None:
    named = {"gateway version": "3.8"}
    healthy = calls(40, **named) + calls(20)  # lines without a version
    unsaid = {"gateway version"}

    assert [c.attribute for c in compare(calls(60, **named), healthy)] == ["gateway version"]
    assert compare(calls(60, **named), healthy, unsaid=unsaid) == []
    (found,) = compare(calls(40, **{"gateway version": "3.9"}) + calls(20), healthy, unsaid=unsaid)

    assert (found.value, found.failing, found.healthy, found.looked_at) == ("3.9", 1.0, 0.0, 40)
    assert compare(calls(60, **named), calls(60), unsaid=unsaid) == []  # nothing to compare with
