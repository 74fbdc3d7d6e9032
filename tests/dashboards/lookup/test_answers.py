"""What support reads out: whole sentences, whatever was asked for."""

from __future__ import annotations

from typing import Any

import pytest

from dashboards.lookup.words import answer_for, miss_for
from triage.domain.windows import from_rfc3339

NOW = from_rfc3339("2026-03-02T15:00:00Z")
AT = from_rfc3339("2026-03-02T14:04:00Z")


def row(**fields: Any) -> dict[str, Any]:
    return {"time_ns": AT, "method": "GET", "route": "/x", "status": 500, "outcome": "bank_error", "duration_ns": 10**8, "codes": "",
            "partner": "penny", "responder": "service", "upstream_status": 500, "service": "s", **fields}


@pytest.mark.parametrize(("fields", "partner", "happened", "tell"), [
    ({}, "acme-pay", "the customer tried to get information in the acme-pay app.", "Your request today at 14:04 (UTC) did not work"),
    ({"route": "/consents/{}"}, "Penny Owl Budgeting", "tried to look at a permission for the account in the Penny Owl Budgeting app.",
     "Your request to look at a permission for the account today"),
    ({"route": "/accounts/{}"}, "Moneta", "tried to read account details in the Moneta app.",
     "Your request to read account details today at 14:04 (UTC) did not work because of a fault on our side."),
    ({"route": "/payments", "method": "POST", "status": 400}, "Moneta", "tried to make a payment in the Moneta app.",
     "Your payment today at 14:04 (UTC) did not go through because of a fault on our side."),
    ({}, "My Budget App", "tried to get information in the My Budget App.", "Your request today"),
    ({"outcome": "ok", "status": 200, "route": "/accounts"}, "Moneta", "It worked.", "Your request to read account details today"),
])
def test_answers_are_natural_sentences(fields: dict[str, Any], partner: str, happened: str, tell: str) -> None:
    call = row(**fields)
    answer = answer_for(call, [call], partner, None, NOW)
    assert happened in answer.what_happened
    assert tell in answer.tell_customer


def test_what_may_not_be_seen_is_not_said_to_be_unknown() -> None:
    answer = miss_for("not_permitted")
    assert "security team" in answer.what_happened
    assert "not found" not in answer.known_incident
