"""The complaint desk: any spelling of an ID finds its call, every miss has an honest reason, every answer is plain."""

from __future__ import annotations

import re

import pytest
from builders import call, masked, trace_id, uuid
from hypothesis import given
from hypothesis import strategies as st

from dashboards.lookup.ids import MOST_TEXT, candidates
from dashboards.lookup.words import answer_for, wish_of
from triage.domain.calls import OUTCOMES
from triage.domain.windows import MINUTE_NS, from_rfc3339

NOW = from_rfc3339("2026-03-02T03:15:00Z")
INTERACTION = "93bac548-d2de-4546-b106-880a5018460d"
BAD = trace_id(0xBAD)
JARGON = re.compile(r"\b(?:HTTP|API|trace|span|upstream|timeout|gateway|null|None|\d{3} error|UK\.OBIE|TPP|PSU|endpoint)\b", re.I)


@pytest.fixture(scope="module")
def ask(module_world):
    ask = module_world.api("support")
    return lambda query: ask("/lookup", method="GET") if query is None else ask(f"/lookup?q={query}").get_json()


@pytest.mark.parametrize("spelling", [
    INTERACTION, INTERACTION.upper(), INTERACTION.replace("-", ""), INTERACTION.replace("-", "").upper(),
    f"x-fapi-interaction-id: {INTERACTION}", f"Dear bank, my app says error {INTERACTION}. Please help! Jo",
    f"<{INTERACTION}>", f"“{INTERACTION}”", "93bac548-d2de-4546-b106-%0A880a5018460d", f"https://app.example/err/{INTERACTION}?x=1",
    "interactionId=93bac548-d2de-4546-b106-880a5018460d;foo",
])
def test_an_interaction_id_is_found_in_any_spelling(ask, spelling):
    body = ask(spelling)
    assert body["matched"] == {"kind": "interaction_id", "value": INTERACTION}, body
    assert (body["reason"], body["calls"][0]["incident_id"], body["calls"][0]["status"]) == (None, "INC-214", 504)


@pytest.mark.parametrize("spelling", [
    BAD, BAD.upper(), "0x" + BAD, BAD.lstrip("0").rjust(16, "0"), "0000000bad", f"00-{BAD}-{'0' * 15}1-01", f"trace_id={BAD}",
    f"{BAD[:8]}-{BAD[8:12]}-{BAD[12:16]}-{BAD[16:20]}-{BAD[20:]}", f"1-{BAD[:8]}-{BAD[8:]}",
])
def test_a_trace_id_is_found_in_any_spelling(ask, spelling):
    body = ask(spelling)
    assert body["matched"] == {"kind": "trace_id", "value": BAD}, body


@pytest.mark.parametrize(("query", "kind"), [("pay-2026-0001", "payment_id"), ("urn:bank:consent-77", "consent_id"),
                                             ("00000000000000a5", "span_id")])
def test_other_ids_are_found(ask, query, kind):
    assert kind == ask(query)["matched"]["kind"]


def test_a_span_leads_to_the_call_of_its_trace(ask):
    assert ask("00000000000000A5")["calls"][0]["status"] == 504


@pytest.mark.parametrize(("query", "reason"), [
    ("", "malformed"), ("help me please", "malformed"), ("jo@example.com", "malformed"),
    ("11111111-2222-4333-8444-555555555555", "never_seen"), (uuid(66), "rejected_at_ingest"),
    (f"00-{'a1' * 16}-{'b2' * 8}-00", "sampled_out"), (f"00-{'a1' * 16}-{'b2' * 8}-01", "never_seen"),
    ("0189dcd5-5311-7d40-8db0-9496a2eef37b", "expired"),
])
def test_every_miss_has_its_reason(ask, query, reason):
    body = ask(query)
    assert (None, reason, []) == (body["matched"], body["reason"], body["calls"])
    assert all(body["answer"][name] for name in ("headline", "what_happened", "whose_side", "known_incident", "tell_customer"))


def test_an_unknown_span_id_is_said_to_be_known_only_as_long_as_its_span(ask):
    for query in ("00f067aa0ba902b9", "span_id=00F067AA0BA902B9", "f067aa0ba902b9"):
        body = ask(query)
        assert body["reason"] == "never_seen"
        assert "We know those only as long as we keep the step, 30 days" in body["answer"]["what_happened"]
        assert not JARGON.search(body["answer"]["what_happened"])
    for query in ("11111111-2222-4333-8444-555555555555", "a1" * 16, "PAY-2026-4711"):
        assert "step" not in ask(query)["answer"]["what_happened"]


def test_a_young_id_may_still_come(ask):
    made = f"{NOW // 1_000_000 - 5_000:012x}"
    assert ask(f"{made[:8]}-{made[8:]}-7abc-8abc-0123456789ab")["reason"] == "not_yet_indexed"


def test_the_answer_of_a_payment_that_timed_out(ask):
    answer = ask(INTERACTION)["answer"]
    assert answer["whose_side"] == "bank"
    assert "Today at 03:06 (UTC) the customer tried to make a payment in the Moneta Pay app." in answer["what_happened"]
    assert "not confirmed" in answer["what_happened"]
    assert answer["known_incident"].startswith("Yes. INC-214, since today at 03:04 (UTC)")
    assert "so that you do not pay twice" in answer["tell_customer"]


@pytest.mark.parametrize(("number", "side", "words"), [
    (3, "partner", "did not identify itself"), (4, "customer", "the permission that was given to the app has run out"),
    (5, "gateway", "The payment was not made. No money moved."),
])
def test_whose_side(ask, number, side, words):
    answer = ask(uuid(number))["answer"]
    assert side == answer["whose_side"]
    assert words in answer["what_happened"]


def test_a_call_that_worked(ask):
    body = ask(uuid(100))
    assert (body["answer"]["headline"], body["answer"]["whose_side"]) == ("This request worked", "unknown")


def test_of_many_calls_the_latest_failure_is_explained(world):
    ids = {"consent_id": "consent-abc-1", "partner": "kite"}
    world.records.append(masked([], [], [
        call(501, **ids, time_ns=NOW - 9 * MINUTE_NS),
        call(502, **ids, time_ns=NOW - 8 * MINUTE_NS, status=503, outcome="bank_error"),
        call(503, **ids, time_ns=NOW - 7 * MINUTE_NS),
    ]))
    body = world.api("support")("/lookup?q=consent-abc-1").get_json()
    assert len(body["calls"]) == 3
    assert "Of 3 requests with this number, 1 failed. A later one worked." in body["answer"]["what_happened"]


def test_the_two_witnesses_of_a_call_are_one(world):
    line = call(601, witness="line", trace_id=trace_id(601), gateway_request_id="gw-601", time_ns=NOW, interaction_id=uuid(601))
    seen = call(602, witness="span", trace_id=trace_id(601), gateway_request_id="gw-601", time_ns=NOW, interaction_id="")
    world.records.append(masked([], [], [line, seen]))
    assert len(world.api()(f"/lookup?q={uuid(601)}").get_json()["calls"]) == 1
    assert len(world.api()("/lookup?q=gw-601").get_json()["calls"]) == 1


def test_restricted_incidents_do_not_show_in_answers(world):
    world.records.append(masked([], [], [call(700, partner="payday", status=403, outcome="partner_error", time_ns=NOW)]))
    assert "INC-212" not in world.api("support")(f"/lookup?q={uuid(700)}").get_data(as_text=True)
    assert "INC-212" in world.api("security")(f"/lookup?q={uuid(700)}").get_data(as_text=True)


def test_pasted_mail_leaves_only_ids_in_the_address(world):
    browser = world.signed_in("support")
    token = re.search(r'name="csrf" value="([^"]+)"', browser.get("/lookup").get_data(as_text=True)).group(1)
    mail = f"Dear bank,\nI am Jo Miller, jo@example.com, IBAN DE89370400440532013000.\nReference {INTERACTION}\nThanks"
    location = browser.post("/lookup", data={"q": mail, "csrf": token}).headers["Location"]

    assert f"/lookup?q={INTERACTION}" == location
    assert "Moneta Pay" in browser.get(location).get_data(as_text=True)


def test_page_gives_answer_way_and_next_steps(world):
    text = world.signed_in("support").get(f"/lookup?q={INTERACTION}").get_data(as_text=True)
    for words in ("What to tell the customer", "core-banking: no answer", "Copy answer", "Register complaint", "Moneta Pay"):
        assert words in text


@given(st.text(max_size=400))
def test_candidates_never_fail_and_are_bounded(text):
    found = candidates(text)
    assert len(found) <= 40
    assert all(guess.spellings and all(guess.spellings) for guess in found)


@given(st.uuids(), st.sampled_from(["{}", "ref: {}", "({})", "a\n{}\nb", "id={}", "{}."]),
       st.sampled_from(["lower", "upper", "bare"]))
def test_a_uuid_is_always_among_the_spellings(value, frame, case):
    written = {"lower": str(value), "upper": str(value).upper(), "bare": value.hex}[case]
    spellings = [spelling for guess in candidates(frame.format(written)) for spelling in guess.spellings]
    assert str(value) in spellings and value.hex in spellings


@given(st.integers(2**44, 2**128 - 1))
def test_leading_zeros_may_be_missing(number):
    written = f"{number:x}"
    assert f"{number:032x}" in [spelling for guess in candidates(written) for spelling in guess.spellings]


def test_long_text_is_cut():
    assert candidates("x " * MOST_TEXT + INTERACTION) == []


@given(
    outcome=st.sampled_from(OUTCOMES), status=st.sampled_from([0, 200, 401, 403, 404, 429, 500, 502, 504]),
    method=st.sampled_from(["GET", "POST", "DELETE"]), codes=st.sampled_from(["", "CONSENT_EXPIRED", "UK.OBIE.Field.Invalid AM04"]),
    route=st.sampled_from(["/accounts/{id}/balances", "/domestic-payments", "/account-access-consents", "/token", "/v1/x", ""]),
    partner=st.sampled_from(["moneta", "unknown"]),
)
def test_answers_are_whole_plain_and_promise_nothing_unsure(outcome, status, method, codes, route, partner):
    row = call(1, outcome=outcome, status=status, method=method, codes=codes, route=route, partner=partner, time_ns=NOW)
    answer = answer_for(row, [row], "Moneta Pay", None, NOW)

    for text in (answer.headline, answer.what_happened, answer.known_incident, answer.tell_customer):
        assert text and not JARGON.search(text), text
        assert "  " not in text and ".." not in text
    if wish_of(row).money and outcome == "bank_error" and not 400 <= status < 500:
        assert "No money moved" not in answer.what_happened
        assert "not been charged" not in answer.tell_customer
