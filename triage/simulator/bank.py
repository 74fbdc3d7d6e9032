"""The simulated bank as a whole: who calls, what is called, how often over the day, and what goes wrong on any day."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt

from triage.simulator import apis as catalogue
from triage.simulator.directory import partners
from triage.simulator.failures import EVERYDAY, Failure
from triage.simulator.parts import Api, Partner, Service, Shape

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_T = TypeVar("_T")

MINUTES: Final = 1440
SHAPES: Final[tuple[Shape, ...]] = ("consumer", "business", "batch")
CALLS_PER_S: Final = 12.0
_PEAKS: Final[dict[Shape, tuple[tuple[float, float, float], ...]]] = {
    # (hour UTC, height, width in hours) over a floor of 0.45
    "consumer": ((8.0, 0.7, 1.8), (12.8, 0.5, 2.0), (19.5, 1.0, 2.6)),
    "business": ((10.0, 1.2, 2.2), (14.8, 1.1, 2.4)),
    "batch": ((2.0, 1.6, 1.5), (14.0, 0.3, 5.0)),
}

_WEEKENDS: Final[dict[Shape, float]] = {"consumer": 1.15, "business": 0.25, "batch": 0.8}


@dataclass(frozen=True)
class Bank:
    """A bank with its traffic. `calls_per_s` is the mean over a day; `everyday` are failures with their base shares."""

    partners: tuple[Partner, ...]
    apis: tuple[Api, ...]
    services: tuple[Service, ...]
    calls_per_s: float = CALLS_PER_S
    everyday: tuple[tuple[Failure, float], ...] = EVERYDAY
    weekly: bool = False  # weekends differ from other days
    agreed: tuple[tuple[str, int], ...] = ()  # partner and the calls a minute that were agreed with it
    name: str = "acmebank"
    environment: str = "production"

    @cached_property
    def share(self) -> Floats:
        """Share of the calls of each partner (row) on each API (column) on a mean minute; sums to 1."""
        rows = np.zeros((len(self.partners), len(self.apis)))
        for place, partner in enumerate(self.partners):
            taste = np.random.default_rng([7, place])
            wanted = np.array([api.weight if _may(partner, api) else 0.0 for api in self.apis])
            wanted *= taste.lognormal(0.0, 0.5, len(self.apis))
            rows[place] = partner.weight * wanted / wanted.sum()
        return np.asarray(rows / rows.sum())

    @cached_property
    def shapes(self) -> Ints:
        """Place in `SHAPES` of each partner."""
        return np.array([SHAPES.index(partner.shape) for partner in self.partners])

    @cached_property
    def by_minute(self) -> Floats:
        """Relative volume of each shape (row) in each minute of the day in UTC (column); the mean of a row is 1."""
        hours = np.arange(MINUTES) / 60
        rows = []
        for shape in SHAPES:
            curve = np.full(MINUTES, 0.45)
            for at, height, width in _PEAKS[shape]:
                away = np.minimum(np.abs(hours - at), 24 - np.abs(hours - at))
                curve += height * np.exp(-((away / width) ** 2) / 2)
            rows.append(curve / curve.mean())
        return np.array(rows)

    def of_day(self, weekday: int) -> Floats:
        """Relative volume of each shape on a day of the week, Monday 0."""
        weekend = np.array([_WEEKENDS[shape] for shape in SHAPES])
        return weekend if self.weekly and weekday >= 5 else np.ones(len(SHAPES))

    def partner(self, partner_id: str) -> Partner:
        """The partner of that ID. Raises KeyError."""
        return _named(self.partners, "id", partner_id)

    def api(self, key: str) -> Api:
        """The API of that key. Raises KeyError."""
        return _named(self.apis, "key", key)

    def service(self, name: str) -> Service:
        """The service of that name. Raises KeyError."""
        return _named(self.services, "name", name)

    def apis_through(self, service: str) -> tuple[str, ...]:
        """Keys of the APIs whose calls pass a service, a database or a provider."""
        return tuple(api.key for api in self.apis if service in api.services)

    def apis_of(self, partner_id: str) -> tuple[str, ...]:
        """Keys of the APIs that a partner calls."""
        row = self.share[[partner.id for partner in self.partners].index(partner_id)]
        return tuple(api.key for api, share in zip(self.apis, row, strict=True) if share > 0)

    def routes(self, keys: tuple[str, ...]) -> tuple[str, ...]:
        """'METHOD route' of each API key: the name by which the product knows it."""
        return tuple(f"{self.api(key).method} {self.api(key).route}" for key in keys)

    def directory(self) -> list[dict[str, object]]:
        """Partners in the form of `[[partner]]` in triage.toml."""
        return [
            {
                "id": partner.id,
                "name": partner.name,
                "aliases": [partner.organisation, partner.client_id],
                "contact": partner.contact,
                "team": partner.team,
                "roles": list(partner.roles),
                "calls_per_minute": dict(self.agreed).get(partner.id, 0),
            }
            for partner in self.partners
        ]

    def catalogue(self) -> list[dict[str, object]]:
        """APIs in the form of `[[api]]` in triage.toml."""
        return [
            {
                "route": api.route,
                "name": api.key,
                "team": api.team,
                "tier": "critical" if "payment" in api.key else "standard",
                "runbook": f"https://runbooks.{self.name}.example/{api.key}",
            }
            for api in self.apis
        ]


def default_bank(calls_per_s: float = CALLS_PER_S) -> Bank:
    """The bank of the demo: 40 partners, 20 APIs, 8 services."""
    return Bank(partners(), catalogue.apis(), catalogue.services(), calls_per_s)


def small_bank(calls_per_s: float = 4.0, partner_count: int = 30) -> Bank:
    """Fewer partners and calls over the same APIs, for runs by the dozen."""
    return Bank(partners(partner_count), catalogue.apis(), catalogue.services(), calls_per_s)


def _may(partner: Partner, api: Api) -> bool:
    if api.standard == "oauth":
        return True
    return api.standard == partner.standard and any(role in partner.roles for role in api.roles)


def _named(items: tuple[_T, ...], attribute: str, value: str) -> _T:
    for item in items:
        if getattr(item, attribute) == value:
            return item
    raise KeyError(value)
