"""One drawn call with the names, numbers and texts that its spans, logs and access line share."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from triage.simulator.apis import GATEWAY
from triage.simulator.bank import Bank
from triage.simulator.draws import LOT_BITS, Calls
from triage.simulator.failures import Failure
from triage.simulator.fault_types import NS, ROLL_S, Change
from triage.simulator.parts import Api, Partner
from triage.simulator.people import Customer, mixed
from triage.simulator.tables import Tables

BOTH: Final = 0
SPANS_ONLY: Final = 1
LINE_ONLY: Final = 2


@dataclass(slots=True)
class Call:
    """A call, ready to be written down. Times in nanoseconds, `begins` and `totals` by hop after `start`."""

    partner: Partner
    api: Api
    api_place: int
    partner_place: int
    customer: Customer
    failure: Failure | None
    failing_hop: int
    fault: int
    start: int
    begins: list[int]
    totals: list[int]
    mode: int
    present: bool
    lot: int
    gateway: int  # place of the gateway's instance
    ids: bytes
    trace_id: bytes
    trace_hex: str
    interaction_id: str
    request_id: str
    account: str
    consent_id: str
    payment_id: str
    path: str
    source: str  # address that the call comes from

    @property
    def status(self) -> int:
        """HTTP status that the partner got."""
        return self.failure.status if self.failure else self.api.success

    @property
    def code(self) -> str:
        """Error code that the partner got; empty without one."""
        return self.failure.code(self.api.standard) if self.failure else ""

    @property
    def gateway_request_id(self) -> str:
        """The request ID that the gateway makes itself (Kong and nginx: 32 hex)."""
        return self.ids[32:48].hex()

    @property
    def upstream_ns(self) -> int:
        """Time that the gateway waited for the service behind it; 0 when it asked none."""
        if self.failure and self.failure.by_gateway:
            return 0
        return sum(total for hop, total in zip(self.api.hops, self.totals, strict=False) if hop.parent == 0)

    @property
    def response_bytes(self) -> int:
        """Size of the answer's body."""
        if self.failure:
            return 180 + self.lot % 90
        return self.api.response_bytes * (40 + self.lot % 120) // 100

    @property
    def address(self) -> str:
        """The customer's IP address."""
        return f"203.0.{113 - self.customer.account % 3}.{self.customer.account % 254 + 1}"

    def fill(self, text: str) -> str:
        """A message with this call's particulars."""
        if "{" not in text:
            return text
        who = self.customer
        return text.format(
            account=self.account,
            iban=who.iban,
            email=who.email,
            pan=who.pan,
            id=self.consent_id,
            partner=self.partner.client_id,
            ms=self.totals[0] // 1_000_000,
        )

    def span_id(self, hop: int) -> bytes:
        """ID of the hop's own span."""
        return self.ids[48 + 8 * hop : 56 + 8 * hop]

    def client_span_id(self, hop: int) -> bytes:
        """ID of the caller's CLIENT span in front of the hop."""
        place = len(self.ids) - 8 * (hop + 1)
        return self.ids[place : place + 8]

    def upstream(self) -> str:
        """The service that the gateway hands the call to."""
        behind = [hop.service for hop in self.api.hops if hop.parent == 0]
        return behind[-1] if behind else GATEWAY


class Versions:
    """Which version an instance runs at a time; deployments reach instance n after n * ROLL_S seconds."""

    def __init__(self, bank: Bank, changes: Sequence[Change]) -> None:
        self._times: dict[str, list[int]] = {}
        self._names: dict[str, list[str]] = {service.name: [service.version] for service in bank.services}
        for change in sorted(changes, key=lambda change: change.at_ns):
            if change.kind == "deployment" and change.service in self._names:
                self._times.setdefault(change.service, []).append(change.at_ns)
                self._names[change.service].append(change.version)

    def at(self, service: str, instance: int, time_ns: int) -> str:
        """Version of that instance at that time."""
        times = self._times.get(service)
        if times is None:
            return self._names[service][0]
        return self._names[service][bisect_right(times, time_ns - instance * ROLL_S * NS)]


class _Drawn(NamedTuple):
    """One row of the drawn columns; `failing`: the hop that fails, `gateway`: place of the gateway's instance."""

    partner: int
    api: int
    customer: int
    failure: int
    failing: int
    fault: int
    start: int
    begins: list[int]
    totals: list[int]
    mode: int
    present: bool
    lot: int
    gateway: int
    stranger: int
    place: int
    ids: bytes


def describe(calls: Calls, bank: Bank, tables: Tables, people: Sequence[Customer]) -> list[Call]:
    """The calls as objects."""
    gateway = tables.front_first[calls.api] + (calls.lot % (1 << LOT_BITS)) % tables.front_count[calls.api]
    failing = np.where(calls.failure < 0, -1, tables.hop_of[calls.failure, calls.api])
    columns = (
        calls.partner, calls.api, calls.customer, calls.failure, failing, calls.fault, calls.start, calls.hop_start, calls.hop_total,
        calls.mode, calls.present, calls.lot, gateway, calls.stranger, calls.place,
    )
    ids = (row.tobytes() for row in calls.ids)
    rows = zip(*(column.tolist() for column in columns), ids, strict=True)
    return [_call(bank, tables, people, _Drawn(*row)) for row in rows]


def _call(bank: Bank, tables: Tables, people: Sequence[Customer], drawn: _Drawn) -> Call:
    partner, api, person, ids = bank.partners[drawn.partner], bank.apis[drawn.api], people[drawn.customer], drawn.ids
    account = _account(api, drawn.stranger or person.account)
    digest = mixed((drawn.partner << 20) + drawn.customer)
    consent = "" if api.standard == "oauth" else _consent_id(api, mixed(drawn.stranger) if drawn.stranger else digest)
    payment = f"pmt-{ids[8:16].hex()}" if _is_payment(api) else ""
    uk = api.standard == "uk"
    return Call(
        partner=partner, api=api, api_place=drawn.api, partner_place=drawn.partner, customer=person,
        failure=tables.failures[drawn.failure] if drawn.failure >= 0 else None, failing_hop=drawn.failing, fault=drawn.fault,
        start=drawn.start, begins=drawn.begins, totals=drawn.totals, mode=drawn.mode,
        present=drawn.present and api.standard != "oauth", lot=drawn.lot, gateway=drawn.gateway, ids=ids,
        trace_id=ids[:16], trace_hex=ids[:16].hex(), interaction_id=_uuid(ids[16:32]) if uk else "",
        request_id="" if api.front == "kong" else _uuid(ids[32:48] if uk else ids[16:32]),
        account=account, consent_id=consent, payment_id=payment, path=_path(api.route, account, consent, payment),
        source=f"192.0.{drawn.place}.7" if drawn.place else partner.address,
    )


def _is_payment(api: Api) -> bool:
    return "/pisp/" in api.route or "/vrp/" in api.route or "/payments/" in api.route


def _path(route: str, account: str, consent: str, payment: str) -> str:
    """The route with the call's identifiers in it."""
    if "{" not in route:
        return route
    values = {"{AccountId}": account, "{account-id}": account, "{ConsentId}": consent, "{DomesticPaymentId}": payment}
    for name, value in values.items():
        route = route.replace(name, value)
    return route


def _uuid(data: bytes) -> str:
    digits = data.hex()
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"


def _account(api: Api, number: int) -> str:
    if api.standard == "uk":
        return str(number)
    digest = f"{mixed(number):016x}"
    return f"{digest[:8]}-{digest[8:12]}-4{digest[13:16]}-b{digest[1:4]}-{digest[4:16]}"


def _consent_id(api: Api, digest: int) -> str:
    return (
        f"urn-acmebank-intent-{digest:016x}" if api.standard == "uk" else f"{digest:016x}{digest >> 32:08x}"
    )


def instance_place(call: Call, service_place: int, count: int) -> int:
    """Which instance of a service served the call; the same answer as the drawing of faults gives."""
    return (call.lot >> (LOT_BITS * (service_place % 8))) % (1 << LOT_BITS) % count
