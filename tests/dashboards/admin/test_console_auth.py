"""Who comes in, what each role may do, and what a form must carry."""

from __future__ import annotations

import re

import pytest
from werkzeug.exceptions import TooManyRequests

from dashboards.gate import SignInBrake
from triage.domain.windows import HOUR_NS, MINUTE_NS

PASSWORD = "correct horse battery"
WRITES = [
    ("POST", "/api/v1/incidents/INC-214/actions", {"action": "acknowledge", "version": 1},
     {"responder", "security", "administrator"}),
    ("POST", "/api/v1/complaints", {"note": "app shows an error"}, {"support", "responder", "security", "administrator"}),
    ("POST", "/api/v1/changes", {"kind": "deployment", "scope": {"service": "x"}}, {"responder", "security", "administrator"}),
    ("POST", "/api/v1/silences", {"scope": {"service": "x"}, "until": "1h"}, {"responder", "security", "administrator"}),
    ("POST", "/api/v1/receivers", {"name": "n", "url": "https://hooks.example/x"}, {"administrator"}),
    ("GET", "/api/v1/deliveries", None, {"responder", "security", "administrator"}),
    ("GET", "/admin/users", None, {"administrator"}),
    ("GET", "/admin/tokens", None, {"administrator"}),
]
ROLES = ("viewer", "support", "responder", "security", "administrator")


def token_of(client, path="/sign-in"):
    return re.search(r'name="csrf" value="([^"]+)"', client.get(path).get_data(as_text=True)).group(1)


def test_pages_send_strangers_to_the_door_and_back(module_world):
    answer = module_world.app.test_client().get("/incidents?state=open")
    assert answer.status_code == 302
    assert answer.headers["Location"] == "/sign-in?next=%2Fincidents%3Fstate%3Dopen"


def test_the_api_answers_strangers_with_problem_json(module_world):
    answer = module_world.app.test_client().get("/api/v1/incidents")
    assert answer.status_code == 401
    assert answer.content_type == "application/problem+json"
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    wrong = module_world.app.test_client().get("/api/v1/incidents", headers={"Authorization": "Bearer gt_wrong"})
    assert wrong.status_code == 401


def test_a_session_ends_with_sign_out_even_for_a_copied_cookie(world):
    browser = world.signed_in()
    copied = browser.get_cookie("triage").value
    browser.post("/sign-out", data={"csrf": token_of(browser, "/incidents")})

    thief = world.app.test_client()
    thief.set_cookie("triage", copied)
    assert thief.get("/incidents").status_code == 302


def test_a_session_ends_by_time_and_when_the_user_is_switched_off(world):
    browser = world.signed_in()
    world.parts.accounts.disable_user("responder")
    assert browser.get("/incidents").status_code == 302
    other = world.signed_in("viewer")
    world.clock[0] += 13 * HOUR_NS
    assert other.get("/incidents").status_code == 302


def test_the_cookie_is_kept_from_scripts_and_other_sites(world):
    world.parts.accounts.create_user("eve", PASSWORD, "viewer", 1)
    client = world.app.test_client()
    answer = client.post("/sign-in", data={"name": "eve", "password": PASSWORD, "csrf": token_of(client)})
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Lax" in cookie


@pytest.mark.parametrize("target", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)", ""])
def test_sign_in_never_leads_to_another_site(world, target):
    world.parts.accounts.create_user("eve", PASSWORD, "viewer", 1)
    client = world.app.test_client()
    answer = client.post("/sign-in", data={"name": "eve", "password": PASSWORD, "csrf": token_of(client), "next": target})
    assert answer.headers["Location"] == "/incidents"


def test_wrong_passwords_are_braked_by_name_and_address(world):
    client = world.app.test_client()
    token = token_of(client)
    for _ in range(8):
        answer = client.post("/sign-in", data={"name": "nobody", "password": "wrong", "csrf": token})
        assert answer.status_code == 401
        assert "do not fit together" in answer.get_data(as_text=True)
    answer = client.post("/sign-in", data={"name": "nobody", "password": "wrong", "csrf": token})
    assert answer.status_code == 429
    assert 0 < int(answer.headers["Retry-After"]) <= 301
    world.clock[0] += 6 * MINUTE_NS
    assert client.post("/sign-in", data={"name": "nobody", "password": "wrong", "csrf": token}).status_code == 401


def test_the_brake_forgets_after_success():
    brake = SignInBrake(lambda: 0)
    for _ in range(7):
        brake.failed("ann", "10.0.0.1")
    brake.succeeded("ann", "10.0.0.1")
    for _ in range(8):
        brake.check("ann", "10.0.0.1")
        brake.failed("ann", "10.0.0.1")
    with pytest.raises(TooManyRequests):
        brake.check("Ann", "10.0.0.1")


def test_the_brake_does_not_lock_out_others():
    brake = SignInBrake(lambda: 0)
    for _ in range(8):
        brake.failed("ann", "10.0.0.1")
    brake.check("ann", "10.0.0.2")  # ann herself, from elsewhere
    brake.check("bob", "10.0.0.1")  # behind the same proxy
    for number in range(50):
        brake.failed(f"name-{number}", "10.0.0.1")
    with pytest.raises(TooManyRequests):
        brake.check("bob", "10.0.0.1")


@pytest.mark.parametrize("path", ["/incidents/INC-214/actions", "/changes", "/sign-out", "/lookup", "/theme", "/sign-in"])
def test_forms_without_the_token_are_refused(world, path):
    browser = world.signed_in()
    assert browser.post(path, data={"action": "acknowledge"}).status_code == 403
    assert browser.post(path, data={"action": "acknowledge", "csrf": "wrong"}).status_code == 403
    assert world.state.get("incident", "INC-214").body["state"] == "open"


def test_the_api_takes_a_session_only_with_its_token(world):
    browser = world.signed_in()
    body = {"action": "acknowledge", "version": 1}
    assert browser.post("/api/v1/incidents/INC-214/actions", json=body).status_code == 403
    headers = {"X-CSRF-Token": token_of(browser, "/incidents")}
    assert browser.post("/api/v1/incidents/INC-214/actions", json=body, headers=headers).status_code == 200


@pytest.mark.parametrize(("method", "path", "body", "able"), WRITES)
def test_each_role_does_what_it_may_and_no_more(world, method, path, body, able):
    for role in ROLES:
        headers = {"Authorization": f"Bearer {world.token(role)}"}
        answer = world.app.test_client().open(path, method=method, json=body, headers=headers)
        assert (answer.status_code != 403) == (role in able), (role, answer.status_code, answer.get_data(as_text=True)[:200])


def test_ingest_tokens_open_nothing_here(world):
    answer = world.api("ingest")("/incidents")
    assert answer.status_code == 403
    assert "ingest" in answer.get_json()["detail"]


@pytest.mark.parametrize("role", ["viewer", "support", "responder", "administrator"])
def test_restricted_incidents_are_for_the_security_role(world, role):
    ask = world.api(role)
    assert ask("/incidents/INC-212").status_code == 404
    assert "INC-212" not in [item["id"] for item in ask("/incidents").get_json()["items"]]
    browser = world.signed_in(role)
    assert "Payday One" not in browser.get("/incidents?state=all").get_data(as_text=True)
    assert browser.get("/incidents/INC-212").status_code == 404
    if role != "viewer" and role != "support":
        assert ask("/incidents/INC-212/actions", {"action": "resolve", "version": 1}).status_code == 404
        assert ask("/incidents/INC-214/actions", {"action": "merge", "version": 1, "into": "INC-212"}).status_code == 404


def test_security_sees_restricted_incidents(world):
    assert world.api("security")("/incidents/INC-212").status_code == 200
    assert "Payday One" in world.signed_in("security").get("/incidents").get_data(as_text=True)


def test_users_and_tokens_are_made_and_ended(world):
    admin = world.signed_in("administrator")
    token = token_of(admin, "/admin/users")
    made = admin.post("/admin/users", data={"name": "ann", "password": PASSWORD, "role": "viewer", "csrf": token})
    assert made.status_code == 303
    assert "12 to" in admin.post(
        "/admin/users", data={"name": "bob", "password": "short", "role": "viewer", "csrf": token}).get_data(as_text=True)
    assert admin.post("/admin/users/ann/disable", data={"csrf": token}).status_code == 303
    assert world.parts.accounts.find_user("ann") is None
    assert admin.post("/admin/users/administrator/disable", data={"csrf": token}).status_code == 400

    page = admin.post("/admin/tokens", data={"name": "ci", "role": "viewer", "csrf": token}).get_data(as_text=True)
    secret = re.search(r"gt_[0-9a-f]{12}_[0-9a-f]{48}", page).group(0)
    assert secret not in admin.get("/admin/tokens").get_data(as_text=True)
    assert world.app.test_client().get("/api/v1/status", headers={"Authorization": f"Bearer {secret}"}).status_code == 200
    made_id = secret.split("_")[1]
    assert admin.post(f"/admin/tokens/{made_id}/revoke", data={"csrf": token}).status_code == 303
    assert world.app.test_client().get("/api/v1/status", headers={"Authorization": f"Bearer {secret}"}).status_code == 401
