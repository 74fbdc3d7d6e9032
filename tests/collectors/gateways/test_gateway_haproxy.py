from __future__ import annotations

from typing import Any


def test_documented_samples(rows: Any) -> None:
    first, refused, timeout = rows("haproxy.log", "haproxy")

    assert (first["time_ns"], first["duration_ns"]) == (1_233_922_454_655_000_000, 109_000_000)
    assert (first["service"], first["instance"], first["bytes_out"]) == ("static", "srv1", 2750)
    assert (refused["status"], refused["method"], refused["flag"]) == (408, "", "cR")
    assert (timeout["outcome"], timeout["flag"], timeout["service"]) == ("bank_error", "sH", "accounts")
    assert (first["network"], refused["network"]) == ("10.0.1.2", "127.0.0.1")


def test_ids_among_captured_headers(rows: Any) -> None:
    row = rows("haproxy.log", "haproxy")[2]

    assert row["trace_id"] == "5b8efff798038103d269b633813fc60c"
    assert row["request_id"] == "93bac548-d2de-4546-b106-880a5018460d"
