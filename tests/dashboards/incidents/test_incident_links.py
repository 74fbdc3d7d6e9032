"""Which incident a call is shown in: the one about what failed in it, not any that fits by time and caller."""

from __future__ import annotations

from typing import Any

import pytest
from builders import call, masked, span, span_id, trace_id

from triage.domain.incident import ApiImpact, Episode, Impact, Incident
from triage.domain.windows import HOUR_NS, MINUTE_NS, from_rfc3339
from triage.incidents import documents

NOW = from_rfc3339("2026-03-02T03:15:00Z")
T = NOW - 11 * MINUTE_NS
FAILED = {"method": "POST", "route": "/transfers", "partner": "kite", "status": 504, "outcome": "bank_error", "service": "payments",
          "duration_ns": 30_000_000_000, "upstream_status": 504}


def incident(number: int, **changes: Any) -> Incident:
    plain: dict[str, Any] = {
        "id": f"INC-{number}", "key": f"k{number}", "title": f"problem {number}", "state": "open", "severity": "high",
        "kind": "errors", "whose_side": "bank", "summary": "", "scope": "", "first_seen_ns": T, "last_seen_ns": NOW, "opened_ns": T,
        "partners": [Impact("kite", "Kite", 9, 90)], "apis": [ApiImpact("POST", "/transfers", 9, 90)],
    }
    return Incident(**(plain | changes))


def shown(world: Any, row: dict[str, Any], *there: Incident, spans: tuple[dict[str, Any], ...] = ()) -> str | None:
    """The incident of a call, as scripts are told."""
    for one in there:
        documents.write(world.state, one)
    world.records.append(masked(spans, (), [row]))
    found = world.api("support")("/calls?trace=" + row["trace_id"]).json["items"]
    incident_id: str | None = found[0]["incident_id"]
    return incident_id


def lock_wait(number: int) -> tuple[dict[str, Any], ...]:
    """A trace that goes from payments to core-ledger and fails there."""
    kept = {"trace_id": trace_id(number), "time_ns": T + MINUTE_NS, "status": 2}
    return (span(number, service="payments", **kept),
            span(number + 1, service="core-ledger", parent_id=span_id(number), exception_message="could not obtain lock", **kept))


def failed(number: int, **changes: Any) -> dict[str, Any]:
    return call(number, **(FAILED | {"time_ns": T + MINUTE_NS, "trace_id": trace_id(number)} | changes))


PAYMENTS = incident(301, services=["payments"], severity="critical")
LEDGER = incident(302, services=["core-ledger", "payments"])


def test_a_call_belongs_to_the_incident_of_the_service_where_its_trace_began_to_fail(world: Any) -> None:
    assert shown(world, failed(0x900), PAYMENTS, LEDGER, spans=lock_wait(0x900)) == "INC-302"


def test_a_call_that_failed_elsewhere_is_not_put_into_the_only_incident_of_its_time(world: Any) -> None:
    assert shown(world, failed(0x900), PAYMENTS, spans=lock_wait(0x900)) is None


def test_the_incident_that_holds_the_trace_has_it(world: Any) -> None:
    holding = incident(303, services=["cards"], trace_ids=[trace_id(0x900)], severity="low")

    assert shown(world, failed(0x900), PAYMENTS, LEDGER, holding, spans=lock_wait(0x900)) == "INC-303"


@pytest.mark.parametrize(("there", "expected"), [((PAYMENTS,), "INC-301"), ((PAYMENTS, LEDGER), None)])
def test_without_a_trace_only_the_one_that_fits_alone_is_named(world: Any, there: tuple[Incident, ...], expected: str | None) -> None:
    assert shown(world, failed(0x900), *there) == expected


def test_a_call_of_an_earlier_episode_belongs_to_its_incident(world: Any) -> None:
    back = incident(304, services=["core-ledger"], earlier=[Episode(T - 3 * HOUR_NS, T - 2 * HOUR_NS, 5, 1)])
    early = T - 150 * MINUTE_NS

    assert shown(world, failed(0x900, time_ns=early), back, spans=lock_wait(0x900)) == "INC-304"
    answer = world.api("support")("/lookup?q=" + trace_id(0x900)).json["answer"]
    assert "INC-304" in answer["known_incident"] and "is over" in answer["known_incident"]
    assert shown(world, failed(0x910, time_ns=T - HOUR_NS), spans=lock_wait(0x910)) is None


def test_a_refused_call_belongs_to_the_incident_about_its_error_code(world: Any) -> None:
    for group, code in (("g-cert", "CERTIFICATE_EXPIRED"), ("g-consent", "CONSENT_EXPIRED")):
        world.state.put("group", group, {"id": group, "title": code, "codes": [code], "count": 1, "last_seen_ns": T}, version=None)
    wide = incident(305, whose_side="partner", groups=["g-consent"], severity="critical")
    cert = incident(306, whose_side="partner", groups=["g-cert"])
    refused = failed(0x900, status=401, outcome="partner_error", codes="CERTIFICATE_EXPIRED")

    assert shown(world, refused, wide, cert) == "INC-306"
