"""A console over in-memory stores that hold a small, believable bank at 03:15 in the night."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import pytest
from builders import call, call_rollups, customer_rollups, error_rollups, log, masked, span, span_id, trace_id, uuid
from flask import Flask
from flask.testing import FlaskClient

from dashboards.app import create_app
from dashboards.gate import SignInBrake
from dashboards.health.rollups import HealthCache
from dashboards.parts import ConsoleSettings, Parts
from triage.accounts.accounts import Accounts, Principal, User
from triage.accounts.passwords import hash_password
from triage.accounts.sessions import Sessions
from triage.domain.codec import to_body
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
from triage.domain.notice import Attempt, Delivery, Filter
from triage.domain.windows import HOUR_NS, MINUTE_NS, NS, from_rfc3339
from triage.errors import NotAllowed, StoreUnavailable
from triage.incidents import documents
from triage.incidents.lifecycle import Request, act
from triage.notify.ledger import put_delivery
from triage.notify.receivers import create_receiver
from triage.store.memory import MemoryDocuments, MemoryRecords, MemoryRecordStore, MemoryStateStore

NOW = from_rfc3339("2026-03-02T03:15:00Z")
T = NOW - 11 * MINUTE_NS
PASSWORD = "correct horse battery"
CSRF = "form-token-of-the-tests"
SETTINGS = ConsoleSettings("https://triage.example", "secret-of-the-tests")
NAMES = {"moneta": "Moneta Pay", "fintrust": "Fintrust", "kite": "Kite Finance", "payday": "Payday One"}
PAY = "POST /domestic-payments"
ACCOUNTS = "GET /accounts/{id}"
BAD_TRACE = trace_id(0xBAD)


class Breakable:
    """A store that can be made to be away."""

    def __init__(self, inner: Any) -> None:
        self.inner, self.away = inner, False

    def __getattr__(self, name: str) -> Any:
        if self.away:
            raise StoreUnavailable("no node of Elasticsearch answers")
        return getattr(self.inner, name)


@dataclass
class World:
    """Everything that a test may want to look at or break."""

    app: Flask
    parts: Parts
    records: Any
    state: Any
    clock: list[int]

    def token(self, role: Any) -> str:
        return self.parts.accounts.create_token(role, role, NOW)[1].written()

    def api(self, role: str = "responder") -> Callable[..., Any]:
        """A caller of the JSON interface with a token of the role."""
        client, headers = self.app.test_client(), {"Authorization": f"Bearer {self.token(role)}"}

        def ask(path: str, body: Any = None, method: str = "") -> Any:
            method = method or ("POST" if body is not None else "GET")
            return client.open(f"/api/v1{path}", method=method, json=body, headers=headers)

        return ask

    def signed_in(self, role: Any = "responder") -> FlaskClient:
        """A browser of a user `<role>` who has signed in. (Signing in by the form is slow on purpose.)"""
        client = self.app.test_client()
        with client.session_transaction() as session:
            session["secret"] = self.parts.sessions.open(Principal(role, role, f"user:{role}"), self.clock[0])
            session["csrf"] = CSRF
        return client


@pytest.fixture
def world() -> World:
    """A console over a fresh copy of the bank."""
    return make_world()


@pytest.fixture(scope="module")
def module_world() -> World:
    """One console for tests that only look."""
    return make_world(create_app)


@pytest.fixture(scope="module")
def world_over() -> Callable[..., World]:
    """Makes a console over other stores; restricted and open incidents are there."""
    def make(records: Any, state: Any, change: Callable[[Parts], Parts]) -> World:
        clock = [NOW]
        for incident in incidents():
            documents.write(state, incident)
        parts = change(make_parts(records, state, clock))
        return World(create_app(parts, SETTINGS), parts, records, state, clock)

    return make


@cache
def _bank() -> tuple[MemoryRecords, MemoryDocuments]:
    records, documents_ = MemoryRecords(), MemoryDocuments()
    fill(MemoryRecordStore(records), MemoryStateStore(documents_))
    return records, documents_


@cache
def _app() -> Flask:
    return create_app(make_parts(*_stores(), [NOW]), SETTINGS)


def _stores() -> tuple[Any, Any]:
    records, kept = _bank()
    copied = MemoryRecords(rows={signal: dict(rows) for signal, rows in records.rows.items()},
                           rollups={kind: dict(rows) for kind, rows in records.rollups.items()})
    return Breakable(MemoryRecordStore(copied)), Breakable(MemoryStateStore(MemoryDocuments(documents=dict(kept.documents))))


def make_world(make: Callable[[Parts, ConsoleSettings], Flask] | None = None) -> World:
    """The console and its bank. Without `make`, one app (whose templates are compiled already) gets new parts."""
    records, state = _stores()
    clock = [NOW]
    parts = make_parts(records, state, clock)
    if make:
        return World(make(parts, SETTINGS), parts, records, state, clock)
    app = _app()
    app.extensions |= {"parts": parts, "sign_in_brake": SignInBrake(parts.clock), "health": HealthCache(parts)}
    return World(app, parts, records, state, clock)


def make_parts(records: Any, state: Any, clock: list[int]) -> Parts:
    """The seams, with doubles where something would leave the process."""
    accounts = Accounts(state)

    def acting(incident_id: str, action: Any, version: int | None, actor: str, **args: Any) -> Incident:
        found = documents.get(state, incident_id)
        if found is None:
            raise KeyError(incident_id)
        return act(state, incident_id, Request(action, found.version if version is None else version, actor, **args), clock[0])

    def send_test(receiver_id: str) -> Delivery:
        raise NotAllowed(f"nobody listens for {receiver_id}")

    return Parts(
        records=records, state=state, accounts=accounts, sessions=Sessions(state, accounts), act=acting,
        replay=lambda delivery_id: replace(_delivery("rcv", "pending"), id=delivery_id),
        send_test=send_test, clock=lambda: clock[0],
        counters=lambda: {"duplicates": 12, "rejected": {"older than the retention": 3}, "masked": 340, "lag_s": 1.5,
                          "sources": [{"source": "otlp", "seconds_ago": 0.4}]},
        version="9.9", store="memory", ready=list, partner_name=lambda partner: NAMES.get(partner, partner),
        mask_text=lambda text: text.replace("4111111111111111", "····1111"), refused={uuid(66): "no trace ID"}.get,
        unreachable=lambda url: "127.0.0.1 is not a public address; add its network to TRIAGE_WEBHOOK_ALLOW" if "127.0.0.1" in url else "",
    )


def fill(records: Any, state: Any) -> None:
    """Calls, traces, roll-ups, incidents, groups, changes, receivers, and one user a role."""
    password_hash = hash_password(PASSWORD)
    for role in ("viewer", "support", "responder", "security", "administrator"):
        state.put("user", role, to_body(User(role, role, password_hash, T)), version=None, tags=["state:active"])
    records.append(masked(_spans(), _logs(), _calls()))
    rows = _rollup_rows()
    records.replace_rollups("calls", {row["minute"] for row in rows}, call_rollups(rows))
    hours = [(partner, api, outcome, NOW // MINUTE_NS // 60 * 60 - 60 * ago, sketch) for partner, api, outcome, ago, sketch in (
        ("moneta", ACCOUNTS, "ok", 0, [1, 2, 3]), ("moneta", ACCOUNTS, "bank_error", 1, [3, 4]),
        ("kite", ACCOUNTS, "ok", 2, [2, 5]), ("moneta", ACCOUNTS, "ok", 40, [6, 7]))]
    records.replace_rollups("customers", {hour for *_, hour, _ in hours}, customer_rollups([
        {"minute": hour, "partner": partner, "api": api, "outcome": outcome, "sketch": sketch}
        for partner, api, outcome, hour, sketch in hours]))
    errors = [{"minute": T // MINUTE_NS + i, "group_id": "g-lock", "partner": "moneta", "api": PAY, "service": "core-banking",
               "count": 3 * i + 2, "sample_trace": BAD_TRACE} for i in range(10)]
    records.replace_rollups("errors", {row["minute"] for row in errors}, error_rollups(errors))
    for incident in incidents():
        documents.write(state, incident)
    state.put("group", "g-lock", {
        "id": "g-lock", "kind": "exception", "title": "ORA-00054: resource busy", "template": "ORA-00054: resource busy <*>",
        "evidence": ["the same exception type and frames", "the same service"], "service": "core-banking", "api": PAY,
        "codes": ["UK.OBIE.UnexpectedError"], "first_seen_ns": T, "last_seen_ns": NOW, "count": 1842, "samples": [BAD_TRACE],
        "parameters": ["acquire with NOWAIT"], "neighbours": ["g-timeout"],
    }, version=None, sort=NOW)
    state.put("group", "g-timeout", {"id": "g-timeout", "title": "Read timed out", "count": 3, "last_seen_ns": T}, version=None)
    state.put("change", "chg-1", {
        "id": "chg-1", "kind": "deployment", "scope": {"service": "core-banking", "api": "", "partner": ""}, "version": "4.7.0",
        "at_ns": NOW - 13 * MINUTE_NS, "until_ns": 0, "by": "pipeline", "link": "https://ci.example/1",
    }, version=None, sort=NOW - 13 * MINUTE_NS, tags=["kind:deployment", "service:core-banking"])
    state.put("run", "last", {"at_ns": NOW - 12 * NS, "seconds": 0.8, "records": 5000, "findings": 3, "error": ""}, version=None)
    receiver = create_receiver(state, name="Payments on-call", url="https://hooks.example/T000/secret-path", form="native",
                               now_ns=T, wanted=Filter(severity=["critical", "high"]))
    put_delivery(state, _delivery(receiver.id, "delivered"), None)


def _delivery(receiver_id: str, state: Any) -> Delivery:
    return Delivery("dlv_1", receiver_id, "INC-214", "INC-214-1", "incident.opened", state, T + MINUTE_NS, "msg_1",
                    attempts=[Attempt(T + MINUTE_NS, 200, "", 0.4)])


def _spans() -> list[dict[str, Any]]:
    steps = [
        (0xA1, 0, "api-gateway", "", "POST /domestic-payments", 0, 30_000, 2, 504, ""),
        (0xA2, 0xA1, "consent-service", "2.1.0", "validate consent", 60, 42, 0, 200, ""),
        (0xA3, 0xA1, "payments-service", "3.3.1", "POST /payments", 300, 29_650, 2, 504, ""),
        (0xA4, 0xA3, "core-banking", "4.7.0", "reserve funds", 420, 29_500, 2, 500, "LockWaitTimeout"),
        (0xA5, 0xA4, "core-banking", "4.7.0", "SELECT balance FOR UPDATE", 480, 29_300, 2, 0, "ORA-00054"),
    ]
    return [
        span(number, trace_id=BAD_TRACE, parent_id=span_id(parent) if parent else "", service=service, version=version, name=name,
             time_ns=T + 2 * MINUTE_NS + at * 1_000_000, duration_ns=ms * 1_000_000, status=status, http_status=http,
             exception_type=error, exception_message="resource busy" if error else "",
             attributes={"db.system": "oracle"} if number == 0xA5 else {"http.route": "/domestic-payments"})
        for number, parent, service, version, name, at, ms, status, http, error in steps
    ]


def _logs() -> list[dict[str, Any]]:
    return [
        log(1, trace_id=BAD_TRACE, span_id=span_id(0xA4), time_ns=T + 2 * MINUTE_NS + 460 * 1_000_000, severity=9,
            body="reserving funds, account ····4821", service="core-banking"),
        log(2, trace_id=BAD_TRACE, span_id=span_id(0xA4), time_ns=T + 2 * MINUTE_NS + 29_800 * 1_000_000, severity=17,
            body="ORA-00054: resource busy and acquire with NOWAIT specified or timeout expired", service="core-banking",
            exception_type="LockWaitTimeout", exception_stack="LockWaitTimeout\n  at core.Reserve(Reserve.java:41)"),
    ]


def _calls() -> list[dict[str, Any]]:
    failed = {"method": "POST", "route": "/domestic-payments", "status": 504, "outcome": "bank_error", "duration_ns": 30 * NS,
              "service": "core-banking", "upstream_status": 0, "codes": "UK.OBIE.UnexpectedError", "partner": "moneta"}
    rows = [call(1, **failed, time_ns=T + 2 * MINUTE_NS, trace_id=BAD_TRACE, payment_id="pay-2026-0001",
                 interaction_id="93bac548-d2de-4546-b106-880a5018460d")]
    rows += [call(2, time_ns=T, partner="kite", consent_id="urn:bank:consent-77", message="<script>alert(1)</script>")]
    rows += [call(3, time_ns=T + MINUTE_NS, partner="kite", status=401, outcome="partner_error", responder="gateway",
                  upstream_status=0)]
    rows += [call(4, time_ns=T + MINUTE_NS, partner="fintrust", status=403, outcome="customer_error", codes="CONSENT_EXPIRED")]
    rows += [call(5, time_ns=T + 3 * MINUTE_NS, partner="kite", status=502, outcome="gateway_error", responder="gateway",
                  method="POST", route="/domestic-payments", upstream_status=0)]
    rows += [call(100 + i, time_ns=NOW - i * 7 * NS, partner=("moneta", "kite", "fintrust")[i % 3]) for i in range(60)]
    return rows


def _rollup_rows() -> list[dict[str, Any]]:
    rows, first = [], NOW // MINUTE_NS - 24 * 60 + 1
    for i in range(0, 24 * 60, 5):
        wave = 1 + math.sin(i / 230)
        late = i > 24 * 60 - 12
        for partner, weight in (("moneta", 40), ("kite", 22), ("fintrust", 9)):
            for api, share in (("GET /accounts/{id}", 0.6), (PAY, 0.4)):
                n = int(weight * share * wave) + 1
                base = {"minute": first + i, "partner": partner, "api": api, "service": "accounts", "instance": "gw-1"}
                rows.append({**base, "calls": n, "buckets": [218, 236], "counts": [n - 1, 1]})
                if late and api == PAY:
                    rows.append({**base, "service": "core-banking", "outcome": "bank_error", "calls": n * 2, "buckets": [353],
                                 "counts": [n * 2]})
    return rows


def incidents() -> list[Incident]:
    """Three live ones, of which one is restricted, and an old one."""
    series = [Point(T // MINUTE_NS - 60 + i, 90 + i % 7, max(0, (i - 58) * 4)) for i in range(72)]
    return [
        Incident(
            id="INC-214", key="k1", title="Payments time out: core-banking does not answer", state="open", severity="critical",
            kind="errors", whose_side="bank", scope="one service, all partners",
            summary="Since 03:04, 31 % of payment calls from 3 partners fail after 30 s. The first component that fails is "
                    "core-banking (database wait), two minutes after its release 4.7.0. Account reads are healthy.",
            first_seen_ns=T, last_seen_ns=NOW, opened_ns=T + MINUTE_NS, failed_calls=1842, total_calls=5942, customers=1207,
            partners=[Impact("moneta", "Moneta Pay", 612, 1275), Impact("kite", "Kite Finance", 220, 536)],
            apis=[ApiImpact("POST", "/domestic-payments", 1842, 5942)], services=["core-banking", "payments-service"],
            suspects=[Suspect("change", "core-banking 4.7.0", 0.91, ["98 % of failing calls pass core-banking 4.7.0",
                                                                     "first failure 2 min after it"]),
                      Suspect("service", "core-db", 0.64, ["lock waits 40 ms → 29 s"], ["seen only behind 4.7.0"]),
                      Suspect("change", "gateway configuration", 0.0, [], ["touches only /accounts; those calls are healthy"])],
            groups=["g-lock", "g-timeout"], trace_ids=[BAD_TRACE], series=series, similar=["INC-131"],
            comparison=[Comparison("service.version", "core-banking 4.7.0", 0.98, 0.12),
                        Comparison("http.route", "/domestic-payments", 0.81, 0.22)],
            timeline=[TimelineEntry(T + MINUTE_NS, "analysis", "opened", "new error group"),
                      TimelineEntry(T + 5 * MINUTE_NS, "analysis", "escalated", "over 25 % of payments")],
            notices=[Notice("INC-214-1", "incident.opened", T + MINUTE_NS, "opened", sent=True)],
        ),
        Incident(
            id="INC-213", key="k2", title="Fintrust: every call is refused, its certificate expired", state="acknowledged",
            severity="high", kind="errors", whose_side="partner", scope="one partner", summary="All calls of Fintrust are refused.",
            first_seen_ns=NOW - HOUR_NS, last_seen_ns=NOW, opened_ns=NOW - HOUR_NS, failed_calls=604, total_calls=604,
            customers=388,
            partners=[Impact("fintrust", "Fintrust", 604, 604)], assignee="Partner desk", series=series[::2],
        ),
        Incident(
            id="INC-212", key="k3", title="Payday One reads 40 times more accounts than it ever did", state="open",
            severity="medium", kind="abnormal_use", whose_side="partner", scope="one partner", summary="Possible enumeration.",
            first_seen_ns=NOW - 2 * HOUR_NS, last_seen_ns=NOW, opened_ns=NOW - 2 * HOUR_NS, failed_calls=2310, total_calls=9000,
            partners=[Impact("payday", "Payday One", 2310, 9000)], restricted=True,
        ),
        Incident(
            id="INC-131", key="k0", title="The same lock wait after 4.5.2", state="resolved", severity="high", kind="errors",
            whose_side="bank", scope="", summary="", first_seen_ns=NOW - 900 * HOUR_NS, last_seen_ns=NOW - 899 * HOUR_NS,
            opened_ns=NOW - 900 * HOUR_NS, resolved_ns=NOW - 899 * HOUR_NS, failed_calls=90, total_calls=300,
        ),
    ]

