"""A partner that walks through accounts, and partners that do not."""

from __future__ import annotations

from typing import Any

from builders import MINUTE, SECOND, T0, call, table

from triage.analyse.abuse import ABUSE_COLUMNS, abnormal_use, refused_on_resources
from triage.domain.finding import Finding

NAMES = {"alpha": "Alpha"}
Row = dict[str, Any]


def refused(
    number: int, *, partner: str = "alpha", every: int = 2 * SECOND, resources: int = 10_000, status: int = 403,
) -> list[Row]:
    """Refused calls, one after the other, on different resources."""
    return [
        call(n, partner=partner, status=status, outcome="partner_error", resource_ref=f"r{n % resources}", time_ns=T0 + n * every)
        for n in range(number)
    ]


def judged(rows: list[Row], **totals: int) -> list[Finding]:
    calls = refused_on_resources(table("calls", rows).select(list(ABUSE_COLUMNS)))
    return abnormal_use(calls, {"beta": 2_000, "gamma": 2_000, **totals}, NAMES)


def test_a_walk_through_accounts_is_found_and_kept_to_security() -> None:
    (finding,) = judged(refused(40), alpha=60)

    assert (finding.kind, finding.restricted, finding.whose_side) == ("abnormal_use", True, "partner")
    assert [partner.name for partner in finding.partners] == ["Alpha"]
    assert (finding.since_ns, finding.until_ns) == (T0, T0 + 39 * 2 * SECOND)


def test_a_slow_walk_of_a_busy_partner_is_found_too() -> None:
    assert judged(refused(60, every=2 * MINUTE, status=400), alpha=1_500)


def test_the_same_few_accounts_again_and_again_are_a_broken_client() -> None:
    assert judged(refused(200, resources=4), alpha=300) == []


def test_a_few_refused_calls_are_everyday_life() -> None:
    assert judged(refused(8), alpha=60) == []


def test_what_all_partners_do_is_not_abnormal() -> None:
    rows = [row for partner in ("alpha", "beta", "gamma") for row in refused(30, partner=partner)]

    assert judged(rows, alpha=2_000) == []


def test_refusals_that_name_no_resource_do_not_count() -> None:
    rows = [row | {"resource_ref": ""} for row in refused(100)]

    assert judged(rows, alpha=120) == []
