"""Partners that abuse what they were given, and partners that only look so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from builders import MINUTE, SECOND, T0, call, error_rollups, table

from triage.analyse.abnormal_use.misuse import Misuse, Seen, judge_use
from triage.analyse.abnormal_use.overuse import Agreed, Terms, role_of
from triage.analyse.abnormal_use.refused import ABUSE_COLUMNS, REFUSED
from triage.analyse.abnormal_use.usage import use_rollups
from triage.analyse.problems import Problem
from triage.analyse.rollup import call_rollups, with_api
from triage.analyse.rows import ErrorRows
from triage.calls.join import derive_calls
from triage.domain.finding import Finding

Row = dict[str, Any]
HOUR = 60 * MINUTE
FIRST = T0 // MINUTE
NAMES = {"alpha": "Alpha"}
NOTHING = Agreed()


class Day:
    """Calls of some partners, one after the other in time."""

    def __init__(self) -> None:
        self.rows: list[Row] = []

    def add(self, count: int, every: int, start: int = 0, **columns: Any) -> Day:
        """`count` calls, one `every` ns from `start` on; what is callable is called with the number of the call."""
        for number in range(count):
            own = {name: value(number) if callable(value) else value for name, value in columns.items()}
            self.rows.append(call(len(self.rows) + 1, **{"time_ns": T0 + start + number * every, "partner": "alpha", **own}))
        return self

    def usual(self, hours: float = 2, every: int = 5 * SECOND, partner: str = "alpha", **columns: Any) -> Day:
        """Calls of a partner that go well, with the customer present in most."""
        return self.add(int(hours * HOUR / every), every, **{
            "partner": partner, "customer": lambda n: f"c{n % 40}", "consent_id": lambda n: f"consent-{n % 40}",
            "customer_present": lambda n: n % 3 > 0, "network": "home", **columns})

    def refused(self, count: int, every: int, start: int = HOUR, status: int = 403, codes: str = "", **columns: Any) -> Day:
        """Refused calls."""
        return self.add(count, every, start, status=status, outcome="partner_error", codes=codes, **{"network": "home", **columns})

    def judged(self, agreed: Agreed = NOTHING, known: Any = None, problems: Sequence[Problem] = ()) -> Misuse:
        """What partner use says at the end of the last call."""
        calls = with_api(derive_calls(table("calls", self.rows)))
        minutes = calls.column("minute").to_numpy()
        refused = calls.filter(np.isin(calls.column("status").to_numpy(), REFUSED)).select(list(ABUSE_COLUMNS))
        start, end = int(minutes.min()), int(minutes.max()) + 1
        seen = Seen(refused, call_rollups(calls), use_rollups(calls), known or {}, start, end, start)
        return judge_use(seen, problems, ErrorRows.of(error_rollups([]), {}), agreed, NAMES)

    def finding(self, **given: Any) -> Finding:
        """The one finding."""
        (finding,) = self.judged(**given).findings
        return finding


def quiet() -> Day:
    """Two hours of three partners."""
    return Day().usual().usual(partner="beta").usual(partner="gamma")


def test_ordinary_use_is_no_abuse() -> None:
    assert quiet().judged().findings == []


def test_a_walk_through_accounts_is_found_and_kept_to_security() -> None:
    finding = quiet().refused(40, 2 * SECOND, resource_ref=lambda n: f"r{n}").finding()

    assert (finding.kind, finding.restricted, finding.whose_side) == ("abnormal_use", True, "partner")
    assert [partner.name for partner in finding.partners] == ["Alpha"]
    assert (finding.since_ns, finding.until_ns) == (T0 + HOUR, T0 + HOUR + 39 * 2 * SECOND)


@pytest.mark.parametrize("status", [400, 403, 404])
def test_a_slow_walk_is_found_too_whatever_it_is_answered(status: int) -> None:
    assert quiet().refused(40, MINUTE, status=status, resource_ref=lambda n: f"r{n}").judged().findings


def test_the_curve_counts_the_refused_calls() -> None:
    finding = quiet().refused(40, 2 * SECOND, resource_ref=lambda n: f"r{n}").finding()

    assert sum(point.failed for point in finding.series) == finding.failed_calls == 40
    assert all(point.failed <= point.calls for point in finding.series)


def test_a_partner_of_accounts_is_compared_with_others_that_ask_for_accounts() -> None:
    day = Day().usual().usual(partner="beta")  # refused on accounts now and then; gamma only pays
    day.usual(every=SECOND, partner="gamma", method="POST", route="/pisp/domestic-payments")
    day.refused(12, 8 * MINUTE, 0, partner="beta", resource_ref=lambda n: f"b{n}")

    assert day.refused(40, 2 * MINUTE, 0, resource_ref=lambda n: f"r{n}").judged().findings == []


def test_a_walk_on_an_api_that_nobody_else_calls_is_found() -> None:
    assert quiet().refused(60, 10 * SECOND, resource_ref=lambda n: f"r{n}", route="/aisp/party/{id}").judged().findings


def test_a_walk_through_consents_is_called_so() -> None:
    finding = quiet().refused(40, 2 * SECOND, resource_ref=lambda n: f"r{n}", route="/aisp/account-access-consents/{id}").finding()

    assert "consents" in finding.title


@pytest.mark.parametrize("columns", [
    {"resource_ref": lambda n: f"r{n % 4}"},  # a broken client asks for the same few
    {"resource_ref": ""},
])
def test_other_refusals_are_no_walk(columns: Row) -> None:
    assert quiet().refused(200, 2 * SECOND, **columns).judged().findings == []


def test_what_all_partners_do_is_not_abnormal() -> None:
    day = quiet()
    for partner in ("alpha", "beta", "gamma"):
        day.refused(30, 10 * SECOND, partner=partner, resource_ref=lambda n: f"r{n}")

    assert day.judged().findings == []


@pytest.mark.parametrize(("status", "codes"), [(401, "invalid_token"), (401, "invalid_client"), (400, "invalid_grant"), (401, "")])
def test_many_refused_tokens_beside_good_calls_are_guessing(status: int, codes: str) -> None:
    finding = quiet().refused(120, 2 * SECOND, status=status, codes=codes, route="/oauth2/token").finding()

    assert "tokens" in finding.title
    assert "0 are usual" in finding.summary


def test_an_app_that_logs_everybody_in_again_is_given_new_tokens() -> None:
    day = quiet().refused(120, 2 * SECOND, status=401, codes="invalid_token")

    assert day.add(110, 2 * SECOND, HOUR, method="POST", route="/oauth2/token").judged().findings == []


def test_a_partner_whose_every_call_is_refused_has_lost_its_access_and_does_not_guess() -> None:
    day = Day().usual(hours=1).usual(partner="beta")

    assert day.refused(600, 2 * SECOND, status=401, codes="invalid_client").judged().findings == []


def test_a_token_service_that_fails_for_many_partners_is_nobodys_abuse() -> None:
    day = quiet().usual(partner="delta")
    for partner in ("alpha", "beta", "gamma", "delta"):
        day.refused(120, 2 * SECOND, status=401, codes="invalid_token", partner=partner)

    assert day.judged().findings == []


def test_few_refused_tokens_beside_good_calls_wait_until_it_is_plain_what_they_are() -> None:
    rows = ErrorRows.of(error_rollups([{"minute": FIRST + 60, "partner": "alpha", "outcome": "partner_error", "count": 10}]), {})
    problem = Problem("errors", FIRST + 60, FIRST + 60, np.ones(1, bool), "partner:alpha")
    day = quiet().refused(10, 2 * SECOND, status=401, codes="invalid_token")
    calls = with_api(derive_calls(table("calls", day.rows)))
    refused = calls.filter(np.isin(calls.column("status").to_numpy(), REFUSED))
    seen = Seen(refused, call_rollups(calls), use_rollups(calls), {}, FIRST, FIRST + 120, FIRST)

    assert judge_use(seen, [problem], rows, Agreed(), NAMES).problems == []
    assert judge_use(replace(seen, refused=refused.slice(0, 0)), [problem], rows, Agreed(), NAMES).problems == [problem]


@pytest.mark.parametrize(("minutes", "left"), [(1, 0), (3, 1)])
def test_the_first_minute_of_refused_tokens_tells_nothing_of_the_other_calls(minutes: int, left: int) -> None:
    last = FIRST + 60 + minutes - 1
    rows = ErrorRows.of(error_rollups([
        {"minute": minute, "partner": "alpha", "outcome": "partner_error", "count": 8} for minute in range(FIRST + 60, last + 1)]), {})
    problem = Problem("errors", FIRST + 60, last, np.ones(minutes, bool), "partner:alpha")
    day = Day().usual(hours=1).usual(partner="beta").refused(8 * minutes, 7 * SECOND, status=401, codes="invalid_token")
    calls = with_api(derive_calls(table("calls", day.rows)))
    refused = calls.filter(np.isin(calls.column("status").to_numpy(), REFUSED))
    seen = Seen(refused, call_rollups(calls), use_rollups(calls), {}, FIRST, FIRST + 120, FIRST)

    assert len(judge_use(seen, [problem], rows, Agreed(), NAMES).problems) == left


def test_dead_consents_that_are_used_again_and_again_are_told() -> None:
    finding = quiet().refused(
        100, 6 * SECOND, status=401, codes="CONSENT_EXPIRED", consent_id=lambda n: f"old-{n % 5}").finding()

    assert "consents that have ended" in finding.title
    assert "5 expired or revoked consents" in finding.summary


def test_a_wave_of_consents_that_expire_is_asked_for_once_each() -> None:
    day = quiet().refused(100, 6 * SECOND, status=401, codes="CONSENT_EXPIRED", consent_id=lambda n: f"old-{n}")

    assert day.judged().findings == []


def test_functions_that_a_partner_never_used_and_is_refused_on_are_told() -> None:
    finding = quiet().refused(30, 5 * SECOND, route=lambda n: f"/admin/thing-{'abc'[n % 3]}").finding()

    assert "never used" in finding.title
    assert len(finding.apis) == 3


def test_a_partner_whose_certificate_has_expired_is_refused_on_functions_that_it_had_not_used_yet_as_everywhere() -> None:
    refused: Row = {"status": 401, "codes": "CERTIFICATE_EXPIRED"}
    day = Day().usual(hours=1).usual(partner="beta").usual(partner="gamma")
    day.refused(24, 2 * MINUTE, HOUR, route=lambda n: f"/new/{n % 4}", **refused).refused(48, MINUTE, HOUR, **refused)

    assert day.judged().findings == []


@pytest.mark.parametrize("columns", [
    {"status": 200, "outcome": "ok"},  # a new feature that works
    {"route": "/aisp/new"},  # one API that is not set up yet
])
def test_a_new_integration_is_no_probing(columns: Row) -> None:
    day = quiet().add(30, 5 * SECOND, HOUR, **{
        "route": lambda n: f"/aisp/new-{'abc'[n % 3]}", "status": 403, "outcome": "partner_error", **columns})

    assert day.judged().findings == []


def test_calls_beyond_the_role_of_the_directory_are_told_although_they_succeed() -> None:
    day = quiet().add(20, 5 * SECOND, HOUR, method="POST", route="/open-banking/v4.0/pisp/domestic-payments")

    assert "no role" in day.finding(agreed=Agreed({"alpha": Terms(frozenset({"AISP"}))})).title
    assert day.judged(Agreed({"alpha": Terms(frozenset({"AISP", "PISP"}))})).findings == []
    assert day.judged().findings == []


@pytest.mark.parametrize(("route", "role"), [
    ("/open-banking/v4.0/aisp/accounts", "AISP"), ("/open-banking/v4.0/pisp/domestic-payments", "PISP"),
    ("/open-banking/v3.1/cbpii/funds-confirmations", "CBPII"), ("/v1/payments/sepa-credit-transfers", "PISP"),
    ("/v1/accounts/{id}/balances", "AISP"), ("/oauth2/token", ""), ("/v1/consents", ""),
])
def test_the_role_follows_from_the_route(route: str, role: str) -> None:
    assert role_of(route) == role


def test_a_credential_from_many_new_networks_is_told() -> None:
    finding = quiet().add(200, 3 * SECOND, HOUR, network=lambda n: f"net-{n % 30}").finding()

    assert "many new networks" in finding.title
    assert "30 of them never seen before" in finding.summary


@pytest.mark.parametrize("networks", [1, 3])
def test_a_partner_that_moves_its_servers_is_not_in_many_places(networks: int) -> None:
    assert quiet().add(200, 3 * SECOND, HOUR, network=lambda n: f"net-{n % networks}").judged().findings == []


def test_a_partner_that_always_called_from_everywhere_is_as_usual() -> None:
    day = Day().add(1440, 5 * SECOND, network=lambda n: f"net-{n}").usual(partner="beta")

    assert day.judged().findings == []


KNOWN = {"alpha": {"apis": {"GET /accounts/{id}": FIRST - 3000}, "places": [], "customers": []}}


def test_data_of_very_many_customers_that_were_never_asked_for_are_an_extraction() -> None:
    day = quiet().add(600, SECOND, HOUR, customer=lambda n: f"stranger-{n}")

    finding = day.finding(known=KNOWN)

    assert "never asked for before" in finding.title
    assert finding.severity == "high"


def test_a_monthly_batch_goes_through_customers_that_are_known() -> None:
    day = quiet().add(2_000, SECOND, HOUR, customer=lambda n: f"c{n % 40}")

    assert day.judged(known=KNOWN).findings == []


def test_a_partner_that_grows_has_a_new_consent_for_each_new_customer() -> None:
    day = quiet().add(600, SECOND, HOUR, customer=lambda n: f"new-{n}")
    day.add(500, SECOND, HOUR, method="POST", route="/account-access-consents")

    assert day.judged(known=KNOWN).findings == []


def test_on_a_partners_first_day_every_customer_is_new() -> None:
    assert quiet().add(600, SECOND, HOUR, customer=lambda n: f"stranger-{n}").judged().findings == []


def test_traffic_beyond_the_agreed_limit_is_told() -> None:
    day = quiet().add(1_800, SECOND // 2, HOUR)

    assert "60" in day.finding(agreed=Agreed({"alpha": Terms(calls_per_minute=60)})).summary
    assert day.judged(Agreed({"alpha": Terms(calls_per_minute=200)})).findings == []
    assert "agreed" in day.finding(agreed=Agreed({"alpha": Terms(calls_per_day=2_000)})).title


def test_one_full_minute_is_no_traffic_beyond_the_limit() -> None:
    assert quiet().add(120, SECOND // 2, HOUR).judged(Agreed({"alpha": Terms(calls_per_minute=60)})).findings == []


def hourly(every_hours: float, hours: int = 12) -> Day:
    """Thirty customers whose accounts are read without them every so often."""
    day = Day()
    for partner in ("beta", "gamma"):
        day.usual(hours=hours, every=MINUTE, partner=partner, customer_present=True)
    for visit in range(int(hours / every_hours)):
        start = int(visit * every_hours * HOUR)
        day.add(30, SECOND, start, customer=lambda n: f"c{n}", consent_id=lambda n: f"consent-a{n}", network="home")
    return day


def test_accesses_without_the_customer_beyond_four_a_day_are_told() -> None:
    assert "without the customer" in hourly(1).finding().title


@pytest.mark.parametrize("agreed", [Agreed(), Agreed(unattended_per_day=0)])
def test_four_accesses_a_day_are_allowed(agreed: Agreed) -> None:
    assert hourly(3 if agreed.unattended_per_day else 1).judged(agreed).findings == []


def test_where_the_gateway_does_not_say_who_is_present_nothing_is_unattended() -> None:
    day = hourly(1)
    day.rows = [row | {"customer_present": False} for row in day.rows]

    assert day.judged().findings == []


@pytest.mark.parametrize("bad", [
    {"status": 403, "resource_ref": lambda n: f"r{n}"}, {"status": 401, "codes": "invalid_token"},
    {"status": 401, "codes": "CONSENT_EXPIRED", "consent_id": "old"}, {"status": 403, "route": lambda n: f"/a/{'abcd'[n % 4]}"},
])
def test_a_partner_with_a_handful_of_calls_a_day_is_safe(bad: Row) -> None:
    day = Day().usual(hours=4, every=30 * MINUTE).usual(hours=4, partner="beta")

    assert day.refused(8, MINUTE, start=2 * HOUR, **bad).judged().findings == []


def test_several_signs_of_a_partner_are_one_finding() -> None:
    day = quiet().refused(40, 2 * SECOND, resource_ref=lambda n: f"r{n}").add(200, 3 * SECOND, HOUR, network=lambda n: f"net-{n % 30}")

    finding = day.finding()

    assert "different resources" in finding.summary
    assert "networks" in finding.summary


def test_what_is_known_of_partners_is_learned_an_hour_late() -> None:
    known = quiet().judged().known

    assert known["alpha"]["apis"] == {"GET /accounts/{id}": FIRST}
    assert len(known["alpha"]["customers"]) == 40
    assert Day().usual(hours=0.5).judged().known == {}


@pytest.mark.parametrize(("begins", "left"), [(FIRST + 70, 0), (FIRST + 100, 1)])
def test_the_end_of_abuse_is_no_silence(begins: int, left: int) -> None:
    problem = Problem("traffic_drop", begins, begins + 10, np.zeros(0, bool), "partner:alpha")

    judged = quiet().add(200, 3 * SECOND, HOUR, network=lambda n: f"net-{n % 30}").judged(problems=[problem])

    assert len(judged.problems) == left
