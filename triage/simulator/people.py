"""Customers of the bank: invented, but with numbers that pass the usual checks, so that masking finds something."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final

_FIRST: Final = (
    "olivia",
    "noah",
    "amelia",
    "leon",
    "freya",
    "jonas",
    "isla",
    "paul",
    "maya",
    "felix",
    "aisha",
    "tom",
    "lena",
    "omar",
)
_LAST: Final = (
    "hartley",
    "becker",
    "osei",
    "lindqvist",
    "moreau",
    "whitfield",
    "krause",
    "doyle",
    "castellan",
    "nakata",
    "ferreira",
)
_MASK: Final = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class Customer:
    """One person; `pseudonym` is what the gateway's plugin writes instead of the name."""

    account: int
    iban: str
    email: str
    pan: str
    pseudonym: bytes


def mixed(number: int) -> int:
    """A 64-bit number that looks random but follows from `number` (the finaliser of splitmix64)."""
    number = (number + 0x9E3779B97F4A7C15) & _MASK
    number = ((number ^ (number >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    number = ((number ^ (number >> 27)) * 0x94D049BB133111EB) & _MASK
    return number ^ (number >> 31)


def iban(country: str, basic: str) -> str:
    """An IBAN with right check digits (ISO 7064, mod 97)."""
    digits = "".join(str(int(sign, 36)) for sign in basic + country + "00")
    return f"{country}{98 - int(digits) % 97:02d}{basic}"


def luhn(digits: str) -> str:
    """The digits with their Luhn check digit appended."""
    total = 0
    for place, sign in enumerate(reversed(digits)):
        number = int(sign) * (2 if place % 2 == 0 else 1)
        total += number - 9 if number > 9 else number
    return digits + str(-total % 10)


def customer(number: int) -> Customer:
    """The customer with that number, always the same."""
    lot = mixed(number)
    account = 20_000_000 + lot % 70_000_000
    german, british = f"37040044{account:010d}", f"ACME309634{account:08d}"
    account_number = iban("DE", german) if number % 2 else iban("GB", british)
    first, last = _FIRST[(lot >> 8) % len(_FIRST)], _LAST[(lot >> 16) % len(_LAST)]
    return Customer(
        account=account,
        iban=account_number,
        email=f"{first}.{last}{number % 97}@mail.example",
        pan=luhn(f"453911{(lot >> 24) % 10**9:09d}"),
        pseudonym=b"%016x" % mixed(number + (1 << 40)),
    )


@cache
def customers(count: int) -> tuple[Customer, ...]:
    """The first `count` customers."""
    return tuple(customer(number) for number in range(count))
