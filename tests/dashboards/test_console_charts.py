"""Waterfalls, curves, figures from roll-ups, words."""

from __future__ import annotations

import pytest
from builders import call_rollups, log, span, span_id, table
from hypothesis import given
from hypothesis import strategies as st

from dashboards.health.rollups import Span, api_id, api_of_id, figures_by, minutes_of
from dashboards.records.waterfall import own_time, trace_view
from dashboards.svg import curve, spark
from dashboards.words import duration, share, short_time, span_of_time, spoken_time
from triage.domain.windows import from_rfc3339

EDGES = st.lists(st.tuples(st.integers(1, 12), st.integers(0, 12), st.integers(0, 50), st.integers(0, 60)), max_size=12,
                 unique_by=lambda edge: edge[0])


@given(EDGES, st.integers(1, 20))
def test_every_span_is_in_the_waterfall_once_whatever_its_parents(edges, limit):
    spans = [span(n, parent_id=span_id(parent) if parent else "", time_ns=at, duration_ns=length)
             for n, parent, at, length in edges]
    view = trace_view("t", table("spans", spans), table("logs", [log(1, span_id=span_id(3), time_ns=5)]), limit=100)
    few = trace_view("t", table("spans", spans), table("logs", []), limit=limit)

    rows = [row for row in view.rows if row.kind == "span"]
    assert sorted(span_id(edge[0]) for edge in edges) == sorted(row.span_id for row in rows)
    assert len(few.rows) == min(limit, len(edges)) and few.left_out == max(0, len(edges) - limit)
    for row in view.rows:
        assert 0 <= row.bar.x <= 100 and row.bar.width > 0


def test_the_origin_is_the_deepest_failure():
    spans = [span(1, status=2, service="gw"), span(2, parent_id=span_id(1), status=2, service="pay", version="2.0", name="reserve"),
             span(3, parent_id=span_id(2), service="db")]
    assert trace_view("t", table("spans", spans), table("logs", []), limit=9).origin == "pay 2.0: reserve"


def view_of(*spans):
    return trace_view("t", table("spans", spans), table("logs", []), limit=20)


def test_a_refused_call_is_marked_from_the_gateway_down_to_who_refused_it():
    alone = view_of(span(1, status=0, http_status=401, service="gw", name="GET /accounts"))
    answered = view_of(
        span(1, status=0, http_status=403, service="gw"),
        span(2, parent_id=span_id(1), status=0, http_status=403, service="consents", name="check"),
        span(3, parent_id=span_id(1), http_status=200), span(4, parent_id=span_id(3), status=0, http_status=404, name="no cache entry"))
    fine = view_of(span(1, http_status=200), span(2, parent_id=span_id(1), status=0, http_status=404, name="no cache entry"))

    assert ([row.error for row in alone.rows], alone.origin) == ([True], "gw 1.4.0: GET /accounts")
    assert {row.span_id: row.error for row in answered.rows} == {
        span_id(1): True, span_id(2): True, span_id(3): False, span_id(4): False}
    assert answered.origin == "consents 1.4.0: check"
    assert (any(row.error for row in fine.rows), fine.origin) == (False, "")


def test_logs_stand_under_their_span_by_time():
    spans = [span(1, time_ns=0, duration_ns=100), span(2, parent_id=span_id(1), time_ns=50, duration_ns=10)]
    logs = [log(1, span_id=span_id(1), time_ns=10, body="early"), log(2, span_id=span_id(1), time_ns=80, body="late"),
            log(3, span_id="", time_ns=90, body="loose")]
    rows = trace_view("t", table("spans", spans), table("logs", logs), limit=9).rows
    assert [row.title if row.kind == "log" else "span" for row in rows] == ["span", "early", "span", "late", "loose"]


def test_of_a_long_trace_the_failing_path_is_kept():
    spans = [span(1, time_ns=0, duration_ns=1000)]
    spans += [span(n, parent_id=span_id(1), time_ns=n) for n in range(2, 90)]
    spans += [span(95, parent_id=span_id(80), status=2, time_ns=99)]
    kept = {row.span_id for row in trace_view("t", table("spans", spans), table("logs", []), limit=5).rows}
    assert {span_id(1), span_id(80), span_id(95)} <= kept


@given(st.lists(st.tuples(st.integers(0, 200), st.integers(0, 200)), max_size=8))
def test_own_time_is_what_no_child_covers(children):
    row = {"time_ns": 50, "duration_ns": 100}
    own = own_time(row, [{"time_ns": at, "duration_ns": length} for at, length in children])
    covered = {t for at, length in children for t in range(at, at + length)}
    assert {t for t in range(50, 150) if t not in covered} == {t for at, length in own for t in range(at, at + length)}


@given(st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 99), st.integers(0, 99)), min_size=1, max_size=50,
                unique_by=lambda point: point[0]))
def test_a_curve_stays_in_its_box(points):
    drawn = curve(sorted(points), [(0, "begin")])
    numbers = [float(n) for n in drawn.calls.replace("M", "").replace("L", "").replace("Z", "").split()]
    assert all(0 <= x <= 720 for x in numbers[::2]) and all(0 <= y <= 160 for y in numbers[1::2])
    assert drawn.failed_total == sum(failed for _, _, failed in points)


def test_no_points_no_curve():
    assert curve([], []) is None
    assert spark([], "none").path == ""


def test_figures_are_sums_and_quantiles_of_the_rollups():
    rows = [
        {"minute": 1440, "partner": "a", "outcome": "ok", "calls": 90, "buckets": [200], "counts": [90]},
        {"minute": 1441, "partner": "a", "outcome": "bank_error", "calls": 10, "buckets": [300], "counts": [10]},
        {"minute": 1441, "partner": "b", "outcome": "partner_error", "calls": 1, "buckets": [100], "counts": [1]},
    ]
    figures = figures_by(call_rollups(rows), "partner", Span(1440, 1))

    assert (figures["a"].calls, figures["a"].failed, figures["a"].faults) == (100, 10, 10)
    assert (figures["b"].calls, figures["b"].failed, figures["b"].faults) == (1, 1, 0)
    assert figures["a"].p95_ns == pytest.approx(1.05**300.5 * 1000)
    assert figures["a"].p50_ns == pytest.approx(1.05**200.5 * 1000)
    assert minutes_of(call_rollups(rows)) == [(1440, 90, 0), (1441, 11, 11)]
    assert figures_by(call_rollups([]), "partner", Span(1440, 1)) == {}


def test_a_span_is_as_long_as_there_is_something_to_show():
    now = 1_000_000 * 60 * 10**9
    assert Span.of(call_rollups([]), now).step == 1
    assert Span.of(call_rollups([{"minute": 1_000_000 - 95}]), now) == Span(1_000_001 - 96, 2)
    assert Span.of(call_rollups([{"minute": 5}]), now).step == 30


@given(st.text(min_size=1, max_size=60))
def test_an_api_id_leads_back(api):
    assert api == api_of_id(api_id(api))


@pytest.mark.parametrize("key", ["*", "a", "%%%", "é", "____"])
def test_what_is_no_api_id_is_unknown(key):
    with pytest.raises(KeyError):
        api_of_id(key)


def test_words():
    now = from_rfc3339("2026-03-02T03:15:00Z")
    assert spoken_time(from_rfc3339("2026-03-01T23:00:00Z"), now) == "yesterday at 23:00 (UTC)"
    assert spoken_time(from_rfc3339("2025-09-12T03:04:00Z"), now) == "on 12 September 2025 at 03:04 (UTC)"
    times = ("2026-03-02T03:04:00Z", "2026-03-01T03:04:00Z", "2025-09-12T03:04:00Z")
    assert [short_time(from_rfc3339(text), now) for text in times] == ["03:04", "1 Mar 03:04", "12 Sep 2025"]
    lengths = [duration(int(ms * 1e6)) for ms in (0.8, 42, 1240, 30_000, 125_000)]
    assert lengths == ["0.8 ms", "42 ms", "1.24 s", "30.0 s", "2 min 05"]
    assert [share(31, 100), share(0.002), share(1, 100_000), share(0, 5), share(1, 0)] == ["31 %", "0.2 %", "< 0.1 %", "0 %", "—"]
    assert [span_of_time(int(s * 1e9)) for s in (42, 660, 4500, 259_200)] == ["42 s", "11 min", "1 h 15", "3 days"]
