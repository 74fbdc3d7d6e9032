from __future__ import annotations

from typing import Any


def test_documented_sample(rows: Any) -> None:
    row = rows("apisix.json", "apisix")[0]

    assert row["time_ns"] == 1_718_291_190_508_000_000
    assert (row["duration_ns"], row["gateway_ms"]) == (1_200_000_047, 67)
    assert (row["responder"], row["upstream_status"], row["service"]) == ("upstream", 200, "3.213.1.197:80")
    assert row["instance"] == "7d8d831179d4"
    assert row["network"] == "192.168.65.1"


def test_refused_by_apisix_itself(rows: Any) -> None:
    row = rows("apisix.json", "apisix")[1]

    assert (row["partner"], row["outcome"], row["responder"]) == ("jack", "partner_error", "gateway")
    assert row["request_id"] == "99391c7e-ad88-49ec-a2ad-99ddcb1f7721"


def test_text_access_log(rows: Any) -> None:
    (row,) = rows("apisix-text.log", "apisix")

    assert row["time_ns"] == 1_718_291_188_800_000_000  # the line is written at the end of the request
    assert (row["partner"], row["upstream_status"]) == ("jack", 200)
    assert row["gateway_request_id"] == "a5f6f3b0a4f04b6c8e1b2c3d4e5f6a7b"
    assert row["network"] == "192.168.65.1"
