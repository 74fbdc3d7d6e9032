from __future__ import annotations

from typing import Any

from collectors.gateways import aws


def test_rest_api(rows: Any) -> None:
    row = rows("aws.json", "aws")[0]

    assert (row["method"], row["route"], row["status"], row["partner"]) == ("GET", "/pets/{petId}", 200, "unknown")
    assert row["time_ns"] == 1_690_373_223_000_000_000
    assert (row["gateway_request_id"], row["request_id"]) == ("c12d1542-b79e-4e79-a158-fdf36452a81b", "")
    assert (row["bytes_out"], row["environment"]) == (48, "prod")
    assert row["network"] == "1.128.0.0"


def test_http_api_that_waited_in_vain(rows: Any) -> None:
    row = rows("aws.json", "aws")[1]

    assert (row["route"], row["partner"], row["flag"]) == ("/domestic-payments", "abc123", "INTEGRATION_TIMEOUT")
    assert (row["outcome"], row["message"]) == ("bank_error", "Endpoint request timed out")
    assert row["trace_id"] == "5759e988bd862e3fe1be46a994272793"
    assert row["time_ns"] == 1_686_411_388_123_000_000
    assert row["network"] == "1.128.0.0"


def test_the_address_by_the_name_of_its_variable() -> None:
    call = aws.parse({"requestId": "a", "httpMethod": "GET", "resourcePath": "/pets", "requestTimeEpoch": "1686411388123",
                      "identity": {"sourceIp": "192.0.2.10"}})

    assert call.network == "192.0.2.10"
