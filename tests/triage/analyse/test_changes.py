"""Which change explains a problem, and which are cleared."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from triage.analyse.changes import ChangeSeen, Scene, judge_changes
from triage.analyse.ranking.tables import SpanTable, no_spans
from triage.analyse.suspects import GUILTY
from triage.domain.incident import Point
from triage.domain.windows import MINUTE_NS

SINCE = 10_000 * MINUTE_NS


def deployed(minutes_before: float, service: str = "payments", version: str = "2.0") -> ChangeSeen:
    return ChangeSeen("deployment", version, SINCE - int(minutes_before * MINUTE_NS), {"service": service})


def spans(*versions: str, service: str = "payments") -> SpanTable:
    """One span of the service for each version, each in its own trace."""
    size = len(versions)
    none = np.zeros(size, np.int64)
    texts = [f"{number:x}" for number in range(size)]
    empty, error = [""] * size, np.zeros(size, bool)
    return SpanTable(texts, texts, empty, [service] * size, ["POST"] * size, none, none, none, error, versions, empty)


def scene(**changes: Any) -> Scene:
    plain: dict[str, Any] = {
        "since_ns": SINCE, "services": ["payments"], "apis": ["POST /payments"], "partners": ["alpha", "beta"],
        "one_partner": False, "side": "bank", "failing": spans(*["2.0"] * 20), "healthy": spans(*["1.0"] * 20),
    }
    return Scene(**(plain | changes))


def test_the_release_that_fails_where_the_old_one_works_is_guilty() -> None:
    (verdict,) = judge_changes([deployed(2)], scene())

    assert (verdict.kind, verdict.name) == ("change", "payments 2.0")
    assert verdict.score >= GUILTY
    assert any("100% of failing calls pass payments 2.0" in why for why in verdict.why)


def test_a_release_of_a_service_that_does_not_fail_is_cleared_aloud() -> None:
    (verdict,) = judge_changes([deployed(2, "accounts")], scene())

    assert verdict.score == 0
    assert "nothing that fails passes what it changed" in verdict.why_not[0]


def test_a_release_is_innocent_when_one_partner_alone_fails() -> None:
    (verdict,) = judge_changes([deployed(4)], scene(one_partner=True, side="partner", partners=["alpha"]))

    assert verdict.score < 0.5
    assert any("only one partner fails" in why for why in verdict.why_not)


def test_a_release_is_innocent_when_the_old_version_fails_as_well() -> None:
    (verdict,) = judge_changes([deployed(2)], scene(failing=spans(*["1.0"] * 18, "2.0", "2.0")))

    assert verdict.score < GUILTY


def test_what_came_after_the_first_failure_or_long_before_is_not_considered() -> None:
    assert judge_changes([deployed(-5), deployed(90)], scene()) == []


def test_maintenance_is_no_suspect() -> None:
    assert judge_changes([ChangeSeen("maintenance", "", SINCE - MINUTE_NS, {"service": "payments"})], scene()) == []


def test_the_guilty_one_comes_before_innocent_ones() -> None:
    verdicts = judge_changes([deployed(1, "accounts"), deployed(3), deployed(2, "cards")], scene())

    assert verdicts[0].name == "payments 2.0"
    assert [verdict.score for verdict in verdicts[1:]] == [0, 0]


def test_a_partner_change_explains_the_partner_that_fails() -> None:
    change = ChangeSeen("certificate", "", SINCE - MINUTE_NS, {"partner": "alpha"})

    (verdict,) = judge_changes([change], scene(one_partner=True, side="partner", partners=["alpha"], failing=no_spans()))

    assert verdict.score >= GUILTY


def passing(*services: str) -> SpanTable:
    """Ten traces that pass each of the services, in version 2.0."""
    texts = [f"{trace:x}" for _ in services for trace in range(10)]
    ids = [f"{number:x}" for number in range(len(texts))]
    names = [service for service in services for _ in range(10)]
    none, empty = np.zeros(len(ids), np.int64), [""] * len(ids)
    return SpanTable(texts, ids, empty, names, ["POST"] * len(ids), none, none, none, np.zeros(len(ids), bool), ["2.0"] * len(ids), empty)


@pytest.mark.parametrize(("change", "changes", "reason"), [
    (deployed(3, "accounts"), {"failing": passing("accounts", "payments")}, "failing calls pass it, but the errors begin in payments"),
    (deployed(-1.5, "accounts"), {}, "deployed after the first failure"),
    (deployed(3, "accounts"), {"services": [], "failing": passing("accounts"), "healthy": passing("accounts")},
     "healthy calls pass the same version as often"),
    (deployed(3, "accounts"), {"failing": no_spans()}, "no trace of a failing call shows accounts"),
])
def test_a_change_is_cleared_for_the_true_reason(change: ChangeSeen, changes: dict[str, Any], reason: str) -> None:
    (verdict,) = judge_changes([change], scene(**changes))

    assert verdict.score == 0
    assert reason in verdict.why_not[0]
    assert "nothing that fails" not in verdict.why_not[0]


def test_a_change_of_the_service_that_the_gateway_cannot_reach_is_neither_proven_nor_cleared() -> None:
    unreached = {"services": [], "side": "gateway", "failing": passing("api-gateway"), "healthy": passing("api-gateway", "consent")}

    consent, other = judge_changes([deployed(3, "consent"), deployed(3, "cards")], scene(**unreached))

    assert (consent.name, other.score) == ("consent 2.0", 0)
    assert 0.05 <= consent.score < 0.5
    assert "not proven" in consent.why_not[0]


def test_what_healthy_calls_show_as_often_is_no_evidence_but_the_time_before_is() -> None:
    series = [Point(minute, 100, 40 if minute >= 10_000 else 0) for minute in range(9_990, 10_005)]

    (verdict,) = judge_changes([deployed(1)], scene(healthy=spans(*["2.0"] * 20), series=series))

    assert not any("of failing calls pass" in why for why in verdict.why)
    assert "33% of these calls failed so since then, 0% before it" in verdict.why


def test_a_version_that_worked_for_long_before_is_not_blamed() -> None:
    (verdict,) = judge_changes([deployed(18)], scene(healthy=spans(*["2.0"] * 20)))

    assert 0 < verdict.score < 0.5
    assert "healthy calls pass the same version as often" in verdict.why_not
