from __future__ import annotations

from typing import Any


def test_documented_sample(rows: Any) -> None:
    row = rows("envoy.log", "envoy")[0]

    assert row["time_ns"] == 1_460_751_420_310_000_000
    assert (row["duration_ns"], row["gateway_ms"]) == (226_000_000, 126)
    assert (row["method"], row["route"], row["status"]) == ("POST", "/api/v1/locations", 204)
    assert (row["bytes_in"], row["bytes_out"], row["request_id"]) == (154, 0, "cc21d9b0-cf5c-432b-8c7e-98aeb7988cd2")
    assert row["network"] == "10.0.35.28"


def test_flags_name_the_cause(rows: Any) -> None:
    _, no_host, gone, istio = rows("envoy.log", "envoy")

    assert (no_host["flag"], no_host["outcome"]) == ("UH", "bank_error")
    assert (gone["flag"], gone["status"], gone["outcome"]) == ("DC", 0, "partner_error")
    assert (istio["status"], istio["flag"], istio["responder"]) == (418, "", "upstream")
    assert (no_host["network"], istio["network"]) == ("", "10.44.1.23")


def test_json(rows: Any) -> None:
    (row,) = rows("envoy.json", "envoy")

    assert row["partner"] == "PSDDE-BAFIN-99887"
    assert (row["flag"], row["outcome"], row["service"]) == ("UT", "bank_error", "accounts")
    assert row["route"] == "/open-banking/v3.1/aisp/accounts/{id}"
    assert row["span_id"] == "eee19b7ec3c1b174"
