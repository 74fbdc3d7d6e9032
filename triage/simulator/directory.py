"""The partners of the simulated bank, busiest first. All names are invented."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from typing import Final

from triage.simulator.parts import Partner, Role, Shape, Standard

_Row = tuple[str, str, str, str, Standard, Shape]
_ROWS: Final[tuple[_Row, ...]] = (
    ("brightledger", "Brightledger", "GB-FCA-812341", "AISP", "uk", "consumer"),
    ("penny-owl", "Penny Owl Budgeting", "GB-FCA-790214", "AISP", "uk", "consumer"),
    ("swiftbasket-pay", "Swiftbasket Pay", "GB-FCA-833902", "PISP", "uk", "consumer"),
    ("kontoblick", "Kontoblick", "DE-BAFIN-147720", "AISP", "berlin", "consumer"),
    ("tallyhouse", "Tallyhouse Accounting", "GB-FCA-804417", "AISP", "uk", "business"),
    ("monnaie-claire", "Monnaie Claire", "FR-ACPR-16328", "AISP PISP", "berlin", "consumer"),
    ("rentright", "Rentright", "GB-FCA-841556", "AISP PISP", "uk", "consumer"),
    ("zahlwerk", "Zahlwerk", "DE-BAFIN-151093", "PISP", "berlin", "consumer"),
    ("ledgerloom", "Ledgerloom", "GB-FCA-795580", "AISP", "uk", "batch"),
    ("cardinal-checkout", "Cardinal Checkout", "GB-FCA-829134", "PISP CBPII", "uk", "consumer"),
    ("spaarvarken", "Spaarvarken", "NL-DNB-R179922", "AISP", "berlin", "consumer"),
    ("quillbooks", "Quillbooks", "GB-FCA-818803", "AISP", "uk", "business"),
    ("fernhill-lending", "Fernhill Lending", "GB-FCA-775120", "AISP", "uk", "business"),
    ("pagamento-vivo", "Pagamento Vivo", "IT-BI-36019", "AISP PISP", "berlin", "consumer"),
    ("oakmoor-bank", "Oakmoor Bank", "GB-FCA-204991", "AISP PISP CBPII", "uk", "consumer"),
    ("tidepay", "Tidepay", "IE-CBI-C190443", "PISP", "uk", "consumer"),
    ("haushaltsheld", "Haushaltsheld", "AT-FMA-4471", "AISP", "berlin", "consumer"),
    ("northgate-mortgages", "Northgate Mortgages", "GB-FCA-488210", "AISP", "uk", "business"),
    ("sweeply", "Sweeply Savings", "GB-FCA-847219", "AISP PISP", "uk", "batch"),
    ("carbonpurse", "Carbonpurse", "GB-FCA-839965", "AISP", "uk", "consumer"),
    ("billig-betalt", "Billig Betalt", "DK-DFSA-28711", "PISP", "berlin", "consumer"),
    ("invoicewell", "Invoicewell", "GB-FCA-806638", "AISP PISP", "uk", "business"),
    ("saldo-sol", "Saldo Sol", "ES-BE-6922", "AISP", "berlin", "consumer"),
    ("trustmeter", "Trustmeter Affordability", "GB-FCA-811476", "AISP", "uk", "business"),
    ("harbour-treasury", "Harbour Treasury", "GB-FCA-766301", "AISP PISP", "uk", "business"),
    ("charitybox", "Charitybox", "GB-FCA-852043", "PISP", "uk", "consumer"),
    ("kassenwart", "Kassenwart", "DE-BAFIN-158404", "AISP", "berlin", "batch"),
    ("fuelmate", "Fuelmate", "GB-FCA-845390", "PISP CBPII", "uk", "consumer"),
    ("ticketlane", "Ticketlane", "GB-FCA-850172", "PISP", "uk", "consumer"),
    ("grainstore-finance", "Grainstore Finance", "GB-FCA-731185", "AISP", "uk", "batch"),
    ("portemonnaie-plus", "Portemonnaie Plus", "BE-NBB-0693421", "AISP", "berlin", "consumer"),
    ("lumen-insure", "Lumen Insure", "GB-FCA-309672", "AISP", "uk", "business"),
    ("stableyard", "Stableyard Payroll", "GB-FCA-787754", "PISP", "uk", "business"),
    ("granit-kredit", "Granit Kredit", "DE-BAFIN-139866", "AISP", "berlin", "business"),
    ("wayfarer-fx", "Wayfarer FX", "GB-FCA-822608", "AISP PISP", "uk", "business"),
    ("pebble-pensions", "Pebble Pensions", "GB-FCA-574410", "AISP", "uk", "business"),
    ("aurora-audit", "Aurora Audit", "GB-FCA-699123", "AISP", "uk", "business"),
    ("talvi-talous", "Talvi Talous", "FI-FINFSA-30715", "AISP", "berlin", "consumer"),
    ("juniper-legal", "Juniper Legal Escrow", "GB-FCA-718257", "PISP", "uk", "business"),
    ("test-harness-tpp", "Conformance Test House", "GB-FCA-999901", "AISP PISP", "uk", "business"),
)
_ROLES: Final = ("AISP", "PISP", "AISP PISP")
_PER_NETWORK: Final = 48
_TEAMS: Final = ("partners-north", "partners-south", "partners-europe")


def partners(count: int = len(_ROWS)) -> tuple[Partner, ...]:
    """The `count` busiest partners; their weights sum to 1."""
    return _weighted(_ROWS[:count], _weight)


def many_partners(names: Sequence[tuple[str, str]], weight: Callable[[int], float]) -> tuple[Partner, ...]:
    """All partners and one more for each (ID, name); `weight`: that of a rank from 0 on, before they are made to sum to 1."""
    more: list[_Row] = [
        (partner_id, name, f"GB-FCA-{900_000 + place}", _ROLES[place % len(_ROLES)], "berlin" if place % 3 == 0 else "uk", "consumer")
        for place, (partner_id, name) in enumerate(names)
    ]
    return _weighted((*_ROWS, *more), weight)


def _weighted(rows: Sequence[_Row], weight: Callable[[int], float]) -> tuple[Partner, ...]:
    raw = [weight(rank) for rank in range(len(rows))]
    total = sum(raw)
    return tuple(_partner(rank, row, each / total) for rank, (row, each) in enumerate(zip(rows, raw, strict=True)))


def _weight(rank: int) -> float:
    """Zipf's law with a steep end, so that the smallest partners make a handful of calls a day."""
    return float((rank + 1) ** -1.1 * math.exp(-((rank / 22) ** 3.5)))


def _partner(rank: int, row: _Row, weight: float) -> Partner:
    partner_id, name, organisation, roles, standard, shape = row
    client_id = hashlib.blake2s(partner_id.encode(), digest_size=11).hexdigest()
    known: tuple[Role, ...] = ("AISP", "PISP", "CBPII")
    return Partner(
        id=partner_id,
        name=name,
        organisation=f"PSD{organisation}",
        client_id=client_id,
        roles=tuple(role for role in known if role in roles.split()),
        standard=standard,
        shape=shape,
        weight=weight,
        address=f"198.51.{100 + rank // _PER_NETWORK}.{10 + rank % _PER_NETWORK * 5}",
        contact=f"api-support@{partner_id}.example",
        team=_TEAMS[2] if standard == "berlin" else _TEAMS[rank % 2],
    )
