"""One drawn call with the names, numbers and texts that its spans, logs and access line share."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from triage.simulator.apis import GATEWAY
from triage.simulator.bank import Bank
from triage.simulator.draws import LOT_BITS, Calls
from triage.simulator.failures import Failure
from triage.simulator.faults import NS, ROLL_S, Change
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


def describe(calls: Calls, bank: Bank, tables: Tables, people: Sequence[Customer]) -> list[Call]:
    """The calls as objects."""
    gateway = tables.front_first[calls.api] + (calls.lot % (1 << LOT_BITS)) % tables.front_count[calls.api]
    failing = [
        -1 if failure < 0 else int(tables.hop_of[failure, api])
        for failure, api in zip(calls.failure.tolist(), calls.api.tolist(), strict=True)
    ]
    columns = zip(
        calls.partner.tolist(),
        calls.api.tolist(),
        calls.customer.tolist(),
        calls.failure.tolist(),
        failing,
        calls.fault.tolist(),
        calls.start.tolist(),
        calls.hop_start.tolist(),
        calls.hop_total.tolist(),
        calls.mode.tolist(),
        calls.present.tolist(),
        calls.lot.tolist(),
        gateway.tolist(),
        calls.stranger.tolist(),
        calls.place.tolist(),
        (row.tobytes() for row in calls.ids),
        strict=True,
    )
    return [_call(bank, tables, people, *row) for row in columns]


def _call(
    bank: Bank,
    tables: Tables,
    people: Sequence[Customer],
    partner: int,
    api_place: int,
    customer: int,
    failure: int,
    failing: int,
    fault: int,
    start: int,
    begins: list[int],
    totals: list[int],
    mode: int,
    present: bool,
    lot: int,
    gateway: int,
    stranger: int,
    place: int,
    ids: bytes,
) -> Call:
    api, person = bank.apis[api_place], people[customer]
    account = _account(api, stranger or person.account)
    digest = mixed((partner << 20) + customer)
    paying = "/pisp/" in api.route or "/vrp/" in api.route or "/payments/" in api.route
    consent = "" if api.standard == "oauth" else _consent_id(api, mixed(stranger) if stranger else digest)
    payment = f"pmt-{ids[8:16].hex()}" if paying else ""
    path = api.route
    if "{" in path:
        path = (
            path.replace("{AccountId}", account)
            .replace("{account-id}", account)
            .replace("{ConsentId}", consent)
        )
        path = path.replace("{DomesticPaymentId}", payment)
    return Call(
        partner=bank.partners[partner],
        api=api,
        api_place=api_place,
        partner_place=partner,
        customer=person,
        failure=tables.failures[failure] if failure >= 0 else None,
        failing_hop=failing,
        fault=fault,
        start=start,
        begins=begins,
        totals=totals,
        mode=mode,
        present=present and api.standard != "oauth",
        lot=lot,
        gateway=gateway,
        ids=ids,
        trace_id=ids[:16],
        trace_hex=ids[:16].hex(),
        interaction_id=_uuid(ids[16:32]) if api.standard == "uk" else "",
        request_id="" if api.front == "kong" else _uuid(ids[32:48] if api.standard == "uk" else ids[16:32]),
        account=account,
        consent_id=consent,
        payment_id=payment,
        path=path,
        source=f"192.0.{place}.7" if place else bank.partners[partner].address,
    )


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
