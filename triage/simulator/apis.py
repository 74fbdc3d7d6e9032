"""Services and APIs of the simulated bank: UK Open Banking behind Kong and Envoy, Berlin Group behind nginx."""

from __future__ import annotations

import hashlib
from typing import Final

from triage.simulator.parts import Api, Front, Hop, Role, Service, Standard

GATEWAY: Final = "api-gateway"
DATABASE: Final = "core-db"
CARD_SCHEME: Final = "card-scheme"

UK: Final = "/open-banking/v4.0"
_ACCOUNT: Final = UK + "/aisp/accounts/{AccountId}"
_XS2A: Final = "/v1/accounts/{account-id}"

_FRONT_INSTANCES: Final = ("kong-0", "kong-1", "kong-2", "nginx-0", "nginx-1", "envoy-0", "envoy-1")
_SERVICES: Final[tuple[tuple[str, str, int, str], ...]] = (
    ("consent-service", "3.11.2", 2, "java"),
    ("accounts-service", "5.2.0", 3, "java"),
    ("payments-service", "4.7.1", 3, "java"),
    ("core-banking", "22.4.0", 2, "java"),
    ("fraud-check", "1.18.0", 2, "python"),
    ("card-service", "2.3.9", 2, "java"),
    ("notification-service", "1.9.1", 2, "python"),
)


def services() -> tuple[Service, ...]:
    """The eight services, the gateway first. Kong, nginx and Envoy are instances of one gateway."""
    gateway = Service(GATEWAY, "3.8.0", _FRONT_INSTANCES, "lua")
    rest = [
        Service(name, version, _pods(name, count), language, legacy=name == "card-service")
        for name, version, count, language in _SERVICES
    ]
    return (gateway, *rest)


def _pods(name: str, count: int) -> tuple[str, ...]:
    digest = hashlib.blake2s(name.encode()).hexdigest()
    return tuple(f"{name}-{digest[:9]}-{digest[10 + 5 * place : 15 + 5 * place]}" for place in range(count))


def _gateway(ms: float = 3.0) -> Hop:
    return Hop(GATEWAY, -1, "", ms)


def read(service: str, name: str, core: str, ms: float, sql_ms: float) -> tuple[Hop, ...]:
    """A read: consent check, the owning service, the core, its database."""
    return (
        _gateway(),
        Hop("consent-service", 0, "POST /internal/consents/introspect", 6),
        Hop(service, 0, name, ms, called=True),
        Hop("core-banking", 2, core, 18, called=True),
        Hop(DATABASE, 3, "SELECT ledger", sql_ms, "database"),
    )


def payment(name: str) -> tuple[Hop, ...]:
    """A payment: fraud check, posting in the core, a message to the customer."""
    return (
        _gateway(4),
        Hop("payments-service", 0, name, 22, called=True),
        Hop("fraud-check", 1, "POST /score", 35, called=True),
        Hop("core-banking", 1, "POST /postings", 40, called=True),
        Hop(DATABASE, 3, "INSERT postings", 14, "database"),
        Hop("notification-service", 1, "POST /messages", 8),
    )


def _payment_read(name: str) -> tuple[Hop, ...]:
    return (
        _gateway(),
        Hop("payments-service", 0, name, 14, called=True),
        Hop("payments-db", 1, "SELECT payments", 5, "database"),
    )


def _consent(name: str) -> tuple[Hop, ...]:
    return (
        _gateway(),
        Hop("consent-service", 0, name, 16, called=True),
        Hop("consent-db", 1, "SELECT consents", 6, "database"),
    )


def _card(name: str) -> tuple[Hop, ...]:
    return (
        _gateway(),
        Hop("consent-service", 0, "POST /internal/consents/introspect", 6),
        Hop("card-service", 0, name, 20, called=True),
        Hop(CARD_SCHEME, 2, "POST", 110, "external"),
    )


def api(
    key: str,
    call: str,
    standard: Standard,
    roles: tuple[Role, ...],
    front: Front,
    weight: float,
    hops: tuple[Hop, ...],
    size: int,
    team: str,
) -> Api:
    """An operation; `call` is its method and route, `weight` how often it is called beside others."""
    method, route = call.split(" ", 1)
    success = 201 if method == "POST" and "token" not in route and "funds" not in route else 200
    return Api(key, method, route, standard, roles, front, weight, hops, success, size, team)


def _account_apis() -> tuple[Api, ...]:
    accounts, team = "accounts-service", "accounts-api"
    roles: tuple[Role, ...] = ("AISP",)
    return (
        api(
            "uk-accounts",
            f"GET {UK}/aisp/accounts",
            "uk",
            roles,
            "kong",
            14,
            read(accounts, "GET /accounts", "GET /ledger/accounts", 20, 8),
            2400,
            team,
        ),
        api(
            "uk-account",
            f"GET {_ACCOUNT}",
            "uk",
            roles,
            "kong",
            5,
            read(accounts, "GET /accounts/{id}", "GET /ledger/accounts/{id}", 14, 5),
            900,
            team,
        ),
        api(
            "uk-balances",
            f"GET {_ACCOUNT}/balances",
            "uk",
            roles,
            "kong",
            24,
            read(accounts, "GET /accounts/{id}/balances", "GET /ledger/balances/{id}", 16, 6),
            700,
            team,
        ),
        api(
            "uk-transactions",
            f"GET {_ACCOUNT}/transactions",
            "uk",
            roles,
            "kong",
            22,
            read(accounts, "GET /accounts/{id}/transactions", "GET /ledger/entries/{id}", 34, 30),
            18000,
            team,
        ),
        api(
            "uk-direct-debits",
            f"GET {_ACCOUNT}/direct-debits",
            "uk",
            roles,
            "kong",
            4,
            read(accounts, "GET /accounts/{id}/direct-debits", "GET /mandates/{id}", 16, 8),
            1500,
            team,
        ),
        api(
            "uk-standing-orders",
            f"GET {_ACCOUNT}/standing-orders",
            "uk",
            roles,
            "kong",
            3,
            read(accounts, "GET /accounts/{id}/standing-orders", "GET /orders/{id}", 16, 8),
            1300,
            team,
        ),
        api(
            "bg-accounts",
            "GET /v1/accounts",
            "berlin",
            roles,
            "nginx",
            12,
            read(accounts, "GET /accounts", "GET /ledger/accounts", 20, 8),
            2100,
            team,
        ),
        api(
            "bg-balances",
            f"GET {_XS2A}/balances",
            "berlin",
            roles,
            "nginx",
            20,
            read(accounts, "GET /accounts/{id}/balances", "GET /ledger/balances/{id}", 16, 6),
            650,
            team,
        ),
        api(
            "bg-transactions",
            f"GET {_XS2A}/transactions",
            "berlin",
            roles,
            "nginx",
            18,
            read(accounts, "GET /accounts/{id}/transactions", "GET /ledger/entries/{id}", 34, 30),
            15000,
            team,
        ),
    )


def _payment_apis() -> tuple[Api, ...]:
    pisp: tuple[Role, ...] = ("PISP",)
    cof: tuple[Role, ...] = ("CBPII",)
    team = "payments-api"
    return (
        api(
            "uk-payment-consent",
            f"POST {UK}/pisp/domestic-payment-consents",
            "uk",
            pisp,
            "kong",
            8,
            _consent("POST /consents/payments"),
            1100,
            team,
        ),
        api(
            "uk-payment",
            f"POST {UK}/pisp/domestic-payments",
            "uk",
            pisp,
            "kong",
            8,
            payment("POST /payments"),
            1200,
            team,
        ),
        api(
            "uk-payment-status",
            f"GET {UK}/pisp/domestic-payments/{{DomesticPaymentId}}",
            "uk",
            pisp,
            "kong",
            16,
            _payment_read("GET /payments/{id}"),
            1100,
            team,
        ),
        api(
            "uk-vrp",
            f"POST {UK}/vrp/domestic-vrps",
            "uk",
            pisp,
            "envoy",
            5,
            payment("POST /vrps"),
            1200,
            team,
        ),
        api(
            "uk-funds",
            "POST /open-banking/v3.1/cbpii/funds-confirmations",
            "uk",
            cof,
            "envoy",
            10,
            _payment_read("POST /funds-confirmations"),
            400,
            team,
        ),
        api(
            "bg-payment",
            "POST /v1/payments/sepa-credit-transfers",
            "berlin",
            pisp,
            "nginx",
            12,
            payment("POST /payments"),
            800,
            team,
        ),
    )


def _other_apis() -> tuple[Api, ...]:
    aisp: tuple[Role, ...] = ("AISP",)
    return (
        api(
            "uk-consent",
            f"POST {UK}/aisp/account-access-consents",
            "uk",
            aisp,
            "kong",
            4,
            _consent("POST /consents"),
            900,
            "consent",
        ),
        api(
            "uk-consent-status",
            f"GET {UK}/aisp/account-access-consents/{{ConsentId}}",
            "uk",
            aisp,
            "kong",
            5,
            _consent("GET /consents/{id}"),
            900,
            "consent",
        ),
        api(
            "bg-consent",
            "POST /v1/consents",
            "berlin",
            aisp,
            "nginx",
            4,
            _consent("POST /consents"),
            500,
            "consent",
        ),
        api(
            "bg-card-transactions",
            "GET /v1/card-accounts/{account-id}/transactions",
            "berlin",
            aisp,
            "nginx",
            8,
            _card("GET /cards/{id}/transactions"),
            9000,
            "cards",
        ),
        api(
            "token",
            "POST /oauth2/token",
            "oauth",
            (),
            "envoy",
            9,
            _consent("POST /oauth2/token"),
            1300,
            "identity",
        ),
    )


def apis() -> tuple[Api, ...]:
    """The twenty operations."""
    return _account_apis() + _payment_apis() + _other_apis()
