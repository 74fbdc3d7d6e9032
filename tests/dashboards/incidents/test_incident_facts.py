"""What an incident's page says of its times, its example and of those before it."""

from __future__ import annotations

from typing import Any

from builders import masked, span, trace_id

from triage.domain.incident import Episode, Incident, Point
from triage.domain.windows import HOUR_NS, MINUTE_NS, from_rfc3339
from triage.incidents import documents

NOW = from_rfc3339("2026-03-02T03:15:00Z")


def incident(number: int, **changes: Any) -> Incident:
    plain: dict[str, Any] = {
        "id": f"INC-{number}", "key": f"k{number}", "title": f"problem number {number}", "state": "open", "severity": "high",
        "kind": "errors", "whose_side": "bank", "summary": "", "scope": "", "first_seen_ns": NOW - 30 * MINUTE_NS,
        "last_seen_ns": NOW, "opened_ns": NOW - 29 * MINUTE_NS, "failed_calls": 9, "total_calls": 90,
    }
    return Incident(**(plain | changes))


def page(world: Any, shown: Incident, *others: Incident) -> str:
    for one in (shown, *others):
        documents.write(world.state, one)
    text: str = world.signed_in().get(f"/incidents/{shown.id}").get_data(as_text=True)
    return text


def test_a_live_incident_that_went_quiet_says_since_when(world: Any) -> None:
    quiet = page(world, incident(401, last_seen_ns=NOW - 8 * MINUTE_NS))

    assert "no failure since 03:07 UTC" in quiet
    assert "22 min" in quiet


def test_one_that_goes_on_does_not(world: Any) -> None:
    assert "no failure since" not in page(world, incident(401, last_seen_ns=NOW - MINUTE_NS))


def test_only_what_had_ended_before_was_seen_before(world: Any) -> None:
    then = NOW - 3 * HOUR_NS
    again = incident(402, earlier=[Episode(then - 10 * MINUTE_NS, then, 5, 1)])
    beside = incident(403, first_seen_ns=NOW - 5 * MINUTE_NS)
    over = incident(404, state="resolved", first_seen_ns=then - HOUR_NS, last_seen_ns=then, resolved_ns=then)

    text = page(world, incident(401, similar=["INC-402", "INC-403", "INC-404"]), again, beside, over)
    seen_before = text.partition("Seen before")[2].partition("</section>")[0]

    assert "problem number 402" in seen_before and "problem number 404" in seen_before
    assert "problem number 403" not in seen_before
    assert "00:05" in seen_before  # when the episode before began


def test_the_example_of_refused_calls_is_one_with_the_refusal(world: Any) -> None:
    world.records.append(masked([
        span(0x951, trace_id=trace_id(0x951), time_ns=NOW - MINUTE_NS, name="GET fine", http_status=200),
        span(0x952, trace_id=trace_id(0x952), time_ns=NOW - MINUTE_NS, name="GET refused", http_status=401),
    ]))

    text = page(world, incident(401, trace_ids=[trace_id(0x951), trace_id(0x952)]))

    assert "GET refused" in text
    assert "GET fine" not in text


def test_calls_that_stopped_coming_are_counted_by_what_is_usual(world: Any) -> None:
    minute = NOW // MINUTE_NS
    series = [Point(at, 12, 0) for at in range(minute - 40, minute - 30)] + [Point(at, 0, 0) for at in range(minute - 30, minute)]
    text = page(world, incident(405, kind="traffic_drop", failed_calls=0, total_calls=0, series=series, last_seen_ns=NOW - MINUTE_NS))

    assert "about 360" in text and "calls missing" in text
    assert "Calls that do not come leave no trace." in text
    assert "first failure" not in text and "no failure" not in text
