"""What one access-log entry says about one call: raw, before masking. Every gateway module makes these."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from collectors.gateways.partner import partner_of
from collectors.tracecontext import trace_context
from triage.domain.columns import NO_PARTNER

_PARTNER_HEADERS: Final = ("x-consumer-username", "x-consumer-custom-id", "x-partner-id", "x-tpp-id", "x-client-id", "client-id")
_CODES: Final = ("x-ob-error-code", "x-error-code", "x-fapi-error-code", "x-amzn-errortype")
_PRESENT: Final = ("x-fapi-customer-ip-address", "psu-ip-address")


@dataclass(frozen=True, slots=True)
class Correlation:
    """Whom and what a call belongs to, as far as its headers say."""

    trace_id: str = ""
    span_id: str = ""
    sampled: bool = True  # false: the trace flags say that no spans were recorded
    interaction_id: str = ""
    request_id: str = ""
    gateway_request_id: str = ""
    consent_id: str = ""
    payment_id: str = ""
    idempotency: str = ""  # raw
    customer: str = ""  # raw
    customer_present: bool = False


@dataclass(frozen=True, slots=True)
class GatewayCall:
    """One entry. Times in nanoseconds; absent text is '', absent numbers 0, an unknown `gateway_ms` is -1."""

    kind: str
    time_ns: int  # start of the request
    duration_ns: int = 0
    method: str = ""
    path: str = ""  # raw, with its query
    route: str = ""  # the template, where the gateway knows it
    status: int = 0
    partner: str = NO_PARTNER
    correlation: Correlation = Correlation()
    codes: tuple[str, ...] = ()
    message: str = ""
    service: str = ""
    upstream_status: int = 0
    responder: str = ""
    flag: str = ""
    gateway_ms: int = -1
    bytes_in: int = 0
    bytes_out: int = 0
    instance: str = ""
    version: str = ""
    environment: str = ""
    network: str = ""  # the caller's address as it was written, raw
    yearless: bool = False  # the gateway's log names no year; `time_ns` is of 2000


def correlate(
    request: Mapping[str, str], response: Mapping[str, str] | None = None, *, kong: Mapping[str, object] | None = None,
    gateway_request_id: str = "",
) -> Correlation:
    """Read the IDs out of request and response headers (lower-case names). `kong`: its `trace_id` object."""
    answer = response or {}
    trace = trace_context(request, kong)

    def either(name: str) -> str:
        return request.get(name, "") or answer.get(name, "")

    return Correlation(
        trace_id=trace.trace_id,
        span_id=trace.span_id,
        sampled=trace.sampled is not False,
        interaction_id=either("x-fapi-interaction-id"),
        request_id=either("x-request-id") or either("x-correlation-id"),
        gateway_request_id=gateway_request_id or answer.get("x-kong-request-id", "") or request.get("kong-request-id", ""),
        consent_id=either("consent-id") or either("x-consent-id"),
        payment_id=either("x-payment-id"),
        idempotency=request.get("x-idempotency-key", "") or request.get("idempotency-key", ""),
        customer=request.get("psu-id", "") or request.get("x-customer-id", ""),
        customer_present=any(request.get(name) for name in _PRESENT),
    )


def code_in(answer: Mapping[str, str]) -> tuple[str, ...]:
    """The error code that the response's headers name, where they do."""
    return tuple(code for name in _CODES if (code := answer.get(name, "")))[:1]


def responder_of(status: int, upstream_status: int) -> str:
    """Who made the answer: 'upstream' when it answered the same, 'gateway' when it refused by itself, '' when that is open.

    502 and 504 say by definition that the server behind failed (RFC 9110), so they are not held against the gateway.
    """
    if upstream_status:
        return "upstream" if upstream_status == status else ""
    return "gateway" if status >= 400 and status not in (502, 504) else ""


def partner_among(known: Iterable[str], request: Mapping[str, str]) -> str:
    """The partner: the first that the gateway knows itself, then its consumer headers, then the client certificate."""
    for name in (*known, *(request.get(header, "") for header in _PARTNER_HEADERS)):
        found = partner_of(name)
        if found:
            return found
    return partner_of(request.get("x-ssl-client-s-dn", "") or request.get("ssl-client-subject-dn", "")) or NO_PARTNER
