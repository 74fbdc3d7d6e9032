"""Every page: it renders, it is safe, and its template asks for nothing but what its dataclass says."""

from __future__ import annotations

import dataclasses
import re

import pytest
from builders import call, masked, span, trace_id
from jinja2 import meta, nodes

from dashboards import gate, pages
from dashboards.incidents.rows import worst_first
from dashboards.render import template_name
from triage.accounts.accounts import Principal
from triage.domain.windows import MINUTE_NS, NS, from_rfc3339
from triage.heard import CollectorReport, report
from triage.incidents import documents

NOW = from_rfc3339("2026-03-02T03:15:00Z")
PATHS = [
    "/incidents", "/incidents?state=all", "/incidents?severity=critical&partner=moneta&side=bank", "/incidents/INC-214",
    "/incidents/INC-131", "/traces/00000000000000000000000000000bad", "/lookup", "/lookup?q=pay-2026-0001", "/lookup?q=hello",
    "/calls", "/calls?outcome=failed&status=5xx&since=1h", "/calls?status=nonsense", "/partners", "/partners?q=mon&sort=name",
    "/partners/moneta", "/apis", "/groups/g-lock", "/groups/g-timeout", "/groups/rules", "/changes", "/receivers", "/silences",
    "/admin/users", "/admin/tokens", "/admin/status",
]
PAGE_CLASSES = [value for name, value in vars(pages).items() if name.endswith("Page")]
CHROME_FIELDS = {field.name for field in dataclasses.fields(pages.Chrome)}


@pytest.fixture(scope="module")
def browser(module_world):
    return module_world.signed_in("administrator")


@pytest.mark.parametrize("path", PATHS)
def test_page_renders_under_the_policy(browser, path):
    answer = browser.get(path)

    text = answer.get_data(as_text=True)
    assert answer.status_code == 200
    assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    assert answer.headers["Cache-Control"] == "no-store"
    assert not re.search(r"<script(?![^>]* src=)|<style| style=| on[a-z]+=\"|javascript:", text)
    assert not re.search(r"(?:src|href)=\"(?:https?:)?//(?!ci\.example)", text)  # nothing comes from elsewhere


@pytest.mark.parametrize("path", ["/incidents", "/incidents/INC-214", "/partners", "/calls", "/lookup?q=pay-2026-0001"])
@pytest.mark.parametrize("role", ["viewer", "support", "security"])
def test_page_renders_for_every_role(module_world, path, role):
    assert module_world.signed_in(role).get(path).status_code == 200


@pytest.mark.parametrize("cls", PAGE_CLASSES, ids=lambda cls: cls.__name__)
def test_template_uses_exactly_the_fields_of_its_page(module_world, cls):
    env = module_world.app.jinja_env
    tree = env.parse(env.loader.get_source(env, template_name(cls.__new__(cls)))[0])

    used = {node.attr for node in tree.find_all(nodes.Getattr) if isinstance(node.node, nodes.Name) and node.node.name == "page"}
    chrome = {node.attr for node in tree.find_all(nodes.Getattr)
              if isinstance(node.node, nodes.Name) and node.node.name == "chrome"}
    assert {field.name for field in dataclasses.fields(cls)} == used
    assert chrome <= CHROME_FIELDS
    macros = {"hidden", "fault", "typed"}
    assert meta.find_undeclared_variables(tree) <= {"page", "chrome", "ui", "admin", "dict"} | macros


def test_incident_page_says_what_who_when_and_why(browser):
    text = browser.get("/incidents/INC-214").get_data(as_text=True)

    for words in ("Payments time out", "Moneta Pay", "POST /domestic-payments", "core-banking 4.7.0", "1,842", "1,207",
                  "98 % of failing calls", "lock waits", "ORA-00054", "told: Payments on-call", "INC-131", "core-banking"):
        assert words in text, words


def test_incident_list_shows_live_ones_and_counts(browser):
    text = browser.get("/incidents").get_data(as_text=True)

    assert "Payments time out" in text
    assert "1 open · 1 acknowledged · last analysis 12 s ago" in text
    assert "The same lock wait" not in text
    assert "Live <span>2</span>" in text


def test_incident_list_pages_through_many(world):
    first = documents.get(world.state, "INC-214")
    for number in range(120):
        documents.write(world.state, dataclasses.replace(first, id=f"INC-{1000 + number}", version=0, opened_ns=number + 1))
    browser, seen, path = world.signed_in(), [], "/incidents"
    while path:
        text = browser.get(path).get_data(as_text=True)
        seen += re.findall(r'data-key="(INC-\d+)"', text)
        older = re.search(r'href="(/incidents\?[^"]*cursor[^"]*)"', text)
        path = older.group(1).replace("&amp;", "&") if older else ""

    assert 122 == len(seen) == len(set(seen))


def test_empty_states_say_what_to_do(world):
    world.clock[0] += 1
    for incident_id in ("INC-214", "INC-213", "INC-212"):
        document = world.state.get("incident", incident_id)
        world.state.delete("incident", incident_id, version=document.version)
    browser = world.signed_in()

    assert "Nothing is broken that we know of" in browser.get("/incidents").get_data(as_text=True)
    assert "No incident fits these filters" in browser.get("/incidents?partner=kite").get_data(as_text=True)
    assert "No call fits" in browser.get("/calls?partner=nobody").get_data(as_text=True)


def test_failed_and_late_analysis_are_said(world):
    run = world.state.get("run", "last")
    world.state.put("run", "last", {**run.body, "error": "StoreError"}, version=run.version)
    assert "The last analysis failed: StoreError" in world.signed_in().get("/incidents").get_data(as_text=True)
    world.state.put("run", "last", {**run.body, "at_ns": world.clock[0] - 3600 * NS}, version=run.version + 1)
    assert "has not run for 1 h 00" in world.signed_in().get("/incidents").get_data(as_text=True)


def test_hostile_values_are_escaped_everywhere(world):
    bad = '<img src=x onerror=alert(1)>"\'&'
    first = documents.get(world.state, "INC-214")
    documents.write(world.state, dataclasses.replace(
        first, id="INC-666", version=0, title=bad, summary=bad, scope=bad, assignee=bad, services=[bad], trace_ids=[trace_id(666)],
        groups=[bad], partners=[dataclasses.replace(first.partners[0], name=bad, id=bad)],
        suspects=[dataclasses.replace(first.suspects[0], name=bad, why=[bad], why_not=[bad])],
    ))
    row = {"partner": bad, "route": bad, "message": bad, "service": bad, "codes": bad, "status": 500, "outcome": "bank_error"}
    world.records.append(masked(
        [span(1, trace_id=trace_id(666), name=bad, service=bad, attributes={bad: bad}, exception_stack=bad)], [],
        [call(666, trace_id=trace_id(666), time_ns=world.clock[0], **row)],
    ))
    browser = world.signed_in()
    for path in ("/incidents", "/incidents/INC-666", f"/traces/{trace_id(666)}", "/calls", f"/lookup?q={trace_id(666)}",
                 f"/lookup?q={bad}", f"/calls?partner={bad}", f"/partners?q={bad}"):
        text = browser.get(path).get_data(as_text=True)
        assert "<img src=x" not in text, path
        assert "onerror=alert" not in text.replace("&lt;img src=x onerror=alert(1)&gt;", ""), path


def test_filters_that_cannot_be_read_are_said_beside_the_form(browser):
    text = browser.get("/calls?since=yesterday").get_data(as_text=True)
    assert "is no time; write 1h, 7d" in text


@pytest.mark.parametrize(("path", "allowed"), [
    ("/incidents?state=closed", "‘state’ is one or more of open, acknowledged, snoozed, resolved, live; ‘closed’ is none of them."),
    ("/incidents?severity=urgent&state=all", "critical, high, medium, low"), ("/incidents?side=nobody", "external"),
    ("/changes?kind=magic", "‘kind’ is one of deployment, configuration, certificate, partner, maintenance."),
])
def test_a_value_that_a_list_does_not_know_is_answered_with_those_it_knows_and_a_way_back(browser, path, allowed):
    answer = browser.get(path)
    page = answer.get_data(as_text=True)

    assert answer.status_code == 400
    assert allowed in page and "<nav" in page
    assert f'href="{path.partition("?")[0]}">Without this filter' in page


def test_unknown_things_are_404_with_advice(browser):
    for path in ("/incidents/INC-9", "/partners/nobody", "/apis/bm9wZQ", "/apis/%00", "/groups/nope", "/nowhere"):
        answer = browser.get(path)
        assert answer.status_code == 404, path
        assert "complaint desk" in answer.get_data(as_text=True)


def test_trace_page_reads_other_spellings(browser):
    text = browser.get("/traces/0000000000000000-0000000000000BAD").get_data(as_text=True)
    assert "SELECT balance FOR UPDATE" in text
    assert "Part of" in text and "INC-214" in text


def test_search_box_goes_where_the_words_lead(browser):
    goes = {"INC-214": "/incidents/INC-214", "214": "/incidents/INC-214", "moneta pay": "/partners/moneta",
            "/accounts/{id}": "/apis/", "93bac548-d2de-4546-b106-880a5018460d": "/lookup?q=93bac548"}
    for text, target in goes.items():
        assert browser.get("/search", query_string={"q": text}).headers["Location"].startswith(target), text


def test_theme_is_kept(world):
    from_page = world.signed_in()
    token = re.search(r'name="csrf" value="([^"]+)"', from_page.get("/incidents").get_data(as_text=True)).group(1)
    answer = from_page.post("/theme", data={"theme": "dark", "csrf": token, "next": "/partners"})

    assert answer.headers["Location"] == "/partners"
    assert 'data-theme="dark"' in from_page.get("/partners").get_data(as_text=True)


def test_partner_page_shows_what_the_rollups_say(browser):
    text = browser.get("/partners/moneta").get_data(as_text=True)
    assert "Moneta Pay" in text and "INC-214" in text and "POST /domestic-payments" in text


def test_health_answers_without_a_session(module_world):
    client = module_world.app.test_client()
    assert client.get("/healthz").get_json() == {"status": "ok", "version": "9.9"}
    assert client.get("/readyz").get_json() == {"status": "ok", "reasons": []}


def test_not_ready_gives_reasons(world):
    ready = dataclasses.replace(world.parts, ready=lambda: ["the store is away"])
    world.app.extensions["parts"] = ready
    answer = world.app.test_client().get("/readyz")
    assert (answer.status_code, answer.get_json()["reasons"]) == (503, ["the store is away"])


def test_snoozed_incident_says_until_when(world):
    first = documents.get(world.state, "INC-214")
    documents.write(world.state, dataclasses.replace(first, state="snoozed", snoozed_until_ns=world.clock[0] + 30 * MINUTE_NS))
    assert "Snoozed until" in world.signed_in().get("/incidents/INC-214").get_data(as_text=True)


def test_the_live_list_shows_the_worst_first_page_after_page(world):
    for number, severity in enumerate(("low", "critical", "medium", "critical", "high"), start=900):
        documents.write(world.parts.state, dataclasses.replace(
            documents.get(world.parts.state, "INC-214"), id=f"INC-{number}", key=f"k{number}", severity=severity,
            state="open", opened_ns=number, version=0))

    seen, cursor = [], None
    with world.app.app_context():
        gate.g.person = Principal("security", "security", "user:security")  # sees restricted ones too
        for _ in range(20):
            found = worst_first(world.parts, [("live:yes",)], limit=2, cursor=cursor)
            seen += [incident.severity for incident in found.items]
            cursor = found.next
            if cursor is None:
                break

    order = ["critical", "high", "medium", "low"]
    assert cursor is None
    assert seen == sorted(seen, key=order.index)
    assert seen.count("critical") >= 2
    assert len(seen) == world.parts.state.count("incident", [("live:yes",)])


@pytest.mark.parametrize(("role", "path"), [("support", "/lookup"), ("responder", "/incidents"), ("viewer", "/incidents")])
def test_the_front_door_leads_each_role_to_its_work(module_world, role, path):
    assert module_world.signed_in(role).get("/").headers["Location"] == path


def test_status_tells_what_waits_at_each_collector(world):
    now = world.clock[0]
    report(world.state, CollectorReport("a", "gw-1", 7, now - 5 * NS, 12, 3 << 20, 1 << 30, now - 90 * NS, True, 2, 4, 900))
    report(world.state, CollectorReport("b", "gw-2", 8, now - 120 * NS, 0, 0, 1 << 30, 0, False, 0, 0, 0))
    text = world.signed_in("administrator").get("/admin/status").get_data(as_text=True)
    assert "12 batches (3.0 MiB of 1.0 GiB) wait for the store, the oldest for 1 min; its spool is full" in text
    assert "4 records refused by the store" in text
    assert "Nothing waits; not heard since then" in text
    body = world.api()("/status").get_json()
    assert body["collectors"][0]["spool"] == {"batches": 12, "bytes": 3 << 20, "limit_bytes": 1 << 30, "full": True, "oldest_s": 90.0}
    assert [said["silent"] for said in body["collectors"]] == [False, True]
    assert body["dead_letters"] == {"pieces": 2, "records": 4}


def test_the_errors_of_an_incident_are_those_of_its_time_most_first(world):
    page = world.signed_in().get("/incidents/INC-214").get_data(as_text=True)
    assert "from its first to its last failure" in page
    assert re.search(r"ORA-00054: resource busy</a></td><td class=\"num nowrap\">155<", page)  # not the 1,842 of all time
    assert page.index(">ORA-00054") < page.index(">Read timed out")


def test_an_escalation_is_said_once(world):
    doc = world.state.get("incident", "INC-214")
    reason = "severity raised from medium to high: one partner: Rentright"
    doc.body["timeline"].append({"at_ns": NOW, "actor": "analysis", "action": "escalated", "reason": reason, "detail": ""})
    world.state.put("incident", "INC-214", doc.body, version=doc.version, sort=doc.sort, tags=doc.tags)
    page = world.signed_in().get("/incidents/INC-214").get_data(as_text=True)
    assert "severity raised from medium to high<" in page and "escalated, severity" not in page


@pytest.mark.parametrize("path", ["/logs", "/spans"])
def test_records_show_seconds_and_milliseconds(browser, path):
    assert re.search(r">03:0\d:\d\d\.\d{3}</time>", browser.get(path).get_data(as_text=True))
