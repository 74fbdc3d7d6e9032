from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import orjson
import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st

from triage.domain.columns import COLUMNS, SIGNALS, Signal
from triage.domain.records import Records
from triage.mask.masker import Masker
from triage.ports.masked import MaskedRecords, arrow_schema

MASKER = Masker(b"a key of the tests")
UUID = "93bac548-d2de-4546-b106-880a5018460d"
TRACE, SPAN = "5b8efff798038103d269b633813fc60c", "eee19b7ec3c1b174"


def jwt(claims: dict[str, Any]) -> str:
    parts = ({"alg": "PS256", "kid": "k1"}, claims)
    head, body = (base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)
    return f"{head}.{body}.c2lnbmF0dXJlLW9mLXRoZS10b2tlbg"


def records(signal: Signal, *rows: dict[str, Any]) -> Records:
    made = Records()
    columns: dict[str, list[Any]] = getattr(made, signal)
    for row in rows:
        for name, kind in COLUMNS[signal].items():
            columns[name].append({"time_ns": 1, **row}.get(name, "" if kind == "str" else False if kind == "bool" else 0))
    return made


def attributes(given: Any, masker: Masker = MASKER) -> Any:
    text = masker.mask(records("spans", {"attributes": given})).spans.column("attributes")[0].as_py()
    return orjson.loads(text) if text else text


def call(**columns: Any) -> dict[str, Any]:
    row: dict[str, Any] = MASKER.mask(records("calls", columns)).calls.to_pylist()[0]
    return row


def test_tables_have_the_columns_of_the_port_and_are_never_null() -> None:
    masked = MASKER.mask(records("spans", {"trace_id": TRACE, "service": None, "attributes": None, "events": []}))

    assert isinstance(masked, MaskedRecords)
    for signal in SIGNALS:
        assert masked.table(signal).schema.equals(arrow_schema(signal))
    assert [masked.table(signal).num_rows for signal in SIGNALS] == [1, 0, 0]
    assert masked.spans.to_pylist()[0] | {"time_ns": 0} == {
        name: TRACE if name == "trace_id" else "" if kind == "str" else 0 for name, kind in COLUMNS["spans"].items()
    }


def test_pseudonym_is_hmac_sha256_and_equal_values_join() -> None:
    expected = hmac.new(b"a key of the tests", b"alice", hashlib.sha256).hexdigest()[:16]
    row = call(customer="alice", resource_ref="alice", idempotency="alice")

    assert MASKER.pseudonym("alice") == expected
    assert {row["customer"], row["resource_ref"], row["idempotency"]} == {expected}
    assert attributes({"enduser.id": "alice"}) == {"enduser.id": expected}
    assert Masker(b"another").pseudonym("alice") != expected
    assert Masker(b"k" * 100).pseudonym("x") == hmac.new(b"k" * 100, b"x", hashlib.sha256).hexdigest()[:16]
    with pytest.raises(ValueError, match="empty"):
        Masker(b"")


def test_secrets_by_the_name_of_their_key() -> None:
    token = jwt({"iss": "https://as.bank.example", "sub": "alice", "client_id": "tpp-1", "exp": 1780000000, "otp": "998877"})

    assert attributes({
        "http.request.header.authorization": [f"Bearer {token}"], "http.request.header.cookie": "a=b; c=d", "password": "hunter2",
        "client_secret": "s", "otp": 123456, "x-jws-signature": "eyJhbGciOiJQUzI1NiJ9..c2ln", "code": "SplxlOBeZQQYbYS6WxSbIA",
        "nested": {"apikey": "k", "deep": [{"refresh_token": "r"}]}, "cookies": {"sid": "1"}, "enabled": True,
    }) == {
        "http.request.header.authorization": [
            "Bearer [jwt alg=PS256 kid=k1 iss=https://as.bank.example client_id=tpp-1 exp=1780000000 sub=~"
            f"{MASKER.pseudonym('alice')}]"],
        "http.request.header.cookie": "[masked]", "password": "[masked]", "client_secret": "[masked]", "otp": "[masked]",
        "x-jws-signature": "[masked]", "code": "[masked]",
        "nested": {"apikey": "[masked]", "deep": [{"refresh_token": "[masked]"}]},
        "cookies": {"sid": "[masked]"}, "enabled": True,
    }


def test_error_codes_and_technical_attributes_stay() -> None:
    kept = {
        "code": "AC17", "openbanking.error.code": "UK.OBIE.Field.Missing", "http.response.status_code": 500,
        "http.route": "/accounts/{AccountId}/balances", "url.path": "/open-banking/v4.0/pisp/domestic-payments", "net": 1.5,
        "server.address": "10.2.3.4", "http.request.header.x-consumer-username": "acme", "process.pid": 4711, "none": None,
        "openbanking.consent.id": "urn:bank:consent-1234567890", "traceparent": f"00-{TRACE}-{SPAN}-01",
        "http.request.header.x-fapi-interaction-id": [UUID], "balancer_start_ns": 1.7267838395395e18, "at": 1726783839539000064,
        "exception.stacktrace": "at com.bank.Foo.bar(Foo.java:123)\n\tat com.bank.Baz.qux(Baz.java:77)",
    }
    masked = MASKER.mask(records("spans", {"attributes": kept}))

    assert orjson.loads(masked.spans.column("attributes")[0].as_py()) == kept
    assert masked.masked == 0


def test_paths_addresses_and_bodies() -> None:
    owner = f"~{MASKER.pseudonym('22289')}"

    assert attributes({
        "url.path": "/open-banking/v3.1/aisp/accounts/22289/balances?x=1", "url.full": "https://u:p@bank/v1/users/id/22289#f",
        "url.query": "code=1", "client.address": "104.25.212.99",
        "http.request.header.x-forwarded-for": "104.25.212.99, 2001:db8:1:2::1",
        "http.response.body": '{"a":1}', "db.statement": "select * from t where name = 'O''Neil' and n = 12345678 and k = $1",
        "http.target": "/v1/loans/1234567/plan", "x": {"url.path": "/v1/consents/1234567"},
    }) == {
        "url.path": f"/open-banking/v3.1/aisp/accounts/{owner}/balances", "url.full": f"https://bank/v1/users/id/{owner}",
        "url.query": "[masked]", "client.address": "104.25.212.0/24",
        "http.request.header.x-forwarded-for": "104.25.212.0/24, 2001:db8:1::/48", "http.response.body": "[masked]",
        "db.statement": "select * from t where name = ? and n = ? and k = $1",
        "http.target": f"/v1/loans/~{MASKER.pseudonym('1234567')}/plan", "x": {"url.path": "/v1/consents/1234567"},
    }


@pytest.mark.parametrize("name", ["interaction_id", "request_id", "gateway_request_id", "consent_id", "payment_id", "trace_id"])
def test_ids_of_calls_survive_unless_they_are_personal(name: str) -> None:
    for kept in (UUID, TRACE, UUID.upper(), "urn:alphabank:intent:88379", "58923", "1726783839539", "a" * 128, "PDC-123-1"):
        assert call(**{name: kept})[name] == kept
    assert call(**{name: "4111111111111111"})[name] == "411111******1111"
    assert call(**{name: "GB29NWBK60161331926819"})[name] == "GB****6819"
    assert call(**{name: "alice@example.com"})[name] == "*@example.com"
    assert jwt({"sub": "alice"}) not in call(**{name: jwt({"sub": "alice"})})[name]


def test_free_text_of_every_signal() -> None:
    row = {"body": "card 4111111111111111", "exception_message": "mail a@b.example", "message": "Bearer abc123def",
           "name": "GET /users/4711",
           "events": [{"time_ns": 5, "name": "e", "attributes": {"exception.message": "pan 4111 1111 1111 1111"}}]}
    masked = MASKER.mask(records("logs", row))

    assert masked.logs.to_pylist()[0]["body"] == "card 411111******1111"
    assert masked.logs.to_pylist()[0]["exception_message"] == "mail *@b.example"
    assert masked.masked == 2
    assert call(**row)["message"] == "Bearer [masked]"
    span = MASKER.mask(records("spans", row)).spans.to_pylist()[0]
    assert span["name"] == f"GET /users/~{MASKER.pseudonym('4711')}"
    assert orjson.loads(span["events"])[0] == {
        "time_ns": 5, "name": "e", "attributes": {"exception.message": "pan 411111******1111"}}


def test_a_shared_resource_is_the_same_everywhere_and_the_input_stays_as_it_was() -> None:
    shared = {"owner.email": "a@b.example"}
    masked = MASKER.mask(records("spans", {"resource": shared}, {"resource": shared}))

    assert set(masked.spans.column("resource").to_pylist()) == {'{"owner.email":"*@b.example"}'}
    assert shared == {"owner.email": "a@b.example"}


def test_lone_surrogates_big_numbers_bytes_and_depth() -> None:
    deep: Any = "4111111111111111"
    for _ in range(40):
        deep = {"a": deep}

    assert attributes({"k\ud800": "v\udfff", "n": 2**70, "b": b"raw", "nan": float("nan"), "t": (1, "x")}) == {
        "k?": "v?", "n": str(2**70), "b": "[3 bytes]", "nan": None, "t": [1, "x"]}
    assert "4111111111111111" not in json.dumps(attributes(deep))
    row = MASKER.mask(records("spans", {"service": "a\ud800", "name": "b\udfff", "time_ns": 2**70})).spans.to_pylist()[0]
    assert (row["service"], row["name"], row["time_ns"]) == ("a?", "b?", 2**63 - 1)
    assert MASKER.mask_text("x\ud800") == "x?"


def test_an_object_about_a_person() -> None:
    assert attributes({
        "debtor": {"name": "Alice", "id": "77", "country": "GB"}, "CreditorAccount": [{"Name": "Bob"}], "service": {"name": "x"},
    }) == {
        "debtor": {"name": "[masked]", "id": "77", "country": "GB"}, "CreditorAccount": [{"Name": "[masked]"}],
        "service": {"name": "x"},
    }


def test_numbers_that_are_cards() -> None:
    assert attributes({"a": 4111111111111111, "b": 4111111111111112, "customer_id": 17}) == {
        "a": "411111******1111", "b": 4111111111111112, "customer_id": MASKER.pseudonym("17")}


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30) | st.binary(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3), max_leaves=10,
)
NAMES = st.sampled_from(["password", "url.path", "user.id", "authorization", "client.address", "iban", "code", "x-request-id", "m"])


@examples(150)
@given(st.dictionaries(NAMES | st.text(max_size=8), VALUES, max_size=6), st.text(max_size=40), st.text(max_size=40))
def test_never_raises_and_gives_json(given: dict[str, Any], text: str, identity: str) -> None:
    masked = MASKER.mask(records("logs", {"attributes": given, "body": text, "trace_id": identity, "service": text}))

    written = masked.logs.column("attributes")[0].as_py()
    assert isinstance(orjson.loads(written) if given else {}, dict)
    assert masked.logs.num_rows == 1


@examples(100)
@given(
    st.uuids().map(str) | st.binary(min_size=16, max_size=16).map(bytes.hex)
    | st.integers(1_600_000_000, 1_900_000_000).map(str)
)
def test_ids_and_times_survive_everywhere(value: str) -> None:
    times = [value, value + "539", value + "539123", value + "539123456"] if value.isdecimal() else [value]
    for kept in times:
        assert MASKER.mask_text(f"request {kept} failed (id={kept})") == f"request {kept} failed (id={kept})"
        assert attributes({"request.id": kept, "note": kept}) == {"request.id": kept, "note": kept}
