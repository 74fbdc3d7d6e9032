"""Invented customers pass the checks that real numbers pass."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from triage.simulator.people import customer, luhn


@given(st.integers(0, 10**6))
def test_numbers_pass_their_checks(number: int) -> None:
    person = customer(number)
    digits = "".join(str(int(sign, 36)) for sign in person.iban[4:] + person.iban[:4])
    assert int(digits) % 97 == 1
    assert len(person.iban) == 22
    total = sum(divmod(int(sign) * (1 + place % 2), 10)[0] + int(sign) * (1 + place % 2) % 10
                for place, sign in enumerate(reversed(person.pan)))
    assert (total % 10, len(person.pan)) == (0, 16)
    assert person == customer(number)


def test_a_known_card_number() -> None:
    assert luhn("453201511283036") == "4532015112830366"
