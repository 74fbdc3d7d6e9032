from __future__ import annotations

from typing import Any

import pytest

from collectors.gateways import tyk
from triage.errors import BadInput


def test_record_of_the_pump(rows: Any) -> None:
    (row,) = rows("tyk.json", "tyk")

    assert row["time_ns"] == 1_709_633_730_500_000_000
    assert (row["partner"], row["service"], row["resource_ref"]) == ("acme-finance", "accounts", "22289")
    assert row["codes"] == "UK.OBIE.Resource.NotFound"  # of the payload only the code is kept
    assert row["message"] == "No such account"
    assert row["interaction_id"] == "93bac548-d2de-4546-b106-880a5018460d"
    assert row["network"] == "10.0.0.9"


def test_access_log_without_a_year_is_placed_in_the_nearest(rows: Any) -> None:
    row = rows("tyk.log", "tyk")[0]

    assert row["time_ns"] == 1_709_633_729_959_000_000  # 2024-03-05T10:15:30Z less 41 ms
    assert (row["status"], row["responder"], row["gateway_ms"]) == (200, "upstream", 2)
    assert row["trace_id"] == "5b8efff798038103d269b633813fc60c"
    assert row["network"] == "10.0.0.9"


def test_flag_of_the_access_log(rows: Any) -> None:
    row = rows("tyk.log", "tyk")[1]

    assert (row["flag"], row["outcome"], row["message"]) == ("CBO", "bank_error", "circuit breaker open")


@pytest.mark.parametrize("line", ["time=x level=info msg=hello", 'time="Foo 99 10:15:30" method=GET path=/ status=200'])
def test_what_is_no_access_line_is_refused(line: str) -> None:
    with pytest.raises(BadInput):
        tyk.parse(line)
