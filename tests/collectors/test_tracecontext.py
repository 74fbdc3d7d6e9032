from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.tracecontext import NONE, trace_context

TRACE, SPAN = "5b8efff798038103d269b633813fc60c", "eee19b7ec3c1b174"


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"traceparent": f"00-{TRACE}-{SPAN}-01"}, (TRACE, SPAN, True)),
        ({"traceparent": f"00-{TRACE.upper()}-{SPAN}-00"}, (TRACE, SPAN, False)),
        ({"traceparent": f"01-{TRACE}-{SPAN}-03-more"}, (TRACE, SPAN, True)),
        ({"traceparent": f"ff-{TRACE}-{SPAN}-01"}, NONE),
        ({"traceparent": f"00-{'0' * 32}-{SPAN}-01", "b3": f"{TRACE}-{SPAN}-1"}, (TRACE, SPAN, True)),
        ({"b3": f"{TRACE[:16]}-{SPAN}"}, ("0" * 16 + TRACE[:16], SPAN, None)),
        ({"b3": "0"}, NONE),
        ({"x-b3-traceid": TRACE, "x-b3-spanid": SPAN, "x-b3-sampled": "0"}, (TRACE, SPAN, False)),
        ({"uber-trace-id": f"{TRACE}:{SPAN}:0:1"}, (TRACE, SPAN, True)),
        ({"uber-trace-id": "1%3a2%3a0%3a0"}, ("1".rjust(32, "0"), "2".rjust(16, "0"), False)),
        ({"x-amzn-trace-id": f"Root=1-{TRACE[:8]}-{TRACE[8:]};Parent={SPAN};Sampled=1"}, (TRACE, SPAN, True)),
        ({"x-request-id": "93bac548-d2de-4546-b106-880a5018460d"}, NONE),
        ({}, NONE),
    ],
)
def test_headers(headers: dict[str, str], expected: tuple[str, str, bool | None]) -> None:
    assert trace_context(headers) == expected


def test_order_of_kongs_own() -> None:
    kong = {"w3c": "1" * 32}

    assert trace_context({"traceparent": f"00-{TRACE}-{SPAN}-01", "b3": f"{TRACE}-{SPAN}"}, kong).trace_id == TRACE
    assert trace_context({"b3": f"{TRACE}-{SPAN}"}, kong).trace_id == "1" * 32
    assert trace_context({}, {"datadog": "77"}) == NONE


@given(st.dictionaries(st.sampled_from(["traceparent", "b3", "x-b3-traceid", "uber-trace-id", "x-amzn-trace-id"]), st.text()))
def test_never_raises(headers: dict[str, str]) -> None:
    found = trace_context(headers)

    assert len(found.trace_id) in (0, 32)
    assert len(found.span_id) in (0, 16)
