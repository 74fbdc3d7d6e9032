"""A labelled corpus of errors behind an open-banking gateway, made by a seeded generator.

Every family is one problem as an engineer would file it. Families come in variants (identifiers, amounts, hosts, line
numbers, generated names, other ways in), in wordings that changed with a release, and in near misses: the same code on
another API, the same exception in another function, the same sentence with another verb.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from corpus.stack_traces import TRACES

from triage.analyse.grouping.fingerprint import ErrorEvent

Make = Callable[[random.Random], ErrorEvent]


@dataclass(frozen=True)
class Family:
    """One problem: its label and how to make an event of it."""

    label: str
    make: Make


def corpus(events: int = 20_000, seed: int = 7) -> list[tuple[str, ErrorEvent]]:
    """`events` labelled errors in random order; every family has at least 20, the commonest has many times as many."""
    random_source = random.Random(seed)
    made = families()
    weights = [1.0 / (1 + rank) ** 0.7 for rank in range(len(made))]
    picked = [family for family in made for _ in range(20)]
    picked += random_source.choices(made, weights, k=events - len(picked))
    random_source.shuffle(picked)
    return [(family.label, family.make(random_source)) for family in picked]


def families() -> list[Family]:
    """All families, in a fixed order."""
    return [*_coded(), *_traced(), *_spoken()]


# ---- error codes of the standards ---------------------------------------------------------------

_ROUTES = {
    "payments": ("POST", "/open-banking/v3.1/pisp/domestic-payments", "payment-initiation"),
    "consents": ("POST", "/open-banking/v3.1/pisp/domestic-payment-consents", "payment-initiation"),
    "accounts": ("GET", "/open-banking/v3.1/aisp/accounts/{AccountId}", "account-information"),
    "transactions": ("GET", "/open-banking/v3.1/aisp/accounts/{AccountId}/transactions", "account-information"),
    "funds": ("POST", "/open-banking/v3.1/cbpii/funds-confirmations", "funds-confirmation"),
    "bg-payments": ("POST", "/v1/payments/sepa-credit-transfers", "xs2a-pis"),
    "bg-consents": ("POST", "/v1/consents", "xs2a-ais"),
    "bg-accounts": ("GET", "/v1/accounts/{account-id}/balances", "xs2a-ais"),
    "token": ("POST", "/as/token.oauth2", "authorisation-server"),
    "par": ("POST", "/as/par", "authorisation-server"),
}
_CODES: tuple[tuple[str, tuple[str, ...], int, tuple[str, ...]], ...] = (
    ("payments", ("UK.OBIE.Field.Invalid",), 400, ("Amount {n} has an invalid format", "Field Data.Initiation.InstructedAmount")),
    ("payments", ("UK.OBIE.Field.Missing",), 400, ("Field {path} is missing", "Mandatory element {path} not supplied")),
    ("consents", ("UK.OBIE.Field.Invalid",), 400, ("CreditorAccount {iban} is not valid",)),
    ("consents", ("UK.OBIE.Field.Missing", "UK.OBIE.Header.Missing"), 400, ("Header x-idempotency-key is missing",)),
    ("payments", ("UK.OBIE.Resource.ConsentMismatch",), 400, ("Initiation does not match consent {uuid}",)),
    ("payments", ("UK.OBIE.Resource.InvalidConsentStatus",), 400, ("Consent {uuid} is in status Consumed", "Consent is Rejected")),
    ("payments", ("UK.OBIE.Signature.Invalid",), 400, ("Detached JWS does not verify with kid {hex}",)),
    ("payments", ("UK.OBIE.Signature.Missing",), 400, ("x-jws-signature header is missing",)),
    ("accounts", ("UK.OBIE.Resource.NotFound",), 400, ("Account {n} was not found",)),
    ("transactions", ("UK.OBIE.Resource.NotFound",), 400, ("Account {n} was not found",)),
    ("transactions", ("UK.OBIE.Field.InvalidDate",), 400, ("fromBookingDateTime {date} lies after toBookingDateTime",)),
    ("funds", ("UK.OBIE.Field.Invalid",), 400, ("Reference is longer than {n} characters",)),
    ("bg-payments", ("FORMAT_ERROR",), 400, ("Format of creditorAccount.iban {iban} is wrong", "Formatfehler im Feld iban")),
    ("bg-payments", ("PRODUCT_INVALID",), 403, ("The payment product is not available for account {iban}",)),
    ("bg-payments", ("PAYMENT_FAILED",), 400, ("Payment {uuid} failed", "The payment initiation failed: {uuid}")),
    ("bg-payments", ("CERTIFICATE_EXPIRED",), 401, ("QWAC {hex} has expired on {date}",)),
    ("bg-consents", ("FORMAT_ERROR",), 400, ("validUntil {date} lies in the past",)),
    ("bg-consents", ("SERVICE_BLOCKED",), 403, ("Service is blocked for PSU", "PSU {n} has blocked the service")),
    ("bg-accounts", ("CONSENT_EXPIRED",), 401, ("Consent {uuid} has expired",)),
    ("bg-accounts", ("CONSENT_INVALID",), 401, ("Consent {uuid} does not cover balances",)),
    ("bg-accounts", ("ACCESS_EXCEEDED",), 429, ("{n} of 4 daily accesses without PSU used",)),
    ("token", ("invalid_grant",), 400, ("Authorization code {hex} was used", "Refresh token expired")),
    ("token", ("invalid_client",), 401, ("Client {hex} failed mutual TLS", "client authentication failed for {hex}")),
    ("token", ("invalid_scope",), 400, ("Scope payments is not registered for {hex}",)),
    ("par", ("invalid_request_object",), 400, ("Request object signed with unknown kid {hex}",)),
    ("par", ("invalid_client",), 401, ("Client {hex} failed mutual TLS",)),
    ("funds", ("https://errors.bank.example/problems/account-closed",), 422, ("Account {iban} is closed",)),
    ("accounts", ("https://errors.bank.example/problems/maintenance",), 503, ("Core is under maintenance until {date}",)),
)


def _coded() -> Iterator[Family]:
    for place, codes, status, messages in _CODES:
        method, route, service = _ROUTES[place]

        def make(
            source: random.Random,
            codes: tuple[str, ...] = codes,
            said: tuple[str, ...] = messages,
            call: tuple[str, str, str, int] = (method, route, service, status),
        ) -> ErrorEvent:
            shuffled = tuple(source.sample(codes, len(codes)))
            text = fill(source, source.choice(said))
            return ErrorEvent(shuffled, call[1], call[0], call[2], message=text, status=call[3])

        yield Family(f"{'+'.join(codes)} at {place}", make)


# ---- exceptions ---------------------------------------------------------------------------------


def _traced() -> Iterator[Family]:
    for label, service, trace in TRACES:

        def make(source: random.Random, service: str = service, trace: Callable[[random.Random], str] = trace) -> ErrorEvent:
            codes = source.choice(((), ("500",), ("UK.OBIE.UnexpectedError",)))
            method, route, _ = source.choice(list(_ROUTES.values()))
            text = trace(source)
            log_line = f"Request {source.getrandbits(32):08x} failed"
            return ErrorEvent(codes, route, method, service, stacktrace=text, message=log_line, status=500)

        yield Family(label, make)


# ---- messages only ------------------------------------------------------------------------------

_SAID: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    (
        "core connect timeout",
        "core-adapter",
        (
            "Connection to core banking host {host}:{port} timed out after {ms} ms",
            "Connection to core banking {host}:{port} timed out ({ms} ms)",
            "Connection timed out after {ms} ms: core banking host {host}",
        ),
    ),
    (
        "core connect refused",
        "core-adapter",
        (
            "Connection to core banking host {host}:{port} refused",
            "Connection to core banking host {host}:{port} was refused by peer",
        ),
    ),
    (
        "ledger open",
        "core-adapter",
        ("Failed to open ledger session for account {n}", "Unable to open ledger session, account {n}"),
    ),
    (
        "ledger close",
        "core-adapter",
        ("Failed to close ledger session for account {n}", "Could not close ledger session for account {n}"),
    ),
    (
        "daily limit",
        "payment-limits",
        (
            "Daily payment limit exceeded for customer {user}: {amount}",
            "Payment exceeds the daily limit of customer {user} ({amount})",
        ),
    ),
    ("weekly limit", "payment-limits", ("Weekly payment limit exceeded for customer {user}: {amount}",)),
    (
        "token expired",
        "authorisation-server",
        (
            "Access token {hex} of client {user} expired at {date}",
            "Access token of client {user} has expired ({date})",
        ),
    ),
    ("token not active", "authorisation-server", ("Access token {hex} of client {user} not yet valid at {date}",)),
    (
        "user locked",
        "authorisation-server",
        ("User {user} locked after {n} failed attempts", "user {user} is locked: {n} failed attempts"),
    ),
    ("circuit open", "api-gateway", ("Circuit breaker for upstream '{svc}' is now open after {n} errors",)),
    (
        "pool exhausted",
        "consent-store",
        ("Timeout: Pool exhausted. Unable to fetch a connection in {n} seconds, none available[size:{n}; busy:{n}; idle:{n}]",),
    ),
    (
        "certificate revoked",
        "api-gateway",
        (
            "TPP certificate serial {hex} is revoked, reason keyCompromise",
            "Certificate of TPP with serial {hex} was revoked (keyCompromise)",
        ),
    ),
    (
        "event not delivered",
        "event-notifier",
        (
            "Event {uuid} could not be delivered to https://{host}/callbacks/{n}, attempt {n}",
            "Unable to deliver event {uuid} to https://{host}/callbacks/{n} (attempt {n})",
        ),
    ),
    ("chinese account frozen", "core-adapter", ("账户{n}已被冻结，无法付款", "账户{n}已被冻结，无法付款，流水号{hex}")),
    ("duplicate payment", "payment-initiation", ("Duplicate payment {uuid} ignored, idempotency key {hex} seen {ms} ms ago",)),
    (
        "payment rejected by core",
        "payment-initiation",
        (
            "Payment {uuid} rejected by core: account {iban} blocked for debits",
            "Core rejected payment {uuid}, account {iban} is blocked for debits",
            "Core declined payment {uuid}: account {iban} does not accept debits",  # said quite differently: hard
        ),
    ),
    (
        "payment rejected, no funds",
        "payment-initiation",
        ("Payment {uuid} rejected by core: account {iban} has insufficient funds",),
    ),
    ("consent revoked by customer", "consent-store", ("Consent {uuid} was revoked by customer {user}",)),
    ("consent revoked by partner", "consent-store", ("Consent {uuid} was revoked by partner {user}",)),
    ("scheme FPS down", "payment-router", ("Scheme FPS unavailable, payment {uuid} parked",)),
    ("scheme CHAPS down", "payment-router", ("Scheme CHAPS unavailable, payment {uuid} parked",)),
    ("scheme SEPA down", "payment-router", ("Scheme SEPA unavailable, payment {uuid} parked",)),
    (
        "cache read",
        "consent-store",
        (
            "Cache read of key consent:{uuid} failed: NOAUTH",
            "Could not read key consent:{uuid} from cache: NOAUTH",
        ),
    ),
    ("cache write", "consent-store", ("Cache write of key consent:{uuid} failed: NOAUTH",)),
    (
        "queue lag",
        "event-notifier",
        (
            "Queue notifications is {n} messages behind, oldest {ms} ms",
            "Queue 'notifications' lags {n} messages behind (oldest {ms} ms)",
        ),
    ),
    ("fx rate stale", "fx-rates", ("Rate {ccy}/{ccy} is stale: last update {n} s ago",)),
)

_USERS = [
    "alice",
    "bob",
    "carol",
    "dave",
    "erin",
    "frank",
    "grace",
    "heidi",
    "ivan",
    "judy",
    "mallory",
    "niaj",
    "olivia",
    "peggy",
    "rupert",
    "sybil",
    "trent",
    "victor",
]
_SERVICES = ["ledger-core", "consent-store", "sanctions-check", "sca-broker", "fx-rates", "card-switch", "limits-engine", "notary"]


def _spoken() -> Iterator[Family]:
    for label, service, wordings in _SAID:

        def make(source: random.Random, service: str = service, said: tuple[str, ...] = wordings) -> ErrorEvent:
            return ErrorEvent(service=service, message=fill(source, source.choice(said)), status=500)

        yield Family(label, make)


def fill(source: random.Random, text: str) -> str:
    """`text` with each `{name}` replaced by a fresh value of that sort."""
    values: dict[str, Callable[[], str]] = {
        "n": lambda: str(source.randint(1, 99_999)),
        "ms": lambda: str(source.randint(5, 30_000)),
        "port": lambda: str(source.randint(1_024, 65_000)),
        "hex": lambda: f"{source.getrandbits(64):016x}",
        "uuid": lambda: "-".join(f"{source.getrandbits(bits):0{bits // 4}x}" for bits in (32, 16, 16, 16, 48)),
        "date": lambda: f"2026-{source.randint(1, 12):02d}-{source.randint(1, 28):02d}T{source.randint(0, 23):02d}:00:00Z",
        "iban": lambda: f"GB{source.randint(10, 99)}BANK{source.randint(10**13, 10**14 - 1)}",
        "amount": lambda: f"{source.randint(1, 9_999)}.{source.randint(0, 99):02d} {source.choice(('EUR', 'GBP'))}",
        "host": lambda: f"core-{source.randint(1, 40)}.bank.example",
        "user": lambda: source.choice(_USERS),
        "svc": lambda: source.choice(_SERVICES),
        "ccy": lambda: source.choice(("EUR", "GBP", "USD", "CHF", "SEK", "PLN")),
        "path": lambda: source.choice(("Data.Initiation", "Risk", "Data.Initiation.CreditorAccount")),
    }
    parts = text.split("{")
    out = [parts[0]]
    for part in parts[1:]:
        name, _, rest = part.partition("}")
        out += [values[name](), rest]
    return "".join(out)
