from __future__ import annotations

from typing import Any

import orjson
import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st

from collectors.gateways import GATEWAYS
from collectors.gateways.append import Identities
from collectors.gateways.read import LONGEST_LINE, read_lines
from collectors.routes import RouteCatalogue
from triage.domain.columns import COLUMNS
from triage.domain.records import Records
from triage.errors import BadInput


def entry(**more: Any) -> dict[str, Any]:
    return {"time": 1709633730, "method": "GET", "path": "/accounts/12", "status": 200, **more}


def read(kind: str, body: Any, **more: Any) -> Records:
    records = Records()
    read_lines(kind, body, records, **more)
    return records


def test_object_array_and_lines_say_the_same() -> None:
    one, two = orjson.dumps(entry()), orjson.dumps(entry(status=500))

    bodies = [b"[" + one + b"," + two + b"]", one + b"\n" + two + b"\n", b"\xef\xbb\xbf" + one + b"\r\n" + two, [one + b"\n", two]]

    assert {tuple(read("json", body).calls["status"]) for body in bodies} == {(200, 500)}
    assert len({tuple(read("auto", body).calls["witness_id"]) for body in bodies}) == 1
    assert read("json", one).calls["status"] == [200]


def test_one_bad_line_is_rejected_with_its_number_and_nothing_is_lost_beside_it() -> None:
    lines = [orjson.dumps(entry()), b"", b"{broken", b"\xff\xfe", b'{"a":1}', b"[1]", orjson.dumps(entry(status=500))]

    records = read("json", b"\n".join(lines))

    assert records.calls["status"] == [200, 500]
    assert [rejection.line for rejection in records.rejected] == [3, 4, 5, 6]
    assert records.rejected_by["calls"] == 4
    assert all(rejection.reason for rejection in records.rejected)


def test_bad_entry_of_an_array() -> None:
    records = read("json", orjson.dumps([entry(), 7, entry(status=99), entry(status=201)]))

    assert records.calls["status"] == [200, 201]
    assert [rejection.line for rejection in records.rejected] == [2, 3]


def test_invalid_utf8_survives() -> None:
    line = orjson.dumps(entry(service="NAME")).replace(b"NAME", b"a\xffb")

    assert read("json", line).calls["service"] == ["a\N{REPLACEMENT CHARACTER}b"]
    assert read("json", line + b"\n" + line).calls["service"] == ["a\N{REPLACEMENT CHARACTER}b"] * 2


def test_a_line_of_ten_mib_is_cut_and_counted() -> None:
    long = b'1.2.3.4 - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 1 "-" "' + b"x" * 10 * LONGEST_LINE
    records = read("nginx", long + b"\n" + orjson.dumps({"remote_addr": "x", **entry()}))

    assert (records.size("calls"), records.cut) == (2, 1)


def test_a_cut_json_line_says_so() -> None:
    records = read("json", orjson.dumps(entry(message="x" * 2 * LONGEST_LINE)) + b"\n{}")

    assert records.cut == 1
    assert "cut" in records.rejected[0].reason


def test_resending_gives_the_same_identities_and_equal_lines_of_one_request_are_two() -> None:
    one = orjson.dumps(entry())
    first, again = (read("json", one + b"\n" + one).calls["witness_id"] for _ in range(2))

    assert first == again
    assert len(set(first)) == 2
    assert read("json", one).calls["witness_id"] == first[:1]


def test_a_file_read_in_pieces_has_the_identities_of_the_whole() -> None:
    lines = [orjson.dumps(entry()), orjson.dumps(entry(status=500)), orjson.dumps(entry())]
    identities, pieces = Identities(), Records()

    read_lines("json", lines[:1], pieces, identities=identities)
    read_lines("json", lines[1:], pieces, identities=identities, first_line=2)

    assert pieces.calls["witness_id"] == read("json", b"\n".join(lines)).calls["witness_id"]


def test_field_map_and_catalogue() -> None:
    odd = {"zeit": 1709633730, "wer": "acme", "was": "GET", "wohin": "/accounts/12/balances"}
    names = {"zeit": "time", "wer": "partner", "was": "method", "wohin": "path"}

    records = read("json", orjson.dumps(odd), names=names, routes=RouteCatalogue(["/accounts/{AccountId}/balances"]))

    assert (records.calls["partner"], records.calls["route"]) == (["acme"], ["/accounts/{AccountId}/balances"])


def test_unknown_kinds_and_formats_are_refused_and_nothing_is_nothing() -> None:
    with pytest.raises(BadInput, match="known are"):
        read("cobol", b"x")
    with pytest.raises(BadInput, match="not recognised"):
        read("auto", b"hello\nworld\n")
    assert read("auto", b" \n").size("calls") == 0


KEYS = st.sampled_from([
    "request", "response", "headers", "status", "latencies", "started_at", "time", "method", "path", "uri", "consumer",
    "response_code", "request_time", "timestamp", "raw_response", "proxyResponseCode", "requestTimestamp", "routeKey",
    "duration", "start_time", "trace_id", "route", "paths", "service", "upstream_status", "DownstreamStatus", "network",
]) | st.text(max_size=5)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5), max_leaves=12,
)
PIECES = st.lists(st.sampled_from([
    "GET ", "/a/1", '"', "[", "]", " - ", "200 ", "1.2.3.4", "17/May/2015:10:05:03 +0000", "HTTP/1.1", " | ", "[GIN]", "{", "}",
    "2023/05/10 - 04:35:23", "prefix=access-log ", "status=200 ", "method=GET ", "time=", "-1/-1/-1", "apimMetrics: a, b :", "\\",
]) | st.text(max_size=6), max_size=14).map("".join)


@pytest.mark.parametrize("gateway", GATEWAYS, ids=lambda gateway: gateway.kind)
@examples(40)
@given(entry=st.dictionaries(KEYS, JSON, max_size=8) | PIECES)
def test_parsers_answer_or_refuse(gateway: Any, entry: Any) -> None:
    if isinstance(entry, str):
        gateway.recognise(entry)
    try:
        call = gateway.parse(entry)
    except BadInput as error:
        assert error.reason
    else:
        assert call.kind == gateway.kind
        assert 0 < call.time_ns < 2**63


@examples(50)
@given(body=st.binary(max_size=200) | JSON.map(lambda value: repr(value).encode("utf-8", "replace")))
def test_any_body_is_answered_and_columns_stay_even(body: bytes) -> None:
    for kind in ("json", "kong", "nginx"):
        records = read(kind, body)

        assert {len(records.calls[name]) for name in COLUMNS["calls"]} == {records.size("calls")}
