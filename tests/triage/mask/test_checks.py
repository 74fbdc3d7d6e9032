from __future__ import annotations

import pytest

from triage.mask.checks import IBAN_LENGTHS, is_card, is_cnpj, is_cpf, is_iban, is_luhn, is_resident_id


@pytest.mark.parametrize(
    "digits",
    ["4111111111111111", "5555555555554444", "2223003122003222", "378282246310005", "30569309025904", "6011111111111117",
     "3530111333300000", "6240008631401148", "6759649826438453", "4222222222222"],
)
def test_test_cards_of_the_schemes(digits: str) -> None:
    assert is_card(digits)
    assert not is_card(digits[:-1] + str((int(digits[-1]) + 1) % 10))


@pytest.mark.parametrize(
    "digits", ["1726783839539", "1726783839539000064", "1111111111111117", "0000000000000000", "9999999999999995"]
)
def test_no_issuer_no_card(digits: str) -> None:
    assert not is_card(digits)


def test_luhn() -> None:
    assert is_luhn("79927398713")
    assert not is_luhn("79927398710")


@pytest.mark.parametrize(
    "iban",
    ["GB29NWBK60161331926819", "DE89370400440532013000", "FR1420041010050500013M02606", "NO9386011117947",
     "MT84MALT011000012345MTLCAST001S", "BR1800360305000010009795493C1", "gb29nwbk60161331926819"],
)
def test_iban(iban: str) -> None:
    assert is_iban(iban)
    assert not is_iban(iban[:-1])
    assert not is_iban(iban[:2] + "00" + iban[4:])


def test_iban_lengths_are_within_the_standard() -> None:
    assert all(15 <= length <= 34 for length in IBAN_LENGTHS.values())


def test_national_ids() -> None:
    assert is_resident_id("11010519491231002X")
    assert not is_resident_id("110105194912310021")
    assert is_cpf("52998224725")
    assert not is_cpf("52998224724")
    assert not is_cpf("11111111111")
    assert is_cnpj("11222333000181")
    assert not is_cnpj("11222333000182")
