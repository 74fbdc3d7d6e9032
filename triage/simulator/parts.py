"""What the bank is made of, as types: partners, APIs, services and the hops of a call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Standard = Literal["uk", "berlin", "oauth"]
Front = Literal["kong", "nginx", "envoy"]
Role = Literal["AISP", "PISP", "CBPII"]
Shape = Literal["consumer", "business", "batch"]
HopKind = Literal["service", "database", "external"]


@dataclass(frozen=True, slots=True)
class Partner:
    """A third party. `weight` is its share of the bank's calls, `shape` its course over the day."""

    id: str
    name: str
    organisation: str  # PSD organisation ID, as in the certificate
    client_id: str
    roles: tuple[Role, ...]
    standard: Standard
    shape: Shape
    weight: float
    address: str  # where its calls come from
    contact: str
    team: str

    @property
    def subject(self) -> str:
        """Distinguished name of its transport certificate."""
        country = self.organisation[3:5]
        return f"CN={self.id}.example,O={self.name},2.5.4.97={self.organisation},C={country}"


@dataclass(frozen=True, slots=True)
class Service:
    """A component with its instances; `legacy` ones still write the old HTTP attribute names."""

    name: str
    version: str
    instances: tuple[str, ...]
    language: str
    legacy: bool = False


@dataclass(frozen=True, slots=True)
class Hop:
    """One step of a call, in the order of execution; `parent` is the place of its caller in the same list.

    `called` says whether the caller writes a CLIENT span before the callee's SERVER span. A `database` or `external`
    hop is a CLIENT span of the caller's service alone, and `service` names the system behind it.
    """

    service: str
    parent: int
    name: str
    ms: float
    kind: HopKind = "service"
    called: bool = False


@dataclass(frozen=True, slots=True)
class Api:
    """One operation of the bank: method and route template, and how a call of it runs through the services."""

    key: str
    method: str
    route: str
    standard: Standard
    roles: tuple[Role, ...]  # which partners may call it; empty: all
    front: Front
    weight: float
    hops: tuple[Hop, ...]
    success: int
    response_bytes: int
    team: str

    @property
    def services(self) -> tuple[str, ...]:
        """Every service, database and provider on the way, the gateway first."""
        return tuple(dict.fromkeys(hop.service for hop in self.hops))
