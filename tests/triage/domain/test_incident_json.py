from __future__ import annotations

import json

from triage.domain.incident import (
    ApiImpact,
    Comparison,
    Impact,
    Incident,
    Notice,
    Point,
    Suspect,
    TimelineEntry,
)
from triage.domain.incident_json import detail_json, summary_json
from triage.domain.windows import MINUTE_NS, NS, from_rfc3339

NOW = from_rfc3339("2026-03-02T10:00:00Z")
BASE = "https://triage.bank.example"

SUMMARY = {
    "id", "title", "state", "severity", "kind", "first_seen", "last_seen", "failed_calls", "total_calls", "customers",
    "partners", "apis", "services", "suspects", "groups", "trace_ids", "assignee", "url", "version", "whose_side",
    "instances",
}
DETAIL = SUMMARY | {"summary", "timeline", "series", "comparison", "similar", "notices"}


def incident() -> Incident:
    return Incident(
        id="INC-7", key="k", title="Payments fail", state="open", severity="high", kind="errors", whose_side="bank",
        summary="All fail.", scope="POST /payments", first_seen_ns=NOW, last_seen_ns=NOW + NS // 2, opened_ns=NOW,
        failed_calls=3, total_calls=4, customers=2, partners=[Impact("p", "Pay", 3, 4)],
        apis=[ApiImpact("POST", "/payments", 3, 4)], services=["core"], instances=["core-1"],
        suspects=[Suspect("service", "core", 0.5, ["why"], ["why not"])], groups=["g"], trace_ids=["t"],
        comparison=[Comparison("version", "4.7.0", 0.98, 0.1)], series=[Point(NOW // MINUTE_NS, 10, 3)],
        timeline=[TimelineEntry(NOW, "analysis", "opened", "new", "")],
        notices=[Notice("n1", "incident.opened", NOW, "new", True)], similar=["INC-1"], version=5,
    )


def test_an_item_has_the_fields_of_the_public_interface() -> None:
    item = summary_json(incident(), BASE)

    assert set(item) >= SUMMARY
    assert (item["first_seen"], item["last_seen"]) == ("2026-03-02T10:00:00.000Z", "2026-03-02T10:00:00.500Z")
    assert item["partners"] == [{"id": "p", "name": "Pay", "failed": 3, "total": 4}]
    assert item["apis"] == [{"method": "POST", "route": "/payments", "failed": 3, "total": 4}]
    assert item["suspects"] == [{"kind": "service", "name": "core", "score": 0.5, "why": ["why"], "why_not": ["why not"]}]
    assert (f"{BASE}/incidents/INC-7", None, None, None, 5) == (
        item["url"], item["assignee"], item["resolved"], item["merged_into"], item["version"],
    )


def test_the_detail_has_the_page_besides() -> None:
    detail = detail_json(incident(), BASE)

    assert set(detail) >= DETAIL
    assert detail["series"] == [{"at": "2026-03-02T10:00:00.000Z", "calls": 10, "failed": 3}]
    assert detail["timeline"] == [
        {"at": "2026-03-02T10:00:00.000Z", "actor": "analysis", "action": "opened", "reason": "new", "detail": ""}
    ]
    assert [notice["id"] for notice in detail["notices"]] == ["n1"]
    assert json.loads(json.dumps(detail)) == detail


def test_a_merged_one_says_into_which() -> None:
    merged = incident()
    merged.state, merged.merged_into, merged.resolved_ns = "resolved", "INC-3", NOW

    item = summary_json(merged, BASE)

    assert (item["state"], item["merged_into"], item["resolved"]) == ("resolved", "INC-3", "2026-03-02T10:00:00.000Z")


def test_the_json_shares_nothing_with_the_incident() -> None:
    original = incident()

    summary_json(original, BASE)["partners"][0]["name"] = "changed"
    summary_json(original, BASE)["services"].append("changed")

    assert incident() == original
