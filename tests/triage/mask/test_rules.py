from __future__ import annotations

import pytest

from triage.mask.rules import Rule, rule_of

EXPECTED: dict[Rule, tuple[str, ...]] = {
    Rule.DROP: (
        "password", "db.password", "client_secret", "clientSecret", "http.request.header.x-api-key", "apikey", "refresh_token",
        "http.request.header.cookie", "http.response.header.set-cookie", "assertion", "otp", "http.request.header.x-jws-signature",
        "http.request.body", "http.response.body.content", "raw_request", "url.query", "customer.name", "accountHolderName",
        "date_of_birth", "PSU-Geo-Location", "x-cds-client-headers", "JSESSIONID", "oauth.code", "姓名",
    ),
    Rule.AUTH: ("authorization", "http.request.header.authorization", "Proxy-Authorization"),
    Rule.CODE: ("code",),
    Rule.PSEUDONYM: (
        "enduser.id", "enduser.pseudo.id", "user.id", "user.hash", "psu.id", "http.request.header.psu-id",
        "customer_id", "account.id", "AccountNumber", "http.request.header.x-idempotency-key", "session.id", "user.name",
    ),
    Rule.ADDRESS: (
        "client.address", "http.request.header.x-forwarded-for", "http.request.header.x-fapi-customer-ip-address",
        "PSU-IP-Address", "http.client_ip",
    ),
    Rule.PATH: ("url.path", "url.full", "http.target", "http.url", "http.request.header.referer"),
    Rule.STRICT: ("iban", "debtor.iban", "card_number", "user.email", "phoneNumber", "手机号"),
    Rule.ID: (
        "http.request.header.x-fapi-interaction-id", "http.request.header.x-request-id", "openbanking.consent.id",
        "openbanking.payment.id", "trace_id", "traceparent", "gateway.request.id",
    ),
    Rule.SQL: ("db.statement", "db.query.text"),
    Rule.TEXT: (
        "http.request.method", "http.route", "service.name", "host.name", "http.request.header.x-consumer-username",
        "consumer.username", "client_id", "enduser.client_id", "openbanking.tpp.id", "tls.client.subject", "error.type",
        "openbanking.error.code", "http.response.status_code", "code.function.name", "thread.name", "server.address",
        "exception.message", "http.request.body.size", "gen_ai.usage.input_tokens", "token_type", "user_agent.original",
        "cloud.account.id", "network.peer.address", "", "...",
    ),
}


@pytest.mark.parametrize(("rule", "key"), [(rule, key) for rule, keys in EXPECTED.items() for key in keys])
def test_rule_by_name(rule: Rule, key: str) -> None:
    assert rule_of(key) is rule
