"""Acting on incidents, by form and by script; changes, silences, receivers, complaints."""

from __future__ import annotations

import re

import pytest

from triage.domain.notice import Attempt, Delivery
from triage.domain.windows import HOUR_NS, from_rfc3339, rfc3339
from triage.notify.ledger import put_delivery
from triage.notify.receivers import all_receivers

CSRF = "form-token-of-the-tests"
NOW = from_rfc3339("2026-03-02T03:15:00Z")


def token_of(client, path="/incidents"):
    return re.search(r'name="csrf" value="([^"]+)"', client.get(path).get_data(as_text=True)).group(1)


def test_acknowledge_by_form_tells_and_can_be_undone(world):
    browser = world.signed_in()
    token = token_of(browser)
    answer = browser.post("/incidents/INC-214/actions", data={"action": "acknowledge", "csrf": token, "back": "/incidents"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/incidents")
    assert world.state.get("incident", "INC-214").body["state"] == "acknowledged"

    text = browser.get("/incidents").get_data(as_text=True)
    assert "INC-214 acknowledged." in text and ">Undo<" in text
    assert "INC-214 acknowledged." not in browser.get("/incidents").get_data(as_text=True)
    browser.post("/incidents/INC-214/actions", data={"action": "reopen", "reason": "undone", "csrf": token})
    assert world.state.get("incident", "INC-214").body["state"] == "open"


def test_a_refresh_in_the_background_does_not_swallow_what_was_told(world):
    browser = world.signed_in()
    browser.post("/incidents/INC-214/actions", data={"action": "acknowledge", "csrf": token_of(browser)})
    browser.get("/incidents", headers={"X-Refresh": "1"})
    assert "INC-214 acknowledged." in browser.get("/incidents").get_data(as_text=True)


def test_undo_of_assign_gives_back_the_owner(world):
    browser = world.signed_in()
    browser.post("/incidents/INC-213/actions", data={"action": "assign", "assignee": "me", "csrf": token_of(browser)})
    text = browser.get("/incidents/INC-213").get_data(as_text=True)
    assert 'name="assignee" value="Partner desk"' in text


@pytest.mark.parametrize(("data", "state"), [
    ({"action": "snooze", "until": "4h"}, "snoozed"), ({"action": "resolve", "reason": "rolled back"}, "resolved"),
    ({"action": "comment", "text": "card 4111111111111111 seen"}, "open"), ({"action": "merge", "into": "INC-213"}, "resolved"),
    ({"action": "split", "groups": ["g-timeout"]}, "open"),
])
def test_every_action_works_from_its_form(world, data, state):
    browser = world.signed_in()
    answer = browser.post("/incidents/INC-214/actions", data={**data, "version": "1", "csrf": token_of(browser)})
    assert answer.status_code == 303
    body = world.state.get("incident", "INC-214").body
    assert state == body["state"]
    assert "4111111111111111" not in str(body)
    assert browser.get("/incidents/INC-214").status_code == 200


def test_a_stale_version_is_409_and_says_who_was_first(world):
    ask = world.api()
    assert ask("/incidents/INC-214/actions", {"action": "acknowledge", "version": 1}).status_code == 200
    answer = ask("/incidents/INC-214/actions", {"action": "resolve", "version": 1})
    problem = answer.get_json()

    assert answer.status_code == 409
    assert answer.content_type == "application/problem+json"
    assert {k: problem["first"][k] for k in ("actor", "action")} == {"actor": "responder", "action": "acknowledged"}
    assert problem["version"] == 2
    assert "responder was first" in problem["detail"]


def test_a_stale_form_shows_a_page_that_says_so(world):
    browser = world.signed_in()
    world.api()("/incidents/INC-214/actions", {"action": "acknowledge", "version": 1})
    answer = browser.post("/incidents/INC-214/actions", data={"action": "snooze", "until": "1h", "version": "1",
                                                              "csrf": token_of(browser)})
    assert answer.status_code == 409
    assert "was first" in answer.get_data(as_text=True)


def test_forms_without_a_version_act_on_what_there_is(world):
    browser = world.signed_in()
    world.api()("/incidents/INC-214/actions", {"action": "acknowledge", "version": 1})
    assert browser.post("/incidents/INC-214/actions", data={"action": "resolve", "csrf": token_of(browser)}).status_code == 303


@pytest.mark.parametrize(("body", "status"), [
    ({"action": "explode", "version": 1}, 400), ({"action": "acknowledge"}, 400), ({"action": "acknowledge", "version": "x"}, 400),
    ({"action": "snooze", "version": 1}, 400), ({"action": "snooze", "version": 1, "until": "2020-01-01T00:00:00Z"}, 400),
    ({"action": "comment", "version": 1, "text": " "}, 400), ({"action": "merge", "version": 1}, 400),
    ({"action": "merge", "version": 1, "into": "INC-999"}, 404), ({"action": "split", "version": 1, "groups": []}, 400),
    ({"action": "reopen", "version": 1}, 422), ({"action": "comment", "version": 1, "text": 5}, 400), ([], 400),
])
def test_what_cannot_be_done_is_said(world, body, status):
    answer = world.api()("/incidents/INC-214/actions", body)
    assert (status, status) == (answer.status_code, answer.get_json()["status"])
    assert answer.get_json()["detail"]
    assert world.state.get("incident", "INC-214").version == 1


def test_snooze_until_a_time(world):
    until = rfc3339(world.clock[0] + 2 * HOUR_NS)
    sent = {"action": "snooze", "version": 1, "until": until, "reason": "known"}
    body = world.api()("/incidents/INC-214/actions", sent).get_json()
    assert ("snoozed", until, 2) == (body["state"], body["snoozed_until"], body["version"])
    assert {"actor": "responder", "action": "snoozed", "reason": "known"}.items() <= body["timeline"][-1].items()


def test_changes_are_noted_and_listed(world):
    ask = world.api()
    sent = {"kind": "deployment", "scope": {"service": "payments"}, "version": "3.3.2", "at": "2026-03-02T03:00:00Z",
            "by": "ci", "link": "https://ci.example/9"}
    made = ask("/changes", sent)
    assert made.status_code == 201
    assert {**sent, "scope": {"service": "payments", "api": None, "partner": None}, "at": "2026-03-02T03:00:00.000Z"}.items() \
        <= made.get_json().items()
    assert sorted(item["version"] for item in ask("/changes?kind=deployment").get_json()["items"]) == ["3.3.2", "4.7.0"]
    stored = world.state.get("change", made.get_json()["id"])
    assert list(stored.tags) == ["kind:deployment", "service:payments"]


@pytest.mark.parametrize("sent", [
    {"kind": "party", "scope": {"service": "x"}}, {"kind": "deployment"}, {"kind": "deployment", "scope": {"service": 5}},
    {"kind": "deployment", "scope": {"service": "x"}, "at": "soon"},
    {"kind": "deployment", "scope": {"service": "x"}, "link": "javascript:alert(1)"},
    {"kind": "maintenance", "at": "2026-03-02T04:00:00Z", "until": "2026-03-02T03:00:00Z"},
])
def test_wrong_changes_are_refused(world, sent):
    assert world.api()("/changes", sent).status_code == 400


def test_change_form_keeps_what_was_typed(world):
    browser = world.signed_in()
    token = token_of(browser)
    answer = browser.post("/changes", data={"kind": "deployment", "version": "9.9.9", "csrf": token})
    assert answer.status_code == 400 and "9.9.9" in answer.get_data(as_text=True)
    answer = browser.post("/changes", data={"kind": "deployment", "scope_service": "pay", "version": "1", "at": "2026-03-02T03:00",
                                            "csrf": token})
    assert answer.status_code == 303


def test_silences_begin_and_end(world):
    ask = world.api()
    made = ask("/silences", {"scope": {"partner": "kite"}, "until": "1h", "reason": "tests of the partner"}).get_json()
    assert made["active"] and made["by"] == "responder"
    assert ask(f"/silences/{made['id']}", method="DELETE").status_code == 204
    assert [item["active"] for item in ask("/silences").get_json()["items"]] == [False]
    assert ask("/silences", {"scope": {}, "until": "1h"}).status_code == 400
    assert ask("/silences/sil-0", method="DELETE").status_code == 404
    browser = world.signed_in()
    sent = {"partner": "kite", "until": "30m", "reason": "x", "csrf": token_of(browser)}
    assert browser.post("/silences", data=sent).status_code == 303
    assert "kite" in browser.get("/silences").get_data(as_text=True)


def test_a_receivers_secret_is_shown_once(world):
    ask = world.api("administrator")
    sent = {"name": "Desk", "url": "https://hooks.example/T1/very-secret", "format": "native", "filter": {"severity": ["high"]}}
    made = ask("/receivers", sent)
    body = made.get_json()

    assert made.status_code == 201
    assert body["secret"].startswith("whsec_")
    assert body["url"] == "https://hooks.example/…"
    listed = ask("/receivers").get_data(as_text=True)
    assert body["secret"] not in listed and "very-secret" not in listed and '"secret"' not in listed
    assert {"severity": ["high"]}.items() <= body["filter"].items()
    assert not ask(f"/receivers/{body['id']}", {"enabled": False}, "PATCH").get_json()["enabled"]
    assert ask(f"/receivers/{body['id']}", method="DELETE").status_code == 204
    assert ask(f"/receivers/{body['id']}", method="DELETE").status_code == 404


@pytest.mark.parametrize("sent", [
    {"name": "x"}, {"name": "", "url": "https://a.example"}, {"name": "x", "url": "ftp://a"},
    {"name": "x", "url": "https://a.example", "format": "fax"}, {"name": "x", "url": "https://a.example", "colour": "red"},
    {"name": "x", "url": "https://a.example", "filter": {"severity": ["huge"]}},
    {"name": "x", "url": "https://a.example", "filter": 3},
])
def test_wrong_receivers_are_refused(world, sent):
    assert world.api("administrator")("/receivers", sent).status_code == 400


def test_receiver_form_shows_the_secret_on_the_answer_only(world):
    admin = world.signed_in("administrator")
    sent = {"name": "Desk", "url": "https://hooks.example/x", "format": "native", "csrf": token_of(admin)}
    page = admin.post("/receivers", data=sent).get_data(as_text=True)
    secret = re.search(r"whsec_[A-Za-z0-9+/=]+", page).group(0)
    assert secret not in admin.get("/receivers").get_data(as_text=True)


def test_deliveries_are_listed_and_replayed(world):
    ask = world.api()
    item, = ask("/deliveries?incident=INC-214").get_json()["items"]
    wanted = {"state": "delivered", "receiver_name": "Payments on-call", "type": "incident.opened", "status": 200}
    assert wanted.items() <= item.items()
    assert ask("/deliveries/dlv_1/replay", {}).status_code == 200
    assert ask("/deliveries/dlv_9/replay", {}).status_code == 404
    assert ask("/receivers/rcv-0/test", {}).status_code == 404
    assert ask(f"/receivers/{item['receiver']}/test", {}).status_code == 422
    browser = world.signed_in()
    assert browser.post("/deliveries/dlv_1/replay", data={"csrf": token_of(browser)}).status_code == 303


def test_a_complaint_is_linked_masked_and_kept(world):
    made = world.api("support")("/complaints", {
        "query": "Customer writes: 93BAC548-D2DE-4546-B106-880A5018460D", "note": "card 4111111111111111", "channel": "mail"})
    body = made.get_json()

    assert (made.status_code, body["id"], body["incident_id"], body["channel"]) == (201, "CMP-1", "INC-214", "mail")
    assert body["trace_ids"] == ["00000000000000000000000000000bad"]
    assert "4111111111111111" not in str(world.state.get("complaint", "CMP-1").body)
    assert world.api()("/incidents/INC-214").get_json()["complaints"] == 1
    assert "1 complaint registered" in world.signed_in().get("/incidents/INC-214").get_data(as_text=True)
    again = world.api("support")("/lookup?q=cmp-1").get_json()
    assert again["matched"] == {"kind": "complaint_id", "value": "CMP-1"}
    assert world.api("support")("/complaints", {"note": "x"}).get_json()["id"] == "CMP-2"
    assert world.api("support")("/complaints", {}).status_code == 400


def test_a_complaint_by_form(world):
    browser = world.signed_in("support")
    sent = {"query": "pay-2026-0001", "note": "", "channel": "phone", "csrf": token_of(browser, "/lookup?q=pay-2026-0001")}
    answer = browser.post("/lookup/complaints", data=sent)
    assert "registered=CMP-1" in answer.headers["Location"]
    assert "CMP-1" in browser.get(answer.headers["Location"]).get_data(as_text=True)


def test_a_receiver_that_cannot_be_reached_is_taken_with_a_warning(world):
    sent = {"name": "Local", "url": "http://127.0.0.1:9797", "format": "native"}
    assert "add its network to TRIAGE_WEBHOOK_ALLOW" in world.api("administrator")("/receivers", sent).get_json()["warning"]
    admin = world.signed_in("administrator")
    page = admin.post("/receivers", data={**sent, "csrf": CSRF}).get_data(as_text=True)
    assert "Nothing can be sent to Local yet: 127.0.0.1 is not a public address" in page and "whsec_" in page
    good = {**sent, "url": "https://hooks.example/x"}
    assert world.api("administrator")("/receivers", good).get_json()["warning"] is None


def test_a_receiver_that_nothing_was_sent_to_yet_does_not_look_healthy(world):
    ask = world.api("administrator")
    made = ask("/receivers", {"name": "new", "url": "https://no-such-host.example/x"}).get_json()

    page = world.signed_in().get("/receivers").get_data(as_text=True)

    assert page.count("On, not tried yet") == 1  # the other one was told
    assert {item["name"]: item["tried"] for item in ask("/receivers").get_json()["items"]} == {"new": False, "Payments on-call": True}
    assert ask(f"/receivers/{made['id']}", {"enabled": True}, "PATCH").get_json()["tried"] is False


def test_a_receiver_whose_last_delivery_failed_does_not_look_healthy(world):
    receiver = all_receivers(world.state)[0]
    assert "On, failing" not in world.signed_in().get("/receivers").get_data(as_text=True)
    failed = Delivery("dlv_9", receiver.id, "INC-214", "INC-214-9", "incident.opened", "failed", NOW, "msg_9", reason="given up",
                      attempts=[Attempt(NOW, 500, "HTTP 500", 0.1)])
    put_delivery(world.state, failed, None)
    assert "last delivery failed: HTTP 500" in world.signed_in().get("/receivers").get_data(as_text=True)
    assert world.api("administrator")("/receivers").get_json()["items"][0]["failing"] == "HTTP 500"
    assert world.api()("/status").get_json()["receivers_failing"] == [{"name": receiver.name, "reason": "HTTP 500"}]
    assert "Notices do not arrive" in world.signed_in("administrator").get("/admin/status").get_data(as_text=True)


def test_a_silence_shows_on_the_incident_that_it_covers(world):
    assert world.api()("/incidents/INC-214").get_json()["silenced"] is None
    sent = {"service": "core-banking", "until": "1h", "reason": "known fault", "csrf": CSRF}
    assert world.signed_in().post("/silences", data=sent).status_code == 303
    page = world.signed_in().get("/incidents/INC-214").get_data(as_text=True)
    assert "Notices are held back until 04:15 UTC: silence by responder (known fault)." in page
    said = {"until": "2026-03-02T04:15:00.000Z", "by": "responder", "reason": "known fault"}
    assert world.api()("/incidents/INC-214").get_json()["silenced"] == said
    assert "held back" not in world.signed_in().get("/incidents/INC-213").get_data(as_text=True)


def test_a_silence_that_cannot_be_keeps_what_was_typed(world):
    answer = world.signed_in().post("/silences", data={"until": "4h", "reason": "maintenance", "csrf": CSRF})
    page = answer.get_data(as_text=True)
    assert answer.status_code == 400 and "JSON" not in page
    assert 'value="maintenance"' in page and '<option value="4h" selected>' in page


def test_a_split_of_nothing_leads_back_to_the_incident(world):
    browser = world.signed_in()
    answer = browser.post("/incidents/INC-214/actions", data={"action": "split", "csrf": CSRF})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/incidents/INC-214")
    assert "Choose at least one of the errors" in browser.get("/incidents/INC-214").get_data(as_text=True)
