from __future__ import annotations

from typing import Any


def test_gin_lines(rows: Any) -> None:
    first, second, access = rows("krakend.log", "krakend")

    assert (first["method"], first["route"], first["status"], first["duration_ns"]) == ("GET", "/ping", 200, 367_667)
    assert second["duration_ns"] == 62_500_000_000
    assert second["time_ns"] + second["duration_ns"] == 1_647_527_500_000_000_000
    assert second["route"] == "/k8s-error/redirect-to-index"
    assert (access["route"], access["duration_ns"]) == ("/user/foo", 12_500_000)
    assert (first["network"], access["network"]) == ("172.18.0.1", "172.18.0.1")
