"""People teach about groups, on the page and by script: merge, split, undo, rules tried before they are kept."""

from __future__ import annotations

import re
from typing import Any

import pytest
from builders import call, error_rollups, masked

from dashboards.groups.views import MOST_APIS
from triage.analyse.grouping.group_seen import MOST_PLACES
from triage.analyse.grouping.teaching import read_rules
from triage.domain.windows import MINUTE_NS, from_rfc3339

CSRF = "form-token-of-the-tests"
NOW = from_rfc3339("2026-03-02T03:15:00Z")
T = NOW - 5 * MINUTE_NS
MEMBERS = [
    {"print": "p1", "kind": "message", "scope": "ledger", "template": "ledger <*> is away", "count": 30},
    {"print": "p2", "kind": "message", "scope": "ledger", "template": "ledger <*> is gone", "count": 12},
]


def add_group(world: Any, group_id: str, **fields: Any) -> None:
    body = {"id": group_id, "kind": "message", "title": f"title of {group_id}", "template": "ledger <*> is away", "evidence": ["why"],
            "service": "ledger", "api": "", "codes": [], "exception_type": "", "first_seen_ns": T, "last_seen_ns": NOW, "count": 42,
            "samples": [], "parameters": ["7 (3), 8 (1)"], "neighbours": [], "example": "ledger 7 is away", "members": MEMBERS,
            "routes": {"GET /a": 3, "GET /b": 1}, "services": {"ledger": 4}, "flood": {}, "rule": {}, **fields}
    world.state.put("group", group_id, body, version=None, sort=NOW, tags=[])


@pytest.fixture
def bank(world: Any) -> Any:
    add_group(world, "one", neighbours=[{"id": "two", "distance": 0.25}])
    add_group(world, "two")
    add_group(world, "three")
    return world


def post(ask: Any, path: str, status: int = 200, **body: Any) -> Any:
    answer = ask(path, body)
    assert answer.status_code == status, answer.get_data(as_text=True)
    if status >= 400:
        assert answer.content_type == "application/problem+json"
    return answer.get_json()


def test_a_merge_by_script_and_its_undo(bank: Any) -> None:
    ask = bank.api()
    assert ask("/groups/one").get_json()["version"] == 0
    merged = post(ask, "/groups/one/actions", action="merge", into="two", version=0, reason="card 4111111111111111 seen")
    assert (merged["merged_into"], merged["version"], merged["into"]) == ("two", 1, "two")
    (entry,) = merged["history"]
    assert (entry["action"], entry["by"], entry["undone"]) == ("merge", "responder", None)
    assert "4111111111111111" not in str(merged)
    into = ask("/groups/two").get_json()
    assert (into["merged"], [each["id"] for each in into["history"]]) == (["one"], [entry["id"]])
    undone = post(ask, "/groups/two/actions", action="undo", version=0)
    assert ask("/groups/one").get_json()["merged_into"] is None
    assert undone["history"][0]["undone"]["by"] == "responder"
    post(ask, "/groups/two/actions", 422, action="undo", version=0)


def test_a_split_by_templates_or_conditions(bank: Any) -> None:
    ask = bank.api()
    by_template = post(ask, "/groups/one/actions", action="split", templates=["ledger <*> is gone"], version=0)
    by_match = post(ask, "/groups/one/actions", action="split", match={"route": "GET /b"}, version=1)
    assert len({by_template["into"], by_match["into"], "one"}) == 3
    assert [entry["action"] for entry in by_match["history"]] == ["split", "split"]


@pytest.mark.parametrize(("body", "status"), [
    ({"action": "merge", "into": "one", "version": 0}, 400), ({"action": "merge", "into": "nobody", "version": 0}, 404),
    ({"action": "merge", "version": 0}, 400), ({"action": "merge", "into": "two"}, 400), ({"action": "fly", "version": 0}, 400),
    ({"action": "merge", "into": "two", "version": "x"}, 400), ({"action": "merge", "into": "two", "version": 3}, 409),
    ({"action": "split", "version": 0}, 400), ({"action": "split", "templates": ["unknown"], "version": 0}, 400),
    ({"action": "split", "templates": ["p1", "p2"], "version": 0}, 400), ({"action": "split", "templates": "p1", "version": 0}, 400),
    ({"action": "split", "match": {"colour": "red"}, "version": 0}, 400),
    ({"action": "split", "match": {"pattern": "(a+)+"}, "version": 0}, 400),
    ({"action": "split", "match": [1], "version": 0}, 400), ({"action": "undo", "version": 0}, 422),
    ({"action": "undo", "lesson": "lesson-x", "version": 0}, 422), ({"action": ["merge"], "version": 0}, 400),
])
def test_what_cannot_be_done_is_a_problem(bank: Any, body: dict[str, Any], status: int) -> None:
    post(bank.api(), "/groups/one/actions", status, **body)
    assert bank.api()("/groups/one").get_json()["history"] == []


def test_an_unknown_group_is_404(bank: Any) -> None:
    for body in ({"action": "merge", "into": "two"}, {"action": "split", "templates": ["p1"]}, {"action": "undo"}):
        post(bank.api(), "/groups/unknown/actions", 404, **body, version=0)


def test_a_stale_version_is_409_and_says_who_was_first(bank: Any) -> None:
    post(bank.api("security"), "/groups/one/actions", action="merge", into="two", version=0)
    problem = post(bank.api(), "/groups/one/actions", 409, action="undo", version=7)
    assert (problem["version"], problem["first"]["actor"], problem["first"]["action"]) == (1, "security", "merge")


def test_a_circle_is_refused_and_a_merged_group_is_not_merged_twice(bank: Any) -> None:
    ask = bank.api()
    post(ask, "/groups/one/actions", action="merge", into="two", version=0)
    post(ask, "/groups/two/actions", 400, action="merge", into="one", version=0)
    post(ask, "/groups/one/actions", 422, action="merge", into="three", version=1)


@pytest.mark.parametrize("role", ["viewer", "support"])
def test_only_responders_teach(bank: Any, role: str) -> None:
    ask = bank.api(role)
    post(ask, "/groups/one/actions", 403, action="merge", into="two", version=0)
    post(ask, "/group-rules", 403, match={"service": "ledger"}, key="k")
    post(ask, "/group-rules/try", 403, match={"service": "ledger"}, key="k")
    assert ask("/group-rules").status_code == 200
    text = bank.signed_in(role).get("/groups/one").get_data(as_text=True)
    assert "Merge into" not in text and "Make a rule" not in text


def test_the_page_offers_the_nearest_and_shows_who_taught_what(bank: Any) -> None:
    browser = bank.signed_in()
    text = browser.get("/groups/one").get_data(as_text=True)
    for words in ("title of two", "0.25", "ledger 7 is away", "7 (3), 8 (1)", "Split these off", "ledger &lt;*&gt; is gone", "GET /b"):
        assert words in text, words
    answer = browser.post("/groups/one/actions", data={"action": "merge", "into": "two", "version": "0", "reason": "same cause",
                                                       "csrf": CSRF})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/groups/one")
    text = browser.get("/groups/one").get_data(as_text=True)
    assert "This is part of" in text and ">Undo<" in text and "same cause" in text
    text = browser.get("/groups/two").get_data(as_text=True)
    assert "merged into this group:" in text
    lesson = re.search(r'name="lesson" value="([^"]+)"', text)
    assert lesson
    browser.post("/groups/two/actions", data={"action": "undo", "lesson": lesson[1], "version": "0", "csrf": CSRF})
    assert "taken back by responder" in browser.get("/groups/one").get_data(as_text=True)
    stale = browser.post("/groups/one/actions", data={"action": "merge", "into": "two", "version": "1", "csrf": CSRF})
    assert stale.status_code == 409 and "responder was first" in stale.get_data(as_text=True)


def test_a_split_from_the_form(bank: Any) -> None:
    browser = bank.signed_in()
    browser.post("/groups/one/actions", data={"action": "split", "templates": ["ledger <*> is gone"], "version": "0", "csrf": CSRF})
    browser.post("/groups/one/actions", data={"action": "split", "route": "GET /b", "version": "1", "csrf": CSRF})
    history = bank.api()("/groups/one").get_json()["history"]
    assert [(entry["templates"], entry["match"]) for entry in history] == [(["ledger <*> is gone"], {}), ([], {"route": "GET /b"})]
    assert "split off route GET /b as" in browser.get("/groups/one").get_data(as_text=True)


def test_a_flood_and_a_rule_are_said_on_the_page(bank: Any) -> None:
    add_group(bank, "flood", kind="flood", flood={"distinct": 1_000_000, "messages": 1_000_001, "minute": NOW // MINUTE_NS})
    add_group(bank, "taken", joined_by={"rule": "rule-1", "into": "one", "version": 4})
    browser = bank.signed_in("viewer")
    flood = browser.get("/groups/flood").get_data(as_text=True)
    assert "A flood of 1,000,000 distinct messages: 1,000,001 in the minute from 03:15 UTC" in flood
    assert "joined by rule-1 (rules as of version 4)" in browser.get("/groups/taken").get_data(as_text=True)


# ---- rules --------------------------------------------------------------------------------------


def test_rules_are_kept_in_order_switched_moved_and_removed(bank: Any) -> None:
    ask = bank.api()
    first = post(ask, "/group-rules", 201, match={"service": "ledger", "message": "away"}, key="ledger away", note="core team")
    second = post(ask, "/group-rules", 201, match={"code": "BUSY"}, key="busy {service}", place=1, enabled=False)
    listed = ask("/group-rules").get_json()
    assert [(item["id"], item["place"], item["enabled"]) for item in listed["items"]] == [(second["id"], 1, False), (first["id"], 2, True)]
    assert listed["version"] == 2
    moved = ask(f"/group-rules/{first['id']}", {"place": 1, "enabled": False}, "PATCH").get_json()
    assert (moved["place"], moved["enabled"], moved["version"]) == (1, False, 3)
    assert ask(f"/group-rules/{second['id']}", method="DELETE").status_code == 204
    assert [item["id"] for item in ask("/group-rules").get_json()["items"]] == [first["id"]]
    assert ask(f"/group-rules/{second['id']}", method="DELETE").status_code == 404
    assert ask(f"/group-rules/{second['id']}", {"enabled": True}, "PATCH").status_code == 404
    assert ask(f"/group-rules/{first['id']}", {}, "PATCH").status_code == 400


def test_what_people_type_into_a_rule_is_masked(bank: Any) -> None:
    post(bank.api(), "/group-rules", 201, match={"message": "card 4111111111111111"}, key="card 4111111111111111")
    post(bank.api(), "/groups/one/actions", action="split", match={"message": "card 4111111111111111"}, version=0)
    kept = str(read_rules(bank.state).rules) + str(bank.api()("/groups/one").get_json())
    assert "····1111" in kept and "4111111111111111" not in kept


@pytest.mark.parametrize("sent", [
    {"match": {}, "key": "k"}, {"match": {"service": "a"}}, {"match": {"service": "a"}, "key": "{user}"},
    {"match": {"pattern": "(a+)+$"}, "key": "k"}, {"match": {"pattern": "a" * 400}, "key": "k"}, {"match": "x", "key": "k"},
    {"match": {"service": "a"}, "key": "k", "enabled": "yes"}, {"match": {"service": "a"}, "key": "k", "place": 0},
    {"match": {"service": "a"}, "key": "k", "version": "x"},
])
def test_a_rule_that_cannot_be_is_a_problem(bank: Any, sent: dict[str, Any]) -> None:
    post(bank.api(), "/group-rules", 400, **sent)
    assert bank.api()("/group-rules").get_json()["items"] == []


def test_a_stale_version_of_the_rules_is_409(bank: Any) -> None:
    post(bank.api(), "/group-rules", 201, match={"service": "a"}, key="k", version=0)
    post(bank.api(), "/group-rules", 409, match={"service": "a"}, key="k", version=0)


def add_errors(world: Any) -> None:
    """Forty calls that fail: on two APIs with one code, and one other."""
    rows = [call(900 + n, time_ns=T + n, status=503, outcome="bank_error", codes="BUSY" if n else "GONE", service="ledger",
                 route=f"/thing-{n % 2}", message=f"ledger {n} is away") for n in range(40)]
    world.records.append(masked(calls=rows))
    world.records.replace_rollups("errors", {T // MINUTE_NS}, error_rollups([
        {"minute": T // MINUTE_NS, "group_id": "x", "service": "ledger", "count": 40}]))


def test_a_rule_is_tried_on_history_before_it_is_kept(bank: Any) -> None:
    add_errors(bank)
    ask = bank.api()
    tried = post(ask, "/group-rules/try", match={"code": "BUSY"}, key="busy {service}")
    assert (tried["joins"], tried["errors"], tried["splits"], tried["keys"]) == (2, 39, 0, ["busy ledger"])
    assert tried["summary"] == "It would join 2 groups, 39 errors; would split none."
    assert tried["groups"][0]["samples"][0].startswith("ledger ")
    assert tried["looked_at"] | {"since": 0, "until": 0} == {"errors": 44, "since": 0, "until": 0, "days": 7, "complete": True}
    cut = post(ask, "/group-rules/try", match={"message": "ledger 3"}, key="k")
    assert cut["splits"] == cut["joins"] == 2
    assert post(ask, "/group-rules/try", match={"message": "nothing says so"}, key="k")["groups"] == []
    assert ask("/group-rules").get_json()["items"] == []


def test_the_page_of_the_rules_tries_and_keeps(bank: Any) -> None:
    add_errors(bank)
    browser = bank.signed_in()
    form = {"code": "BUSY", "key": "busy", "note": "card 4111111111111111", "csrf": CSRF}
    text = browser.post("/groups/rules", data={**form, "do": "try"}).get_data(as_text=True)
    assert "It would join 2 groups, 39 errors; would split none." in text and "Looked at 44 errors" in text
    assert "Keep this rule" in text
    assert browser.post("/groups/rules", data={**form, "do": "save"}).status_code == 303
    (rule,) = bank.api()("/group-rules").get_json()["items"]
    assert "4111111111111111" not in str(rule)
    for do, enabled in (("disable", False), ("enable", True)):
        browser.post(f"/groups/rules/{rule['id']}", data={"do": do, "csrf": CSRF})
        assert bank.api()("/group-rules").get_json()["items"][0]["enabled"] is enabled
    assert "code BUSY" in browser.get("/groups/rules").get_data(as_text=True)
    browser.post(f"/groups/rules/{rule['id']}", data={"do": "remove", "csrf": CSRF})
    assert "There is no rule" in browser.get("/groups/rules").get_data(as_text=True)
    bad = browser.post("/groups/rules", data={"pattern": "(a+)+", "key": "k", "csrf": CSRF, "do": "save"})
    assert bad.status_code == 400 and "a repetition inside a repetition" in bad.get_data(as_text=True)


def refused_form(bank: Any, group: str, status: int, **form: Any) -> str:
    answer = bank.signed_in().post(f"/groups/{group}/actions", data={"csrf": CSRF, **form})
    page = answer.get_data(as_text=True)
    assert answer.status_code == status
    assert "title of one" in page and 'name="other"' in page  # the page itself, with its forms
    return page


def test_a_merge_that_cannot_be_stays_on_the_page_with_what_was_typed(bank: Any) -> None:
    page = refused_form(bank, "one", 400, action="merge", reason="same cause")
    assert "Choose one of the groups, or type the ID of another." in page and 'value="same cause"' in page
    page = refused_form(bank, "one", 404, action="merge", other="g-mistyped")
    assert "There is no error group g-mistyped." in page and 'value="g-mistyped"' in page
    assert "itself" in refused_form(bank, "one", 400, action="merge", other="one")


def test_a_split_that_cannot_be_stays_on_the_page_with_what_was_chosen(bank: Any) -> None:
    assert "Choose at least one message" in refused_form(bank, "one", 400, action="split")
    both = [member["template"] for member in MEMBERS]
    page = refused_form(bank, "one", 400, action="split", templates=both)
    assert page.count(" checked>") == 2 and "nothing would be left in it" in page
    assert bank.signed_in().post("/groups/nobody/actions", data={"csrf": CSRF, "action": "merge"}).status_code == 404


def test_a_rule_without_a_name_is_refused_in_the_words_of_its_form(bank: Any) -> None:
    browser = bank.signed_in()
    page = browser.post("/groups/rules", data={"csrf": CSRF, "do": "try", "message": "is away"}).get_data(as_text=True)
    assert "‘Name of the group’ needs 1 to" in page and "`key`" not in page and 'value="is away"' in page
    page = browser.post("/groups/rules", data={"csrf": CSRF, "do": "try", "key": "a"}).get_data(as_text=True)
    assert "at least one of Error code, Exception" in page
    assert "`key`" in bank.api()("/group-rules", {"match": {"message": "is away"}}).get_json()["detail"]


def test_the_group_page_offers_only_what_there_is_to_choose(bank: Any) -> None:
    bare = [{"print": f"p{n}", "kind": "code", "scope": "s", "template": "", "count": n} for n in (9, 8, 6)]
    add_group(bank, "bare", members=bare, routes={"GET /a": 1, "GET /most": 7, "GET /b": 2}, api="GET /a",
              neighbours=[{"id": "two", "distance": 0.4}, {"id": "three", "distance": 1.0}])
    page = bank.signed_in().get("/groups/bare").get_data(as_text=True)
    assert page.count("no message") == 1 and ">23<" in page
    assert "<b>3</b><span>APIs, most: <span class=\"id\">GET /<wbr>most<" in page
    assert page.count("Split these off") == 1  # by where and what
    assert 'value="two"' in page and 'value="three"' not in page
    assert "Nearest other errors" not in page
    assert "Nearest other errors" in bank.signed_in("viewer").get("/groups/bare").get_data(as_text=True)


def test_a_group_of_more_apis_than_are_kept_says_so(bank: Any) -> None:
    assert MOST_APIS == MOST_PLACES
    add_group(bank, "wide", routes={f"GET /{n}": n for n in range(MOST_APIS)})
    assert f"<b>{MOST_APIS} or more</b><span>APIs" in bank.signed_in().get("/groups/wide").get_data(as_text=True)
