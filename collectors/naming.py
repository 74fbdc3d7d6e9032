"""Which attribute names a call's part. The lists are read in order, the first that is there wins; a bank can put its own in front.

Old HTTP names mean the same as the new ones and are normalised at the door (OpenTelemetry semantic conventions 1.44,
deprecated names of the HTTP, network and deployment registries).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

OLD_NAMES: Final[dict[str, str]] = {
    "http.method": "http.request.method",
    "http.status_code": "http.response.status_code",
    "http.target": "url.path",
    "http.url": "url.full",
    "http.scheme": "url.scheme",
    "http.host": "server.address",
    "http.client_ip": "client.address",
    "http.user_agent": "user_agent.original",
    "http.request_content_length": "http.request.body.size",
    "http.response_content_length": "http.response.body.size",
    "net.peer.name": "server.address",
    "net.peer.port": "server.port",
    "net.peer.ip": "network.peer.address",
    "net.sock.peer.addr": "network.peer.address",
    "net.sock.peer.port": "network.peer.port",
    "net.host.name": "server.address",
    "net.host.port": "server.port",
    "deployment.environment": "deployment.environment.name",
}

_REQUEST: Final = "http.request.header."
_RESPONSE: Final = "http.response.header."


@dataclass(frozen=True, slots=True)
class Naming:
    """The lists; see the table 'What names a call's parts in OTLP' in the documentation."""

    partner: tuple[str, ...] = (
        "partner.id", "openbanking.tpp.id", _REQUEST + "x-consumer-username", _REQUEST + "x-consumer-custom-id",
        "consumer.username", "client_id", "oauth.client_id", "enduser.client_id", "tls.client.subject",
    )
    customer: tuple[str, ...] = ("enduser.pseudo.id", "enduser.id", "user.hash", "user.id", "psu.id")
    customer_present: tuple[str, ...] = (_REQUEST + "x-fapi-customer-ip-address", _REQUEST + "psu-ip-address")
    interaction_id: tuple[str, ...] = (
        _REQUEST + "x-fapi-interaction-id", _RESPONSE + "x-fapi-interaction-id", "openbanking.interaction.id",
    )
    request_id: tuple[str, ...] = (_REQUEST + "x-request-id", _RESPONSE + "x-request-id")
    gateway_request_id: tuple[str, ...] = (_RESPONSE + "x-kong-request-id", "gateway.request.id")
    consent_id: tuple[str, ...] = ("openbanking.consent.id", _REQUEST + "consent-id")
    payment_id: tuple[str, ...] = ("openbanking.payment.id",)
    idempotency: tuple[str, ...] = (_REQUEST + "x-idempotency-key",)
    codes: tuple[str, ...] = ("openbanking.error.code", "error.type")
    body: tuple[str, ...] = ("http.response.body", "http.response.body.content")
    responder: tuple[str, ...] = ("gateway.response.source",)
    upstream_status: tuple[str, ...] = (_RESPONSE + "x-kong-upstream-status", "gateway.upstream.status")
    flag: tuple[str, ...] = ("gateway.response.flag", "response_flags")
    network: tuple[str, ...] = ("client.address", "network.peer.address")
    gateway_services: frozenset[str] = frozenset()


PARTS: Final = (
    "partner", "customer", "customer_present", "interaction_id", "request_id", "gateway_request_id", "consent_id", "payment_id",
    "idempotency", "responder", "upstream_status", "flag", "network",
)


class Finder:
    """Finds all parts of a call in one pass over its attributes; the first name of a list that is there wins."""

    def __init__(self, naming: Naming) -> None:
        self._places: dict[str, list[tuple[str, int]]] = {}
        for part in PARTS:
            for rank, name in enumerate(getattr(naming, part)):
                self._places.setdefault(name, []).append((part, rank))

    def parts(self, attributes: Mapping[str, Any]) -> dict[str, str]:
        """Part -> its text, for the parts that are there and not empty."""
        found: dict[str, str] = {}
        ranks: dict[str, int] = {}
        places = self._places
        for name, value in attributes.items():
            wanted = places.get(name)
            if wanted is None:
                continue
            text = value if type(value) is str else as_text(value)
            if not text:
                continue
            for part, rank in wanted:
                if rank < ranks.get(part, 99):
                    found[part], ranks[part] = text, rank
        return found


def as_text(value: Any) -> str:
    """A value as text; of an array its first element."""
    if isinstance(value, list):
        value = value[0] if value else ""
    return "" if value is None else str(value)


def first(attributes: Mapping[str, Any], names: tuple[str, ...]) -> str:
    """The first of these attributes that is there and not empty, as text; of an array its first element."""
    for name in names:
        value = attributes.get(name)
        if value is not None and (text := value if type(value) is str else as_text(value)):
            return text
    return ""
