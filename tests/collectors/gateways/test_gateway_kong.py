from __future__ import annotations

from typing import Any

import pytest

from collectors.gateways import kong
from triage.errors import BadInput


def test_documented_sample(rows: Any) -> None:
    (row,) = rows("kong.json", "kong")

    assert row["time_ns"] == 1_726_783_839_538_000_000
    assert row["duration_ns"] == 173_000_000
    assert (row["method"], row["route"], row["status"], row["outcome"]) == ("GET", "/example-route", 200, "ok")
    assert row["gateway_request_id"] == "2f6946328ffc4946b8c9120704a4a155"
    assert (row["service"], row["gateway_ms"], row["responder"]) == ("example_service", 1, "upstream")
    assert (row["source"], row["witness"], row["partner"]) == ("kong", "line", "unknown")
    assert row["network"] == "192.168.65.1"


def test_an_open_banking_call_after_a_retry(rows: Any) -> None:
    row = rows("kong-bank.json", "kong")[0]

    assert row["partner"] == "acme-finance"
    assert row["route"] == "/open-banking/v3.1/aisp/accounts/{account_id}/balances"
    assert row["resource_ref"] == "22289"
    assert row["upstream_status"] == 503
    assert row["outcome"] == "bank_error"
    assert row["customer_present"] is True
    assert row["interaction_id"] == "93bac548-d2de-4546-b106-880a5018460d"
    assert row["trace_id"] == "5b8efff798038103d269b633813fc60c"  # traceparent goes before Kong's own
    assert row["idempotency"] == "FRESCO.21302.GFX.20"


def test_refused_by_kong_itself(rows: Any) -> None:
    row = rows("kong-bank.json", "kong")[1]

    assert (row["status"], row["responder"], row["upstream_status"]) == (429, "gateway", 0)
    assert row["outcome"] == "partner_error"
    assert row["trace_id"] == "5b8efff798038103d269b633813fc60d"


def test_timeout_of_the_upstream_is_the_banks(rows: Any) -> None:
    call = kong.parse({"request": {"method": "GET", "uri": "/a"}, "response": {"status": 504}, "started_at": 1726783839538,
                       "source": "kong", "latencies": {"kong": 2, "proxy": -1, "request": 60001}})

    assert call.responder == ""


def test_text_access_log(rows: Any) -> None:
    (row,) = rows("kong-text.log", "kong")

    assert row["gateway_request_id"] == "2f6946328ffc4946b8c9120704a4a155"
    assert row["time_ns"] == 1_726_783_839_000_000_000
    assert row["network"] == "192.168.65.1"


@pytest.mark.parametrize("entry", [{}, {"request": {}}, {"request": {"method": "GET"}}, "{", "[]", "plain"])
def test_what_is_no_entry_is_refused(entry: Any) -> None:
    with pytest.raises(BadInput):
        kong.parse(entry)
