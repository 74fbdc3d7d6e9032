"""The ways in which a call can fail, as data: status, codes of the standards, who failed, what the logs say.

Statuses and codes: UK Open Banking read/write profile v3.1/v4.0 (a missing resource is 400, a foreign one 403), Berlin
Group NextGenPSD2 1.3.11 tppMessages, RFC 6749/6750. Texts hold placeholders for personal data on purpose: real services
leak it into their logs, and the product must mask it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from triage.simulator.apis import CARD_SCHEME, DATABASE, GATEWAY
from triage.simulator.parts import Api, Standard

Side = Literal["customer", "partner", "gateway", "bank", "external"]


@dataclass(frozen=True, slots=True)
class Thrown:
    """An exception as the failing service reports it."""

    type: str
    message: str
    stack: str


@dataclass(frozen=True, slots=True)
class Failure:
    """One way to fail. `where` is the hop that fails: the gateway, a service, the database or a provider.

    `step` is a word in the hop's name, where a service has several. `ms` is how long the failing hop takes (0: a third
    of its usual time). `lost` means that no answer came from it, so its own SERVER span is missing. Texts may
    use {account}, {iban}, {email}, {pan}, {ms}, {id} and {partner}.
    """

    name: str
    side: Side
    where: str
    status: int
    uk: str
    berlin: str
    message: str
    step: str = ""
    ms: float = 0.0
    oauth: str = ""
    thrown: Thrown | None = None
    lost: bool = False
    flag: str = ""  # Envoy's response flag
    verify: str = ""  # what mutual TLS said about the partner's certificate

    def code(self, standard: Standard) -> str:
        """The error code that a partner of this standard reads; empty where the gateway answers without one."""
        return {"uk": self.uk, "berlin": self.berlin, "oauth": self.oauth or self.uk}[standard]

    @property
    def by_gateway(self) -> bool:
        """The gateway answered itself."""
        return self.where == GATEWAY


def failing_hop(api: Api, failure: Failure) -> int:
    """Place of the hop at which this failure can happen on this API, -1 where it cannot."""
    for place, hop in enumerate(api.hops):
        if hop.service == failure.where and failure.step in hop.name:
            return place
    return -1


def java(exception: str, message: str, *frames: str, cause: str = "") -> Thrown:
    """A Java exception with its stack trace."""
    lines = [f"{exception}: {message}", *(f"\tat {frame}" for frame in frames)]
    lines += ["\tat org.springframework.web.servlet.FrameworkServlet.service(FrameworkServlet.java:885)"]
    if cause:
        lines += [f"Caused by: {cause}", "\t... 41 more"]
    return Thrown(exception, message, "\n".join(lines))


def python(exception: str, message: str, *frames: str) -> Thrown:
    """A Python exception with its traceback; frames are 'file:line:function:source'."""
    lines = ["Traceback (most recent call last):"]
    for frame in frames:
        file, line, function, source = frame.split(":", 3)
        lines += [f'  File "/srv/app/{file}", line {line}, in {function}', f"    {source}"]
    lines.append(f"{exception}: {message}")
    return Thrown(exception, message, "\n".join(lines))


DB_LOCK: Final = Failure(
    "db-lock",
    "bank",
    DATABASE,
    504,
    "UK.OBIE.UnexpectedError",
    "INTERNAL_SERVER_ERROR",
    "upstream request timeout after {ms} ms",
    ms=10_000,
    flag="UT",
    thrown=java(
        "org.springframework.dao.CannotAcquireLockException",
        "could not obtain lock on ledger_account for account {iban} within 10000 ms",
        "com.acmebank.core.ledger.LedgerRepository.lockAccount(LedgerRepository.java:212)",
        "com.acmebank.core.ledger.LedgerService.readEntries(LedgerService.java:148)",
        cause="java.sql.SQLTransientException: ORA-30006: resource busy; acquire with WAIT timeout expired",
    ),
)
BAD_RELEASE: Final = Failure(
    "release-null",
    "bank",
    "payments-service",
    500,
    "UK.OBIE.UnexpectedError",
    "INTERNAL_SERVER_ERROR",
    "unexpected error while creating payment {id}",
    step="POST",
    thrown=java(
        "java.lang.NullPointerException",
        'Cannot invoke "com.acmebank.payments.Creditor.agent()" because "creditor" is null',
        "com.acmebank.payments.mapping.CreditorMapper.toPacs008(CreditorMapper.java:88)",
        "com.acmebank.payments.PaymentSubmitter.submit(PaymentSubmitter.java:131)",
        "com.acmebank.payments.PaymentController.create(PaymentController.java:57)",
    ),
)
ACCOUNTS_RELEASE: Final = Failure(
    "release-mapping",
    "bank",
    "accounts-service",
    500,
    "UK.OBIE.UnexpectedError",
    "INTERNAL_SERVER_ERROR",
    "cannot map account {account}",
    thrown=java(
        "com.fasterxml.jackson.databind.exc.InvalidDefinitionException",
        "No serializer found for class com.acmebank.accounts.model.Iban, value {iban}",
        "com.acmebank.accounts.api.AccountMapper.toObie(AccountMapper.java:64)",
        "com.acmebank.accounts.api.AccountsController.read(AccountsController.java:92)",
    ),
)
FRAUD_RELEASE: Final = Failure(
    "release-model",
    "bank",
    "fraud-check",
    500,
    "UK.OBIE.UnexpectedError",
    "INTERNAL_SERVER_ERROR",
    "scoring failed for payer {email}",
    thrown=python(
        "KeyError",
        "'device_age_days'",
        "fraud/api.py:41:score:features = build_features(request)",
        "fraud/features.py:118:build_features:row['device_age'] = raw['device_age_days']",
    ),
)
FRAUD_DOWN: Final = Failure(
    "instance-down",
    "bank",
    "fraud-check",
    503,
    "UK.OBIE.UnexpectedError",
    "SERVICE_UNAVAILABLE",
    "connection refused",
    ms=4,
    lost=True,
    flag="UF",
    thrown=java(
        "java.net.ConnectException",
        "Connection refused: fraud-check",
        "java.base/sun.nio.ch.Net.pollConnect(Native Method)",
        "com.acmebank.payments.client.FraudClient.score(FraudClient.java:73)",
    ),
)
CORE_DOWN: Final = Failure(
    "core-instance-down",
    "bank",
    "core-banking",
    503,
    "UK.OBIE.UnexpectedError",
    "SERVICE_UNAVAILABLE",
    "connection refused",
    ms=4,
    lost=True,
    flag="UF",
    thrown=java(
        "java.net.ConnectException",
        "Connection refused: core-banking",
        "java.base/sun.nio.ch.Net.pollConnect(Native Method)",
        "com.acmebank.accounts.client.CoreClient.read(CoreClient.java:51)",
    ),
)
CONSENT_POOL: Final = Failure(
    "consent-pool",
    "bank",
    "consent-service",
    503,
    "UK.OBIE.UnexpectedError",
    "SERVICE_UNAVAILABLE",
    "connection pool exhausted",
    ms=3_000,
    flag="UO",
    thrown=java(
        "java.sql.SQLTransientConnectionException",
        "HikariPool-1 - Connection is not available, request timed out after 3000ms",
        "com.zaxxer.hikari.pool.HikariPool.createTimeoutException(HikariPool.java:696)",
        "com.acmebank.consent.ConsentRepository.find(ConsentRepository.java:39)",
    ),
)
SCHEME_DOWN: Final = Failure(
    "scheme-down",
    "external",
    CARD_SCHEME,
    502,
    "SCHEME_UNAVAILABLE",
    "SCHEME_UNAVAILABLE",
    "card scheme answered 503 for card {pan}",
    ms=2_500,
    flag="URX",
    thrown=java(
        "com.acmebank.cards.scheme.SchemeUnavailableException",
        "POST https://api.cardscheme.example/v2/authorisations answered 503",
        "com.acmebank.cards.scheme.SchemeClient.transactions(SchemeClient.java:120)",
        "com.acmebank.cards.CardsController.transactions(CardsController.java:44)",
    ),
)
MISROUTE: Final = Failure(
    "misroute",
    "gateway",
    GATEWAY,
    503,
    "",
    "",
    "failure to get a peer from the ring-balancer",
    flag="NR",
)
NO_ROUTE: Final = Failure(
    "no-route", "gateway", GATEWAY, 404, "", "", "no Route matched with those values", flag="NR"
)
CERTIFICATE_EXPIRED: Final = Failure(
    "certificate-expired",
    "partner",
    GATEWAY,
    401,
    "CERTIFICATE_EXPIRED",
    "CERTIFICATE_EXPIRED",
    "client certificate of {partner} has expired",
    verify="FAILED:certificate has expired",
    oauth="invalid_client",
)
CONSENT_EXPIRED: Final = Failure(
    "consent-expired",
    "customer",
    "consent-service",
    401,
    "UK.OBIE.Reauthenticate",
    "CONSENT_EXPIRED",
    "consent {id} has expired; the customer must authorise again",
    step="introspect",
)
RATE_LIMITED: Final = Failure(
    "rate-limited",
    "partner",
    GATEWAY,
    429,
    "",
    "ACCESS_EXCEEDED",
    "API rate limit exceeded",
    flag="RL",
    oauth="slow_down",
)
ENUM_FOREIGN: Final = Failure(
    "enum-foreign",
    "partner",
    "consent-service",
    403,
    "UK.OBIE.Resource.ConsentMismatch",
    "CONSENT_UNKNOWN",
    "account {account} is not part of the consent",
    step="introspect",
)
ENUM_MISSING: Final = Failure(
    "enum-missing",
    "partner",
    "accounts-service",
    400,
    "UK.OBIE.Resource.NotFound",
    "RESOURCE_UNKNOWN",
    "account {account} does not exist",
)
TOKEN_EXPIRED: Final = Failure(
    "token-expired",
    "partner",
    GATEWAY,
    401,
    "invalid_token",
    "TOKEN_EXPIRED",
    "The access token expired",
    oauth="invalid_client",
)
BAD_CLIENT: Final = Failure(
    "bad-grant",
    "partner",
    "consent-service",
    400,
    "invalid_grant",
    "invalid_grant",
    "authorisation code was used before by client {partner}",
    oauth="invalid_grant",
    step="oauth2/token",
)
FIELD_INVALID: Final = Failure(
    "field-invalid",
    "partner",
    "payments-service",
    400,
    "UK.OBIE.Field.Invalid",
    "FORMAT_ERROR",
    "Data.Initiation.CreditorAccount.Identification {iban} is not valid",
    step="POST",
)
HEADER_MISSING: Final = Failure(
    "header-missing",
    "partner",
    "consent-service",
    400,
    "UK.OBIE.Header.Missing",
    "FORMAT_ERROR",
    "a mandatory header is missing",
)
SIGNATURE: Final = Failure(
    "signature",
    "partner",
    "payments-service",
    400,
    "UK.OBIE.Signature.Invalid",
    "SIGNATURE_INVALID",
    "x-jws-signature does not verify",
    step="POST",
)
CONSENT_MISMATCH: Final = Failure(
    "consent-mismatch",
    "partner",
    "consent-service",
    403,
    "UK.OBIE.Resource.ConsentMismatch",
    "RESOURCE_UNKNOWN",
    "permission ReadTransactionsDetail is missing in consent {id}",
    step="introspect",
)
NO_FUNDS: Final = Failure(
    "no-funds",
    "customer",
    "core-banking",
    400,
    "AM04",
    "PAYMENT_FAILED",
    "insufficient funds on {iban}",
    step="postings",
)
FREQUENCY: Final = Failure(
    "frequency",
    "partner",
    "consent-service",
    429,
    "",
    "ACCESS_EXCEEDED",
    "more than four unattended accesses a day under consent {id}",
    step="introspect",
)
BLIP: Final = Failure(
    "blip",
    "bank",
    "core-banking",
    500,
    "UK.OBIE.UnexpectedError",
    "INTERNAL_SERVER_ERROR",
    "could not read ledger of {email}",
    thrown=java(
        "java.net.SocketTimeoutException",
        "Read timed out",
        "com.acmebank.core.host.HostLink.exchange(HostLink.java:301)",
        "com.acmebank.core.ledger.LedgerService.readEntries(LedgerService.java:151)",
    ),
)

ENUM_CONSENT: Final = Failure(
    "enum-consent",
    "partner",
    "consent-service",
    400,
    "UK.OBIE.Resource.NotFound",
    "CONSENT_UNKNOWN",
    "consent {id} does not exist",
    step="consents",
)
TOKEN_REFUSED: Final = Failure(
    "token-refused",
    "partner",
    GATEWAY,
    401,
    "invalid_token",
    "TOKEN_INVALID",
    "The access token is not valid",
    oauth="invalid_client",
)
CLIENT_REFUSED: Final = Failure(
    "client-refused",
    "partner",
    GATEWAY,
    401,
    "invalid_client",
    "invalid_client",
    "client authentication of {partner} failed",
    oauth="invalid_client",
)
ROLE_REFUSED: Final = Failure(
    "role-refused",
    "partner",
    GATEWAY,
    403,
    "insufficient_scope",
    "ROLE_INVALID",
    "the role of {partner} does not allow this",
)
NO_ANSWER: Final = Failure(
    "no-answer",
    "bank",
    "accounts-service",
    504,
    "UK.OBIE.UnexpectedError",
    "INTERNAL_SERVER_ERROR",
    "The upstream server is timing out",
    ms=30_200,
    lost=True,
    flag="UT",
)

EVERYDAY: Final[tuple[tuple[Failure, float], ...]] = (
    (TOKEN_EXPIRED, 0.0090),
    (CONSENT_EXPIRED, 0.0055),
    (CONSENT_MISMATCH, 0.0020),
    (HEADER_MISSING, 0.0015),
    (FIELD_INVALID, 0.0060),
    (SIGNATURE, 0.0012),
    (NO_FUNDS, 0.0080),
    (FREQUENCY, 0.0015),
    (BAD_CLIENT, 0.0060),
    (BLIP, 0.0003),
)
"""Failures of an ordinary day and their share among the calls that pass the hop where they happen."""
