from __future__ import annotations

from typing import Any

import pytest

from collectors.gateways import neutral
from triage.errors import BadInput


def test_every_known_field(rows: Any) -> None:
    (row,) = rows("neutral.json", "json")

    assert (row["time_ns"], row["duration_ns"], row["gateway_ms"]) == (1_709_633_730_310_000_000, 41_500_000, 1)
    assert (row["method"], row["status"], row["partner"]) == ("POST", 403, "acme")
    assert (row["codes"], row["message"]) == ("CONSENT_UNKNOWN", "no consent")
    assert (row["consent_id"], row["customer_present"]) == ("c-1", True)
    assert row["network"] == "198.51.100.7"  # not the customer's
    assert row["trace_id"] == "5b8efff798038103d269b633813fc60c"


@pytest.mark.parametrize("time", [1e308, "1e308", -1, 0, "", None, [], "2262-04-12T00:00:00Z", "9999-99-99T00:00:00Z", "NaN"])
def test_impossible_times_are_refused(time: Any) -> None:
    with pytest.raises(BadInput):
        neutral.parse({"time": time, "method": "GET", "path": "/"})


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        (1709633730, 1_709_633_730_000_000_000), (1709633730310, 1_709_633_730_310_000_000),
        ("1709633730.310", 1_709_633_730_310_000_000), (1709633730310000000, 1_709_633_730_310_000_000),
        ("2024-03-05T12:15:30.31+02:00", 1_709_633_730_310_000_000),
    ],
)
def test_times_in_any_unit(time: Any, expected: int) -> None:
    assert neutral.parse({"time": time, "method": "GET", "path": "/"}).time_ns == expected
