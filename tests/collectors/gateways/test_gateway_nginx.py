from __future__ import annotations

from typing import Any


def test_combined(rows: Any) -> None:
    first, second, handshake, quoted = rows("nginx-combined.log", "nginx")

    assert (first["time_ns"], first["method"], first["route"], first["bytes_out"]) == (1_477_399_773 * 10**9, "GET", "/", 612)
    assert (second["route"], second["status"]) == ("/open-banking/v4.0/pisp/domestic-payments", 201)
    assert (handshake["method"], handshake["status"]) == ("", 400)
    assert quoted["status"] == 404
    assert {row["network"] for row in (first, second, handshake, quoted)} == {"67.43.156.13"}  # one has its virtual host in front


def test_json_with_the_names_of_nginx_variables(rows: Any) -> None:
    row = rows("nginx.json", "nginx")[0]

    assert row["time_ns"] == 1_709_633_730_500_000_000  # msec is the end
    assert row["duration_ns"] == 39_000_000
    assert row["partner"] == "PSDGB-FCA-765112"
    assert row["route"] == "/open-banking/v3.1/aisp/accounts/{id}/transactions"
    assert (row["upstream_status"], row["responder"], row["outcome"]) == (502, "upstream", "bank_error")
    assert (row["gateway_ms"], row["customer_present"], row["sampled"]) == (3, True, False)
    assert row["trace_id"] == "5b8efff798038103d269b633813fc60c"
    assert (row["gateway_request_id"], row["request_id"]) == ("2f6946328ffc4946b8c9120704a4a155", "")
    assert row["network"] == "192.0.2.10"


def test_no_answer_of_the_upstream_in_time(rows: Any) -> None:
    row = rows("nginx.json", "nginx")[1]

    assert (row["status"], row["upstream_status"], row["outcome"]) == (504, 0, "bank_error")
    assert row["time_ns"] == 1_709_633_731 * 10**9 - 60_001_000_000
