"""Faults and changes as data: scope, time, severity, effect on calls, and the labelled truth to judge answers by."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal

from triage.simulator.failures import Failure, Side

NS: Final = 1_000_000_000
ROLL_S: Final = 20
"""Seconds between two instances of a rolling deployment."""

FaultKind = Literal[
    "upstream_timeout",
    "bad_release",
    "certificate_expired",
    "misroute",
    "slow_dependency",
    "provider_failing",
    "enumeration",
    "retry_storm",
    "silence",
    "instance_down",
    "flapping",
    "consent_wave",
    "tokens_refused",
    "many_places",
    "extraction",
    "functions",
    "over_limit",
    "dead_consents",
    "unattended",
    "endpoint_down",
]
IncidentKind = Literal["errors", "latency", "traffic_drop", "traffic_surge", "endpoint_down", "abnormal_use"]
RootKind = Literal["service", "partner", "api", "instance", "change", "external"]
ChangeKind = Literal["deployment", "configuration", "certificate", "partner", "maintenance"]


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose calls are touched. Empty parts do not narrow; `instance` is the place of one instance of `service`."""

    partners: tuple[str, ...] = ()
    apis: tuple[str, ...] = ()
    service: str = ""
    instance: int | None = None


@dataclass(frozen=True, slots=True)
class Truth:
    """What a perfect answer says. Empty `partners` or `apis`: not limited to some of them."""

    partners: tuple[str, ...]
    apis: tuple[str, ...]
    services: tuple[str, ...]
    side: Side
    kind: IncidentKind
    root_kind: RootKind
    root: str
    cause: str
    change: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """Something that people did to the platform; a deployment moves its service's version, instance after instance."""

    kind: ChangeKind
    at_ns: int
    service: str = ""
    version: str = ""
    api: str = ""
    partner: str = ""
    by: str = "release-train"
    link: str = ""

    @property
    def name(self) -> str:
        """How a change suspect is named."""
        return f"{self.service or self.api or self.partner} {self.version}".strip()

    def as_request(self) -> dict[str, object]:
        """The body for POST /api/v1/changes."""
        scope = {"service": self.service, "api": self.api, "partner": self.partner}
        return {
            "kind": self.kind,
            "scope": {key: value for key, value in scope.items() if value},
            "version": self.version,
            "at": datetime.fromtimestamp(self.at_ns // NS, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "by": self.by,
            "link": self.link or f"https://changes.acmebank.example/{self.name.replace(' ', '-')}",
        }


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong from `begin_ns` to `end_ns` (exclusive).

    `failures` are ways to fail with their shares among the touched calls, each multiplied by `severity` (0 to 1).
    `keep` is the share of the touched calls that still come; `extra_per_s` more calls come from the scope's first
    partner on its APIs, and only those fail when `only_extra`. With a `crowd` they are made for so many customers in turn, from
    number `crowd_from` of the partner's on; with `places` they come from so many networks. `slow` multiplies the time of the scope's
    service, growing from 1 when `creeping`. With a `period_s` the fault is there only in the first `duty` of each period. With
    `rolling` it moves through the instances of its service as a deployment does.
    """

    kind: FaultKind
    begin_ns: int
    end_ns: int
    scope: Scope
    truth: Truth
    severity: float = 1.0
    failures: tuple[tuple[Failure, float], ...] = ()
    keep: float = 1.0
    extra_per_s: float = 0.0
    strangers: bool = False  # the extra calls ask for accounts that are not the customer's
    only_extra: bool = False
    crowd: int = 0
    crowd_from: int = 0
    places: int = 0
    slow: float = 1.0
    creeping: bool = False
    period_s: int = 0
    duty: float = 1.0
    rolling: bool = False

    def __post_init__(self) -> None:
        if self.end_ns <= self.begin_ns:
            raise ValueError(f"{self.kind} ends before it begins")
        if not 0 < self.severity <= 1:
            raise ValueError(f"severity of {self.kind} is {self.severity}; it must be over 0 and at most 1")

    @property
    def last_ns(self) -> int:
        """When the last instance is rid of it; `end_ns` unless it rolls."""
        return self.end_ns + (10 * ROLL_S * NS if self.rolling else 0)
