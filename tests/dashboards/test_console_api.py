"""The JSON interface: its shapes are promised to other people's scripts."""

from __future__ import annotations

import json

import pytest
from builders import trace_id

INCIDENT = {"id", "title", "state", "severity", "kind", "first_seen", "last_seen", "failed_calls", "total_calls", "customers",
            "partners", "apis", "services", "suspects", "groups", "trace_ids", "assignee", "url", "version", "whose_side",
            "instances"}
DETAIL = INCIDENT | {"summary", "timeline", "series", "comparison", "similar", "notices"}
CALL = {"call_id", "at", "partner", "api", "status", "outcome", "duration_ms", "trace_id", "incident_id"}
BAD = trace_id(0xBAD)


@pytest.fixture(scope="module")
def ask(module_world):
    return module_world.api()


def test_incidents_are_listed_newest_first_and_filtered(ask):
    body = ask("/incidents").get_json()
    assert {"items", "next"} == body.keys()
    assert [item["id"] for item in body["items"]] == ["INC-214", "INC-213", "INC-131"]
    assert body["items"][0].keys() >= INCIDENT
    assert body["items"][0]["url"] == "https://triage.example/incidents/INC-214"
    for query, wanted in {
        "state=open": ["INC-214"], "state=open,resolved": ["INC-214", "INC-131"], "severity=high": ["INC-213", "INC-131"],
        "partner=fintrust": ["INC-213"], "api=POST%20/domestic-payments": ["INC-214"], "since=2026-03-02T00:00:00Z":
            ["INC-214", "INC-213"], "since=2030-01-01T00:00:00Z": [], "side=bank&severity=critical": ["INC-214"],
    }.items():
        assert wanted == [item["id"] for item in ask(f"/incidents?{query}").get_json()["items"]], query


def test_paging_with_limit_and_cursor(ask):
    seen, path = [], "/incidents?limit=1"
    while path:
        body = ask(path).get_json()
        seen += [item["id"] for item in body["items"]]
        path = f"/incidents?limit=1&cursor={body['next']}" if body["next"] else ""
    assert seen == ["INC-214", "INC-213", "INC-131"]
    for path in ("/incidents?limit=0", "/incidents?limit=x", "/calls?limit=100000", "/incidents?since=now"):
        assert ask(path).status_code == 400


def test_incident_detail(ask):
    body = ask("/incidents/INC-214").get_json()
    assert body.keys() >= DETAIL
    assert {"at", "actor", "action", "reason", "detail"} == body["timeline"][0].keys()
    assert body["partners"][0] == {"id": "moneta", "name": "Moneta Pay", "failed": 612, "total": 1275}
    assert {"kind", "name", "score", "why", "why_not"} == body["suspects"][0].keys()


def test_trace(ask):
    body = ask(f"/traces/{BAD}").get_json()
    assert {"trace_id", "spans", "logs", "calls", "incidents"} <= body.keys()
    assert (len(body["spans"]), len(body["logs"]), len(body["calls"]), body["incidents"]) == (5, 2, 1, ["INC-214"])
    assert body["spans"][0]["attributes"] == {"http.route": "/domestic-payments"}
    assert (body["spans"][0]["at"], body["spans"][0]["duration_ms"]) == ("2026-03-02T03:06:00.000Z", 30000.0)
    assert ask(f"/traces/{trace_id(0xDEAD)}").status_code == 404
    assert body == ask(f"/traces/{BAD.upper()}").get_json()


def test_calls(ask):
    body = ask("/calls?limit=5").get_json()
    assert len(body["items"]) == 5 and body["next"]
    assert all(item.keys() >= CALL for item in body["items"])
    assert [item["outcome"] for item in ask("/calls?outcome=bank_error").get_json()["items"]] == ["bank_error"]
    assert {401, 403, 502, 504} == {item["status"] for item in ask("/calls?outcome=failed").get_json()["items"]}
    assert [item["status"] for item in ask("/calls?status=504&partner=moneta").get_json()["items"]] == [504]
    assert [
        item["api"] for item in ask("/calls?api=POST%20/domestic-payments").get_json()["items"]] == ["POST /domestic-payments"] * 2
    assert ask("/calls?outcome=sad").status_code == 400


def test_partners_and_apis(ask):
    partners = ask("/partners").get_json()["items"]
    assert [item["id"] for item in partners] == ["moneta", "kite", "fintrust"]
    assert 0 < partners[0]["error_share"] < 1 and partners[0]["p95_ms"] > partners[0]["p50_ms"] > 0
    assert partners[0]["incidents"] == ["INC-214"]
    apis = ask("/apis").get_json()["items"]
    assert {("GET", "/accounts/{id}"), ("POST", "/domestic-payments")} == {(item["method"], item["route"]) for item in apis}
    accounts = next(item for item in apis if item["route"] == "/accounts/{id}")
    assert {**accounts, "customers": 5, "customers_failed": 2} == ask(f"/apis/{accounts['id']}").get_json()
    assert {**partners[0], "customers": 4, "customers_failed": 2} == ask("/partners/moneta").get_json()
    assert ask("/partners/nobody").status_code == 404
    assert len(ask("/partners?limit=1").get_json()["items"]) == 1


def test_group(ask):
    body = ask("/groups/g-lock").get_json()
    assert (body["title"], body["incidents"]) == ("ORA-00054: resource busy", ["INC-214"])
    assert body["first_seen"] == "2026-03-02T03:04:00.000Z"


def test_status(ask):
    body = ask("/status").get_json()
    assert {"version", "store", "kept", "duplicates", "rejected", "masked", "oldest", "newest", "lag_s", "sources",
            "last_analysis"} <= body.keys()
    assert body["kept"] == {"calls": 65, "spans": 5, "logs": 2}
    assert {"at", "seconds", "records", "findings"} <= body["last_analysis"].keys()
    assert (body["collectors"], body["dead_letters"], body["reasons"]) == ([], {"pieces": 0, "records": 0}, [])


def test_openapi_describes_every_address(module_world, ask):
    document = ask("/openapi.json").get_json()
    served = {(rule.rule.replace("<path:", "<").replace("<", "{").replace(">", "}"), method.lower())
              for rule in module_world.app.url_map.iter_rules() if rule.rule.startswith("/api/")
              for method in rule.methods - {"HEAD", "OPTIONS"}}
    described = {(path, method) for path, operations in document["paths"].items() for method in operations}

    assert served == described
    text = json.dumps(document)
    for name in {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}:
        assert name in document["components"]["schemas"]


def test_the_interface_speaks_problem_json_for_what_is_not_there(ask):
    answer = ask("/nothing")
    assert (answer.status_code, answer.content_type, answer.get_json()["status"]) == (404, "application/problem+json", 404)
    assert ask("/status", {}).status_code == 405
    assert ask("/changes", {"kind": "x" * 300_000}).status_code == 413


@pytest.mark.parametrize(("query", "word"), [
    ("severity=bogus", "critical, high, medium, low"), ("state=closed", "acknowledged"), ("side=nobody", "bank"),
    ("since=yesterday", "2026-01-31T18:00:00Z"),
])
def test_an_unknown_filter_value_is_refused_with_the_known_ones(module_world, query, word):
    answer = module_world.api()(f"/incidents?{query}")

    assert answer.status_code == 400
    assert word in answer.get_json()["detail"]


@pytest.mark.parametrize(("path", "words"), [
    ("/incidents?bogus=1", "takes state, severity, partner"), ("/logs?status=bad", "no parameter status"),
    ("/calls?bogus=1&api=x", "no parameter bogus"), ("/groups?state=open", "takes limit, cursor"), ("/deliveries?state=lost", "pending"),
    ("/changes?kind=weather", "deployment"), ("/spans?status=bad", "error"),
])
def test_a_list_refuses_what_it_does_not_know(module_world, path, words):
    answer = module_world.api("administrator")(path)
    assert answer.status_code == 400
    assert words in answer.get_json()["detail"]
