"""A bank with very many partners and APIs, nearly all of which lead to one database: for faults that spread far."""

from __future__ import annotations

from itertools import product
from typing import Final

from triage.simulator import apis
from triage.simulator.bank import Bank
from triage.simulator.directory import many_partners
from triage.simulator.parts import Api, Hop, Partner, Role

_FLATNESS: Final = -0.4
"""Exponent of the partners' weights by rank: the smallest calls half as often as the mean one."""
_OF_ACCOUNT: Final = ("beneficiaries", "products", "offers", "party", "parties", "scheduled-payments", "statements")
_OF_ALL: Final = (
    "balances", "transactions", "direct-debits", "standing-orders", "beneficiaries", "products", "offers", "party",
    "scheduled-payments", "statements",
)
_UK_PAYMENTS: Final = (
    "domestic-scheduled-payments", "domestic-standing-orders", "international-payments", "international-scheduled-payments",
    "international-standing-orders", "file-payments",
)
_BERLIN_PAYMENTS: Final = ("instant-sepa-credit-transfers", "target-2-payments", "cross-border-credit-transfers")
_FIRST: Final = (
    "amber", "birch", "cobalt", "dapple", "ember", "fennel", "garnet", "hazel", "indigo", "jasper", "kestrel", "linden", "marble",
    "nettle", "opal", "pewter", "quartz", "russet", "saffron", "thistle", "umber", "velvet", "willow",
)
_LAST: Final = (
    "accounts", "basket", "budget", "checkout", "credit", "finance", "funds", "invest", "lending", "money", "mortgages", "payroll",
    "pensions", "purse", "rents", "savings", "tills", "treasury", "vaults", "wallet",
)


def wide_bank(calls_per_s: float) -> Bank:
    """500 partners and 48 APIs: 40 of them read or post in the core's database, 8 do not."""
    return Bank(_partners(), apis.apis() + _more_apis(), apis.services(), calls_per_s)


def _partners() -> tuple[Partner, ...]:
    """The 40 known ones and 460 more."""
    names = [(f"{first}-{last}", f"{first.title()} {last.title()}") for first, last in product(_FIRST, _LAST)]
    return many_partners(names, lambda rank: float((rank + 1) ** _FLATNESS))


def _more_apis() -> tuple[Api, ...]:
    """28 that all reach the database."""
    reads = [(f"uk-{name}", f"{apis.UK}/aisp/accounts/{{AccountId}}/{name}") for name in _OF_ACCOUNT]
    reads += [(f"uk-all-{name}", f"{apis.UK}/aisp/{name}") for name in _OF_ALL]
    reads += [("bg-account", "/v1/accounts/{account-id}"), ("bg-trusted-beneficiaries", "/v1/trusted-beneficiaries")]
    payments = [(f"uk-{name}", f"{apis.UK}/pisp/{name}") for name in _UK_PAYMENTS]
    payments += [(f"bg-{name}", f"/v1/payments/{name}") for name in _BERLIN_PAYMENTS]
    return (*(_read(key, route) for key, route in reads), *(_payment(key, route) for key, route in payments))


def _read(key: str, route: str) -> Api:
    name = route.rpartition("/")[2]
    hops = apis.read("accounts-service", f"GET /{name}", f"GET /ledger/{name}", 16, 8)
    return _api(key, f"GET {route}", ("AISP",), hops, "accounts-api")


def _payment(key: str, route: str) -> Api:
    return _api(key, f"POST {route}", ("PISP",), apis.payment(f"POST /{route.rpartition('/')[2]}"), "payments-api")


def _api(key: str, call: str, roles: tuple[Role, ...], hops: tuple[Hop, ...], team: str) -> Api:
    if key.startswith("uk"):
        return apis.api(key, call, "uk", roles, "kong", 6, hops, 1500, team)
    return apis.api(key, call, "berlin", roles, "nginx", 6, hops, 1500, team)
