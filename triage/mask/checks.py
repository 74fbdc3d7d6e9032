"""Checks that tell personal numbers from other numbers: check digits, lengths, issuer prefixes. Pure.

Sources: ISO/IEC 7812 (Luhn, issuer prefixes), ISO 13616 (IBAN lengths, mod 97-10), GB 11643-1999 (resident IDs,
ISO 7064 mod 11-2), Receita Federal (CPF and CNPJ, mod 11).
"""

from __future__ import annotations

from typing import Final

_DOUBLED: Final = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)

_IIN: Final[tuple[tuple[int, int, int, int, int], ...]] = (
    # prefix from, to (same width), shortest, longest, width
    (4, 4, 13, 19, 1),  # Visa
    (51, 55, 16, 16, 2),  # Mastercard
    (2221, 2720, 16, 16, 4),
    (34, 34, 15, 15, 2),  # American Express
    (37, 37, 15, 15, 2),
    (300, 305, 14, 19, 3),  # Diners Club
    (36, 36, 14, 19, 2),
    (38, 39, 14, 19, 2),
    (3528, 3589, 16, 19, 4),  # JCB
    (6011, 6011, 16, 19, 4),  # Discover
    (644, 659, 16, 19, 3),
    (62, 62, 16, 19, 2),  # UnionPay
    (81, 82, 16, 19, 2),
    (9558, 9558, 19, 19, 4),  # older Chinese debit cards
    (2200, 2204, 16, 19, 4),  # Mir
    (9792, 9792, 16, 16, 4),  # Troy
    (50, 50, 16, 19, 2),  # Maestro, RuPay, Elo
    (56, 61, 16, 19, 2),
    (63, 63, 16, 19, 2),
    (66, 69, 16, 19, 2),
)

IBAN_LENGTHS: Final[dict[str, int]] = {
    "AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22, "BI": 27, "BR": 29,
    "BY": 28, "CH": 21, "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DJ": 27, "DK": 18, "DO": 28, "EE": 20, "EG": 29,
    "ES": 24, "FI": 18, "FK": 18, "FO": 18, "FR": 27, "GB": 22, "GE": 22, "GI": 23, "GL": 18, "GR": 27, "GT": 28,
    "HN": 28, "HR": 21, "HU": 28, "IE": 22, "IL": 23, "IQ": 23, "IS": 26, "IT": 27, "JO": 30, "KW": 30, "KZ": 20,
    "LB": 28, "LC": 32, "LI": 21, "LT": 20, "LU": 20, "LV": 21, "LY": 25, "MC": 27, "MD": 24, "ME": 22, "MK": 19,
    "MN": 20, "MR": 27, "MT": 31, "MU": 30, "NI": 28, "NL": 18, "NO": 15, "OM": 23, "PK": 24, "PL": 28, "PS": 29,
    "PT": 25, "QA": 29, "RO": 24, "RS": 22, "RU": 33, "SA": 24, "SC": 31, "SD": 18, "SE": 24, "SI": 19, "SK": 24,
    "SM": 27, "SO": 23, "ST": 25, "SV": 28, "TL": 23, "TN": 24, "TR": 26, "UA": 29, "VA": 22, "VG": 24, "XK": 20,
    "YE": 30,
}
"""Length of an IBAN by its country."""


_DIGITS_ONLY: Final = frozenset({
    "AE", "AT", "BA", "BE", "CZ", "DE", "DK", "EE", "ES", "FI", "FO", "GL", "HR", "HU", "IL",
    "IS", "LT", "ME", "NO", "PL", "PT", "RS", "SE", "SI", "SK", "TN", "XK",
})
"""Countries in whose IBANs only the country is letters, so that a piece of hexadecimal text is none."""


def is_luhn(digits: str) -> bool:
    """Whether ASCII digits pass the Luhn check."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        number = ord(digit) - 48
        total += _DOUBLED[number] if place & 1 else number
    return total % 10 == 0


def is_card(digits: str) -> bool:
    """Whether ASCII digits are a payment card number: issuer prefix, its length, Luhn.

    No issuer prefix begins with 1, so no epoch time of this century (in s, ms, µs or ns) is one.
    """
    length = len(digits)
    if not 13 <= length <= 19 or digits[0] in "017":
        return False
    known = any(
        shortest <= length <= longest and first <= int(digits[:width]) <= last
        for first, last, shortest, longest, width in _IIN
    )
    return known and is_luhn(digits)


def is_iban(compact: str) -> bool:
    """Whether a text without spaces, of ASCII letters and digits, is an IBAN: country, its length, mod 97 = 1."""
    text = compact.upper()
    if IBAN_LENGTHS.get(text[:2]) != len(text) or not text[2:4].isdecimal():
        return False
    if text[:2] in _DIGITS_ONLY and not text[2:].isdecimal():
        return False
    return int("".join(str(int(char, 36)) for char in text[4:] + text[:4])) % 97 == 1


def is_resident_id(text: str) -> bool:
    """Whether 18 characters are a resident ID of China. The caller's pattern has checked the birth date."""
    return text[:17].isdecimal() and "0123456789X"[(1 - 2 * int(text[:17], 13)) % 11] == text[17].upper()


def _mod11(digits: str, weights: tuple[int, ...]) -> int:
    rest = sum(int(digit) * weight for digit, weight in zip(digits, weights, strict=False)) % 11
    return 0 if rest < 2 else 11 - rest


def is_cpf(digits: str) -> bool:
    """Whether 11 digits are a CPF (a person's tax number in Brazil)."""
    if len(digits) != 11 or len(set(digits)) == 1:
        return False
    first = _mod11(digits, tuple(range(10, 1, -1)))
    second = _mod11(digits, tuple(range(11, 1, -1)))
    return digits[9:] == f"{first}{second}"


def is_cnpj(digits: str) -> bool:
    """Whether 14 digits are a CNPJ (a company's tax number in Brazil, also of one-person companies)."""
    if len(digits) != 14 or len(set(digits)) == 1:
        return False
    weights = (6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2)
    first, second = _mod11(digits, weights[1:]), _mod11(digits, weights)
    return digits[12:] == f"{first}{second}"
