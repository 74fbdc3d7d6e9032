from __future__ import annotations

from typing import Any

from collectors.gateways.read import read_lines
from triage.domain.records import Records


def test_common_combined_and_vhost(rows: Any) -> None:
    combined, common, dummy, vhost = rows("apache.log", "apache")

    assert (combined["time_ns"], combined["bytes_out"]) == (1_431_857_103_000_000_000, 203_023)
    assert (common["partner"], common["time_ns"]) == ("frank", 971_211_336_000_000_000)
    assert (dummy["method"], dummy["bytes_out"]) == ("OPTIONS", 0)
    assert (vhost["duration_ns"], vhost["status"]) == (41_234_000, 500)
    assert [row["network"] for row in (combined, common, dummy, vhost)] == ["83.149.9.216", "127.0.0.1", "::1", "192.0.2.10"]


def test_ten_thousand_lines_without_a_reject() -> None:
    line = '83.149.9.216 - - [17/May/2015:10:05:03 +0000] "GET /a/{}?q=1 HTTP/1.1" {} 203023 "-" "Mozilla/5.0 (X11; Linux)"'
    records = Records()

    kind = read_lines("auto", "\n".join(line.format(n, 200 + n % 5) for n in range(10_000)).encode(), records)

    assert kind in ("nginx", "apache")
    assert (records.size("calls"), records.rejected) == (10_000, [])
    assert len(set(records.calls["witness_id"])) == 10_000
