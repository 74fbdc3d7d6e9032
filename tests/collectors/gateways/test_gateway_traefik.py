from __future__ import annotations

from typing import Any


def test_json(rows: Any) -> None:
    (row,) = rows("traefik.json", "traefik")

    assert row["time_ns"] == 1_709_633_730_123_456_789
    assert (row["duration_ns"], row["gateway_ms"]) == (41_000_000, 2)
    assert (row["service"], row["upstream_status"], row["outcome"]) == ("accounts@docker", 502, "bank_error")
    assert row["request_id"] == "99391c7e-ad88-49ec-a2ad-99ddcb1f7721"
    assert (row["trace_id"], row["span_id"]) == ("5b8efff798038103d269b633813fc60c", "eee19b7ec3c1b174")
    assert row["network"] == "10.0.1.2"


def test_common_format(rows: Any) -> None:
    served, unrouted = rows("traefik.log", "traefik")

    assert (served["partner"], served["service"], served["duration_ns"]) == ("acme", "10.0.0.9:8080", 41_000_000)
    assert (unrouted["status"], unrouted["responder"]) == (404, "gateway")
    assert {served["network"], unrouted["network"]} == {"10.0.1.2"}
