from __future__ import annotations

from typing import Any


def test_every_form(rows: Any) -> None:
    zoned, named, old, prefixed = rows("spring.log", "spring")

    assert (zoned["time_ns"], zoned["duration_ns"], zoned["bytes_out"]) == (1_709_604_930_123_000_000, 37_000_000, 512)
    assert (named["partner"], named["status"], named["outcome"]) == ("acme", 503, "bank_error")
    assert old["time_ns"] == 1_709_604_930_000_000_000
    assert (prefixed["route"], prefixed["status"]) == ("/accounts/{id}/balances", 404)
    assert {row["network"] for row in (zoned, named, old, prefixed)} == {"10.1.2.3"}
