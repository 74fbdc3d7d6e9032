"""What a call is: its vocabulary and the rules that name its outcome.

Sources: the status semantics of UK Open Banking (a missing resource is 400, not 404), Berlin Group NextGenPSD2 codes,
RFC 6749 errors, Kong's `source` and Envoy's response flags.
"""

from __future__ import annotations

from typing import Final, Literal

Outcome = Literal[
    "ok", "customer_error", "partner_error", "gateway_error", "bank_error", "external_error", "unknown"
]
OUTCOMES: Final[tuple[Outcome, ...]] = (
    "ok", "customer_error", "partner_error", "gateway_error", "bank_error", "external_error", "unknown",
)
Side = Literal["customer", "partner", "gateway", "bank", "external", "unknown"]

SIDE_OF: Final[dict[str, Side]] = {
    "customer_error": "customer",
    "partner_error": "partner",
    "gateway_error": "gateway",
    "bank_error": "bank",
    "external_error": "external",
}

FAILED_OUTCOMES: Final = tuple(SIDE_OF)
FAULT_OUTCOMES: Final = frozenset({"gateway_error", "bank_error", "external_error"})
"""Outcomes that are not the caller's doing."""

CUSTOMER_CODES: Final = frozenset({
    "PSU_CREDENTIALS_INVALID", "CONSENT_EXPIRED", "SCA_INVALID", "PAYMENT_FAILED", "FUNDS_NOT_AVAILABLE",
    "access_denied", "login_required", "UK.OBIE.Reauthenticate", "U028", "TKXP",
    "UK.OBIE.Rules.FailsControlParameters", "AM04",
})
"""Codes that say that the customer must act (authorise again, pay in) rather than partner or bank."""

EXTERNAL_CODES: Final = frozenset({"EXTERNAL_PROVIDER_ERROR", "SCHEME_UNAVAILABLE", "UK.OBIE.External"})

_GATEWAY_FLAGS: Final = frozenset({"NR", "LR", "DPE", "UAEX", "RLSE", "OM", "NRH", "IHD"})
_BANK_FLAGS: Final = frozenset({"UH", "UF", "UO", "URX", "UT", "UR", "UC", "UPE", "DF", "UCF", "UCT", "URR", "URT", "URS",
                                "NHU", "CBO", "DNS"})
_CLIENT_FLAGS: Final = frozenset({"DC", "CDC", "RL", "RLT", "QEX"})


def outcome_of(
    status: int, *, responder: str = "", upstream_status: int = 0, flag: str = "", codes: tuple[str, ...] = (),
    span_error: bool = False,
) -> Outcome:
    """Name the outcome of one call from what the gateway saw.

    `status` is the HTTP status sent to the partner (0: none known), `responder` who produced it, `upstream_status` what
    the bank's service answered (0: it did not), `flag` the gateway's own word, `codes` the standard's error codes.
    """
    if flag in _CLIENT_FLAGS:
        return "partner_error"
    if status == 0:
        if flag in _BANK_FLAGS or span_error:
            return "bank_error"
        return "unknown"
    if status < 400:
        return "ok"
    if status < 500:
        return _refused(status, responder, flag, codes)
    return _failed(responder, upstream_status, flag, codes)


def _refused(status: int, responder: str, flag: str, codes: tuple[str, ...]) -> Outcome:
    if any(code in CUSTOMER_CODES for code in codes):
        return "customer_error"
    if flag in _GATEWAY_FLAGS and flag != "UAEX":
        return "gateway_error"
    return "partner_error"


def _failed(responder: str, upstream_status: int, flag: str, codes: tuple[str, ...]) -> Outcome:
    if any(code in EXTERNAL_CODES for code in codes):
        return "external_error"
    if flag in _GATEWAY_FLAGS:
        return "gateway_error"
    if flag in _BANK_FLAGS or upstream_status >= 500 or responder == "upstream":
        return "bank_error"
    if responder == "gateway":
        return "gateway_error"
    return "bank_error"
