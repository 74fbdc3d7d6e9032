"""Traffic: the same for a seed, complete, well formed, and two witnesses of one call agree."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any

import numpy as np
import pytest
from otlp_decoding import ReadSpan, lines, logs, roots, spans

from triage.simulator.bank import Bank, default_bank, small_bank
from triage.simulator.fault_types import NS
from triage.simulator.faults import upstream_timeout
from triage.simulator.traffic import Payload, Simulator

T0 = 1_790_000_000 * NS
MINUTE = 60 * NS
HEADER = "http.request.header."


@pytest.fixture(scope="module")
def played(bank: Bank) -> list[Payload]:
    return list(Simulator(5, bank).play(T0, T0 + 3 * MINUTE))


@pytest.fixture(scope="module")
def found(played: list[Payload]) -> list[ReadSpan]:
    return spans(played)


def test_same_seed_same_bytes(bank: Bank) -> None:
    faults = [upstream_timeout(bank, T0, T0 + MINUTE)]
    first, second = (list(Simulator(9, bank, faults).play(T0, T0 + MINUTE)) for _ in range(2))
    assert first == second
    assert list(Simulator(10, bank, faults).play(T0, T0 + MINUTE)) != first


def test_slices_hold_the_same_calls_as_one_stretch(bank: Bank) -> None:
    whole, sliced = Simulator(9, bank), Simulator(9, bank)
    at_once = [call.trace_hex for call in whole.calls(T0, T0 + MINUTE)]
    piecewise = [
        call.trace_hex for at in range(T0, T0 + MINUTE, 1_700_000_000)
        for call in sliced.calls(at, min(at + 1_700_000_000, T0 + MINUTE))
    ]
    assert piecewise == at_once
    assert len(set(at_once)) == len(at_once)


def test_faults_leave_other_calls_alone(bank: Bank) -> None:
    quiet = {call.trace_hex: call for call in Simulator(9, bank).calls(T0, T0 + MINUTE)}
    troubled = Simulator(9, bank, [upstream_timeout(bank, T0, T0 + MINUTE)]).calls(T0, T0 + MINUTE)
    untouched = [call for call in troubled if call.fault < 0]
    assert untouched
    assert all(quiet[call.trace_hex].totals == call.totals for call in untouched)


def test_counts_are_true(played: list[Payload], found: list[ReadSpan]) -> None:
    assert sum(payload.spans for payload in played) == len(found)
    assert sum(payload.logs for payload in played) == len(logs(played))
    line_count = sum(len(lines(played, front)) for front in ("kong", "nginx", "envoy"))
    assert sum(payload.calls for payload in played) == line_count + len(roots(found))


def test_payloads_come_in_time_order(bank: Bank) -> None:
    ends = [call.start + call.totals[0] for call in Simulator(5, bank).calls(T0, T0 + MINUTE)]
    assert ends == sorted(ends)
    assert ends[0] >= T0
    assert ends[-1] < T0 + MINUTE


def test_traces_are_trees_in_time(found: list[ReadSpan]) -> None:
    by_id = {span.raw.span_id: span for span in found}
    assert len(by_id) == len(found)
    for span in found:
        assert span.raw.end_time_unix_nano >= span.raw.start_time_unix_nano
        if span.raw.parent_span_id:
            parent = by_id[span.raw.parent_span_id]
            assert parent.raw.trace_id == span.raw.trace_id
            assert parent.raw.start_time_unix_nano <= span.raw.start_time_unix_nano
            assert span.raw.end_time_unix_nano <= parent.raw.end_time_unix_nano
        else:
            assert span.resource["service.name"] == "api-gateway"
    assert 4 <= len(found) / len(roots(found)) <= 7


def test_roots_name_the_call(bank: Bank, found: list[ReadSpan]) -> None:
    partners = {partner.id for partner in bank.partners}
    routes = {(api.method, api.route) for api in bank.apis}
    for root in roots(found):
        attributes = root.attributes
        assert attributes[HEADER + "x-consumer-username"][0] in partners
        assert (attributes["http.request.method"], attributes["http.route"]) in routes
        assert "{" not in attributes["url.path"]
        status = attributes["http.response.status_code"]
        assert root.raw.status.code == (2 if status >= 500 else 0)
        assert (HEADER + "x-fapi-interaction-id" in attributes) == attributes["http.route"].startswith("/open-banking")


def test_one_service_writes_old_names(found: list[ReadSpan]) -> None:
    old = {span.resource["service.name"] for span in found if "http.status_code" in span.attributes}
    new = {span.resource["service.name"] for span in found if "http.response.status_code" in span.attributes}
    assert old == {"card-service"}
    assert {"api-gateway", "accounts-service", "core-banking"} <= new


def _witnessed(played: list[Payload]) -> dict[str, dict[str, Any]]:
    """Line of each trace as method, status, start and duration in milliseconds, and gateway request ID."""
    witnessed = {}
    for line in lines(played, "kong"):
        witnessed[line["trace_id"]["w3c"]] = {
            "method": line["request"]["method"], "status": line["response"]["status"], "start": line["started_at"],
            "ms": line["latencies"]["request"], "id": line["request"]["id"], "partner": line["consumer"]["username"]}
    for line in lines(played, "nginx"):
        ms = round(line["request_time"] * 1000)
        witnessed[line["traceparent"].split("-")[1]] = {
            "method": line["request_method"], "status": line["status"], "start": round(float(line["msec"]) * 1000) - ms,
            "ms": ms, "id": line["request_id"], "partner": line["http_x_consumer_username"]}
    for line in lines(played, "envoy"):
        start = datetime.fromisoformat(line["start_time"]).timestamp() * 1000
        witnessed[line["trace_id"]] = {
            "method": line["method"], "status": line["response_code"], "start": round(start), "ms": line["duration"],
            "id": line["x_request_id"], "partner": line["x_consumer_username"]}
    return witnessed


def test_two_witnesses_of_a_call_agree(played: list[Payload], found: list[ReadSpan]) -> None:
    by_trace = _witnessed(played)
    both = [root for root in roots(found) if root.raw.trace_id.hex() in by_trace]
    assert 0.3 < len(both) / len(roots(found)) < 0.7
    assert len(both) < len(by_trace)
    for root in both:
        line, attributes = by_trace[root.raw.trace_id.hex()], root.attributes
        assert line["method"] == attributes["http.request.method"]
        assert line["status"] == attributes["http.response.status_code"]
        assert line["partner"] == attributes[HEADER + "x-consumer-username"][0]
        assert abs(line["start"] - root.raw.start_time_unix_nano / 1e6) <= 3
        assert abs(line["ms"] - (root.raw.end_time_unix_nano - root.raw.start_time_unix_nano) / 1e6) <= 1
        ids = (attributes.get("http.response.header.x-kong-request-id") or attributes.get(HEADER + "x-request-id") or [""])
        assert line["id"] in (*ids, attributes.get("gateway.request.id"))


def test_unsampled_lines_say_so(played: list[Payload], found: list[ReadSpan]) -> None:
    traced = {root.raw.trace_id.hex() for root in roots(found)}
    for line in lines(played, "kong"):
        _, trace_id, _, flags = line["request"]["headers"]["traceparent"].split("-")
        assert (flags == "01") == (trace_id in traced)


def test_kong_lines_have_the_shape_of_http_log(played: list[Payload]) -> None:
    for line in lines(played, "kong"):
        assert {"request", "response", "latencies", "tries", "client_ip", "started_at", "source", "consumer", "route",
                "service", "trace_id"} <= line.keys()
        latencies = line["latencies"]
        assert line["request"]["headers"]["authorization"] == "REDACTED"
        if line["source"] == "kong":
            assert latencies["proxy"] == -1
            assert "upstream_status" not in line
        else:
            assert latencies["kong"] + latencies["proxy"] == latencies["request"]
            assert line["upstream_status"] == str(line["response"]["status"])


def test_logs_leak_personal_data_and_join_their_traces(played: list[Payload], found: list[ReadSpan]) -> None:
    written = logs(played)
    assert any("@mail.example" in log.body for log in written) or any("GB" in log.body for log in written)
    traced = {span.raw.span_id: span.raw.trace_id for span in found}
    linked = [log for log in written if log.raw.span_id in traced]
    assert linked
    assert all(traced[log.raw.span_id] == log.raw.trace_id for log in linked)


def test_volumes_are_uneven_and_follow_the_day() -> None:
    bank = default_bank()
    assert (len(bank.partners), len(bank.apis), len(bank.services)) == (40, 20, 8)
    by_partner = bank.share.sum(axis=1) * bank.calls_per_s * 86400
    assert by_partner.max() / 24 > 5_000
    assert 1 < by_partner.min() < 20
    night, evening = bank.by_minute[0, 3 * 60], bank.by_minute[0, 19 * 60 + 30]
    assert evening > 2 * night
    assert np.allclose(bank.by_minute.mean(axis=1), 1)


def test_an_ordinary_hour_has_few_server_errors() -> None:
    counts = Counter(call.status // 100 for call in Simulator(3, small_bank(10.0)).calls(T0, T0 + 20 * MINUTE))
    total = counts.total()
    assert counts[5] / total < 0.003
    assert 0.01 < counts[4] / total < 0.08
