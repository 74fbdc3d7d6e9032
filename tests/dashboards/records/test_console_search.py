"""Search of calls, spans and logs in pages and JSON: filters, pages, and what is new since a place."""

from __future__ import annotations

from typing import Any

import pytest
from builders import DAY, T0, call, log, masked, span, span_id, trace_id

SECOND = 10**9


@pytest.fixture
def ask(world: Any) -> Any:
    return world.api()


@pytest.mark.parametrize(("query", "expected"), [
    ("service=core-banking", {"SELECT balance FOR UPDATE", "reserve funds"}),
    ("name=domestic-PAYMENTS", {"POST /domestic-payments"}),
    ("status=error&http=5xx", {"POST /domestic-payments", "POST /payments", "reserve funds"}),
    ("http=200", {"validate consent"}),
    ("error=lockwait", {"reserve funds"}),
    ("min_ms=29600", {"POST /domestic-payments", "POST /payments"}),
    ("attribute=db.system%3Doracle", {"SELECT balance FOR UPDATE"}),
    ("attribute=http.route%3D/domestic*", {"POST /domestic-payments", "validate consent", "POST /payments", "reserve funds"}),
    (f"trace={trace_id(0xBAD)}&service=api-gateway", {"POST /domestic-payments"}),
    ("since=2026-03-03T00:00:00Z", set()),
])
def test_spans(ask: Any, query: str, expected: set[str]) -> None:
    items = ask(f"/spans?{query}").get_json()["items"]
    assert {item["name"] for item in items} == expected
    assert [item["at"] for item in items] == sorted((item["at"] for item in items), reverse=True)


@pytest.mark.parametrize(("query", "expected"), [
    ("", [2, 1]), ("severity=error", [2]), ("severity=info", [2, 1]), ("text=ora-00054", [2]), ("text=RESERVING", [1]),
    ("error=LockWait", [2]), ("service=accounts", []), ("service=core-banking&text=funds", [1]),
])
def test_logs(ask: Any, query: str, expected: list[int]) -> None:
    assert [int(item["log_id"], 16) for item in ask(f"/logs?{query}").get_json()["items"]] == expected


@pytest.mark.parametrize(("query", "expected"), [
    ("min_ms=1000", ["bank_error"]), ("text=ALERT(1)", ["ok"]), ("text=nothing", []), ("code=consent&min_ms=1", ["customer_error"]),
])
def test_calls_by_text_and_duration(ask: Any, query: str, expected: list[str]) -> None:
    assert [item["outcome"] for item in ask(f"/calls?{query}").get_json()["items"]] == expected


@pytest.mark.parametrize("path", [
    "/spans?status=bad", "/spans?http=9999", "/spans?min_ms=soon", "/spans?attribute=novalue", "/spans?since=later", "/spans?after=x",
    "/logs?severity=loud", "/logs?attribute==x", "/calls?min_ms=-1", "/calls?after=12", "/spans?cursor=garbage", "/logs?limit=0",
    "/spans?since=1h&until=2h",
])
def test_what_cannot_be_read_is_said(ask: Any, path: str) -> None:
    answer = ask(path)
    assert answer.status_code == 400
    assert answer.get_json()["detail"]


def test_pages_are_stable_while_records_arrive(world: Any, ask: Any) -> None:
    world.records.append(masked([span(n, trace_id=trace_id(77), service="pages", time_ns=T0 + n // 3) for n in range(1, 11)]))
    seen, cursor = [], ""
    while True:
        page = ask(f"/spans?service=pages&limit=3{cursor}").get_json()
        seen += [item["span_id"] for item in page["items"]]
        world.records.append(masked([span(500 + len(seen), trace_id=trace_id(78), service="pages", time_ns=T0 + SECOND)]))
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert seen == [span_id(n) for n in range(10, 0, -1)]


@pytest.mark.parametrize("signal", ["spans", "logs", "calls"])
def test_a_live_tail_gives_each_new_record_once(world: Any, ask: Any, signal: str) -> None:
    def arrive(*numbers: int, at: int) -> None:
        make = {"spans": span, "logs": log, "calls": call}[signal]
        rows = [make(n, time_ns=at, service="tail", trace_id=trace_id(n)) for n in numbers]
        world.records.append(masked(**{signal: rows}))

    first = ask(f"/{signal}?service=tail").get_json()
    assert (first["items"], first["latest"]) == ([], None)
    arrive(1, 2, at=T0 + DAY)
    first = ask(f"/{signal}?service=tail").get_json()
    assert len(first["items"]) == 2
    quiet = ask(f"/{signal}?service=tail&after={first['latest']}").get_json()
    assert (quiet["items"], quiet["next"], quiet["latest"]) == ([], None, first["latest"])
    arrive(3, at=T0 + DAY)  # in the same nanosecond
    arrive(*range(4, 9), at=T0 + DAY + SECOND)
    then = ask(f"/{signal}?service=tail&limit=2&after={first['latest']}").get_json()
    new, latest = list(then["items"]), then["latest"]
    while then["next"]:
        then = ask(f"/{signal}?service=tail&limit=2&after={first['latest']}&cursor={then['next']}").get_json()
        new += then["items"]
    assert len({item["trace_id"] for item in new}) == len(new) == 6
    assert ask(f"/{signal}?service=tail&after={latest}").get_json()["items"] == []


@pytest.mark.parametrize("path", ["/spans", "/logs", "/calls"])
def test_the_pages(world: Any, path: str) -> None:
    browser = world.signed_in()
    text = browser.get(path).get_data(as_text=True)
    assert "Follow</a>" in text and "data-refresh=" not in text
    live = browser.get(f"{path}?live=1").get_data(as_text=True)
    assert 'data-refresh="5"' in live and "Stop following" in live and "/static/refresh.js" in live
    assert "Nothing fits" in browser.get("/spans?service=nobody").get_data(as_text=True)
    assert "is one of unset, ok, error" in browser.get("/spans?status=bad").get_data(as_text=True)


def test_pages_show_what_was_found(world: Any) -> None:
    browser = world.signed_in()
    spans = browser.get("/spans?service=core-banking").get_data(as_text=True)
    assert "reserve funds" in spans and "LockWaitTimeout" in spans and f"/traces/{trace_id(0xBAD)}" in spans
    logs = browser.get("/logs?severity=error").get_data(as_text=True)
    assert "ORA-00054" in logs and "reserving funds" not in logs
