"""Golden bodies: every byte that we send, under `tests/wire/webhooks`. Write them anew with TRIAGE_GOLDEN=write, then review."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import orjson
import pytest
from examples import examples
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from triage.domain.incident import ApiImpact, Impact, Incident, Notice, NoticeType, Suspect
from triage.domain.notice import NOTICE_TYPES, Format, Message, Receiver
from triage.domain.windows import NS, from_rfc3339
from triage.notify.formats import PROFILES
from triage.notify.manual import sample_incident
from triage.notify.plan import snapshot

GOLDEN = Path(__file__).parents[2] / "wire" / "webhooks"
NOW = from_rfc3339("2026-03-02T10:00:00Z")
BASE = "https://triage.bank.example"


@pytest.fixture
def message(incident: Incident, receiver: Receiver) -> Message:
    notice = Notice("n1", "incident.opened", NOW, "a new problem of severity high")
    return Message(replace(receiver, secret="R0UT1NGKEY"), snapshot(incident), notice, "msg_1", NOW)


def of_type(message: Message, type_: NoticeType) -> Message:
    incident = message.incident
    if type_ == "incident.resolved":
        incident = replace(incident, state="resolved", resolved_ns=NOW + 60 * NS)
    if type_ == "receiver.test":
        incident = sample_incident(message.receiver, NOW)
    return replace(message, incident=incident, notice=replace(message.notice, type=type_))


def test_every_format_has_a_profile() -> None:
    assert list(get_args(Format)) == list(PROFILES)


@pytest.mark.parametrize("type_", NOTICE_TYPES)
@pytest.mark.parametrize("name", PROFILES)
def test_the_body_is_the_golden_one(message: Message, name: Format, type_: NoticeType) -> None:
    message = of_type(replace(message, receiver=replace(message.receiver, format=name)), type_)
    body = orjson.dumps(PROFILES[name].render(message, BASE))
    text = json.dumps(json.loads(body), indent=1, ensure_ascii=False) + "\n"
    path = GOLDEN / f"{name}-{type_}.json"
    if os.environ.get("TRIAGE_GOLDEN") == "write":
        path.write_text(text, encoding="utf-8")

    assert path.read_text(encoding="utf-8") == text


def test_native_is_a_standard_webhook_with_the_public_fields(message: Message) -> None:
    body = PROFILES["native"].render(message, BASE)

    assert {"type", "timestamp", "data"} == set(body)
    assert (body["type"], body["timestamp"]) == ("incident.opened", "2026-03-02T10:00:00.000Z")
    assert ("INC-7", f"{BASE}/incidents/INC-7", "Aurora Pay") == (
        body["data"]["id"], body["data"]["url"], body["data"]["partners"][0]["name"],
    )


LONG = st.text(st.characters(exclude_categories=["Cs"]), max_size=400).map(lambda text: text * 5)


@given(st.lists(LONG, max_size=30))
@examples(60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_native_stays_under_20_kb(message: Message, texts: list[str]) -> None:
    huge = replace(
        message.incident, title="\U0001f4a5" * 3000, summary="".join(texts), scope="".join(texts),
        partners=[Impact(text, text, 1, 1) for text in texts], apis=[ApiImpact("GET", text, 1, 1) for text in texts],
        services=texts, instances=texts, groups=texts, trace_ids=texts,
        suspects=[Suspect("service", text, 0.5, texts, texts) for text in texts],
    )

    body = orjson.dumps(PROFILES["native"].render(replace(message, incident=snapshot(huge)), BASE))

    assert len(body) < 20_000


@pytest.mark.parametrize("name", PROFILES)
def test_an_incident_of_which_little_is_known_can_be_told(message: Message, name: Format) -> None:
    bare = replace(
        message.incident, partners=[], apis=[], services=[], suspects=[], trace_ids=[], customers=0, failed_calls=0, total_calls=0,
    )

    assert orjson.dumps(PROFILES[name].render(replace(message, incident=bare), BASE))


def test_the_alert_of_an_incident_stays_the_same_alert(message: Message) -> None:
    def identity(body: dict[str, Any]) -> tuple[str, str]:
        return body["groupKey"], body["alerts"][0]["fingerprint"]

    later = replace(of_type(message, "incident.resolved"), incident=replace(message.incident, severity="critical", services=[]))
    first, last = (PROFILES["alertmanager"].render(each, BASE) for each in (message, later))

    assert identity(first) == identity(last)
    assert (first["status"], last["status"]) == ("firing", "resolved")
    assert first["alerts"][0]["endsAt"] == "0001-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("type_", "action"),
    [
        ("incident.opened", "trigger"), ("incident.escalated", "trigger"), ("incident.reopened", "trigger"),
        ("incident.acknowledged", "acknowledge"), ("incident.resolved", "resolve"),
    ],
)
def test_pagerduty_follows_the_life_of_the_incident(message: Message, type_: NoticeType, action: str) -> None:
    body = PROFILES["pagerduty"].render(of_type(message, type_), BASE)

    assert (action, "gateway-triage/INC-7", "R0UT1NGKEY") == (body["event_action"], body["dedup_key"], body["routing_key"])
    assert len(body["payload"]["summary"]) <= 1024


def test_only_pagerduty_puts_the_secret_into_the_body(message: Message) -> None:
    shown = {name for name, profile in PROFILES.items() if b"R0UT1NGKEY" in orjson.dumps(profile.render(message, BASE))}

    assert {"pagerduty"} == shown


def test_nobody_slips_a_mention_or_a_link_into_a_chat(message: Message) -> None:
    title = "<!channel> <https://evil.example|click> [click](https://evil.example) *loud*"
    evil = replace(message, incident=replace(message.incident, title=title))

    slack, teams = (orjson.dumps(PROFILES[name].render(evil, BASE)).decode() for name in ("slack", "teams"))

    assert "<" not in slack
    assert "[click]" not in teams
    assert "*loud*" not in teams
