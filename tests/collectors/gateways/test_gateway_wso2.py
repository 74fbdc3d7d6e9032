from __future__ import annotations

from typing import Any


def test_response(rows: Any) -> None:
    row = rows("wso2.log", "wso2")[0]

    assert row["time_ns"] == 1_642_649_676_451_000_000
    assert (row["duration_ns"], row["gateway_ms"]) == (73_000_000, 60)
    assert (row["partner"], row["route"], row["service"]) == ("admin", "/api1/2.0.0/*", "SampleAPI")
    assert row["network"] == "172.16.2.70"
    assert (row["upstream_status"], row["responder"], row["environment"]) == (202, "upstream", "sandbox")


def test_throttled(rows: Any) -> None:
    row = rows("wso2.log", "wso2")[1]

    assert (row["partner"], row["codes"], row["flag"]) == ("AcmeApp", "900803", "THROTTLED")
    assert (row["upstream_status"], row["outcome"]) == (0, "partner_error")
