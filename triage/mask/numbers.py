"""Numbers that belong to persons, in free text: cards, IBANs, phones, national IDs; and IP addresses as values.

Left alone: 32-hex trace IDs, UUIDs, epoch times in any unit, decimals, durations.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator
from typing import Final

from triage.mask import checks
from triage.mask.tokens import MASKED

MASKED_FORM: Final = re.compile(r"\d{6}\*+\d{4}|[A-Z]{2}\*+\w{4}|\*@[\w.-]+|\*+\d{4}|\[masked\]|~[0-9a-f]{16}")
LITERAL: Final = re.compile(r"'(?:[^']|'')*'|(?<![\w.$:?])\d{4,}(?![\w.])")

_GAP: Final = r"[ .\-()/\u00a0\u2009\u202f]{0,2}"
_FIRST: Final = r"\d(?<!\d\d)(?!\d{3}[-/]\d\d[-/]\d\d(?!\d))"  # the first digit of a run that is no date
_SOME: Final = re.compile(rf"{_FIRST}(?:{_GAP}\d){{5}}")
_LONG: Final = re.compile(rf"{_FIRST}(?:{_GAP}\d){{8}}")
_CARD: Final = re.compile(
    r"\d{13,19}(?!\d)(?!\.\d)"
    r"|\d{4}([ \-.\u00a0\u2009\u202f])(?:\d{4}\1\d{4}\1\d{1,4}(?:\1\d{1,3})?|\d{6}\1\d{4,5})(?![\w-])(?!\.\d)"
)
_SPAN_BEFORE: Final = re.compile(r"(?:(?:span|parent)(?:[_-]?id)?\W{0,4}|[0-9a-f]{32}-)$", re.IGNORECASE)
_IBAN_HINT: Final = re.compile(r"([A-Za-z]{2}\d{2})(?=(?:[ \-\u00a0]?[A-Za-z0-9]){11})")
_IBAN_GAP: Final = " -\u00a0\u2009\u202f"
_RESIDENT: Final = re.compile(
    r"[1-9]\d{5}(?:19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3}[\dXx](?![0-9A-Za-z])"
)
_MOBILE: Final = re.compile(
    r"1[3-9]\d(?:\d{8}|([ -])\d{4}\1\d{4})(?![0-9A-Za-z*]|\.\d|\s?(?:ns|us|µs|ms|bytes?|B\b|ops|rows|records))"
)
_INTERNATIONAL: Final = re.compile(r"(?:\+|00(?=[1-9]\d ))[1-9]\d{0,2}(?:[ .\-()]{0,2}\d){7,12}(?![\w:])")
_NATIONAL: Final = re.compile(
    r"(?:07\d{3}[ -]?\d{3}[ -]?\d{3}|0\d{2,3} \d{3,4} \d{4}|\(0\d{2,4}\) ?\d{3,4}[ -]?\d{3,4}"
    r"|\(\d{3}\) ?\d{3}-\d{4}|\d{3}-\d{3}-\d{4})(?![\w*-]|\.\d)"
)
_DOMESTIC: Final = re.compile(
    r"(?:(?!000|666|9)\d{3}-(?!00)\d{2}-(?!0000)\d{4}"  # US social security number
    r"|\d{2}-\d{2}-\d{2}[ ,/]+(?:(?:account|acct?|a/c)[ :#.]*)?\d{8})(?![\w-]|\.\d)"  # UK sort code and account
)
_CPF: Final = re.compile(r"\d{3}\.\d{3}\.\d{3}-\d{2}(?!\w)|\d{2}\.\d{3}\.\d{3}/\d{4}-\d{2}(?!\w)")
NINO: Final = re.compile(
    r"[A-CEGHJ-Z][A-CEGHJ-Z]( ?)\d{2}\1\d{2}\1\d{2}\1[A-D](?![A-Za-z0-9-])"
)
_NINO_PREFIX: Final = re.compile(r"(?!BG|GB|KN|NK|NT|TN|ZZ)(?:[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z]|QQ)")
_OWNED: Final = re.compile(r"\d(?:[ -]?\d){5,19}(?![\w*])")
_OWNER: Final = (
    r"(?:account|acct|a/c|customer|psu|cif|cpf|kunde|konto|conta|sort ?code)(?:[ _-]?(?:number|no\.?|id|num|nr|ref))?[\s:=#]{1,3}"
)
_OWNER_AND_NUMBER: Final = re.compile(rf"{_OWNER}[\"']?\n?(\d(?:[ -]?\d){{5,19}})(?![\w*])")
_OWNER_BEFORE: Final = re.compile(
    rf"(?:\b{_OWNER}|(?:账号|账户|客户号|客户)[\s:：=为是]{0,3})[\"']?$", re.IGNORECASE,
)
_OWNER_WORD: Final = 24  # characters before a number in which its owner is named
_HEX: Final = frozenset("0123456789abcdefABCDEF")
_SAFE_ID: Final = re.compile(r"[A-Za-z0-9._:/=+~;,-]{1,128}")
_RISKY_ID: Final = re.compile(r"\d(?:-?\d){9}|[A-Za-z]{2}\d{2}(?:[A-Za-z]{4}|\d{4})")
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|[0-9a-fA-F]{32}")


def masked(text: str, pseudonym: Callable[[str], str], *, long: bool = True) -> str:
    """Free text with personal numbers masked: of a card first six and last four, of an IBAN country and last four. Without
    `long` the caller knows that no card, IBAN, phone or national number is in it.

    The patterns begin with a digit or letter and not with a look behind, for which the regular expression engine is several
    times slower; what stands before a match is looked at afterwards.
    """
    if long:
        if _SOME.search(text) is None:
            return text
        if _LONG.search(text) is not None:
            text = _long_numbers(text)
    text = NINO.sub(_nino, text)
    return _owned_ascii(text, pseudonym) if text.isascii() else _OWNED.sub(lambda match: _owned(match, pseudonym), text)


def _long_numbers(text: str) -> str:
    text = _RESIDENT.sub(_resident, text)
    text = _ibans(text)  # before cards: its digits may look like one
    text = _CARD.sub(_card, text)
    text = _MOBILE.sub(_phone, text)
    if "+" in text or "00" in text:
        text = _INTERNATIONAL.sub(_phone, text)
    text = _NATIONAL.sub(_phone, text)
    if "-" in text:
        text = _DOMESTIC.sub(_domestic, text)
        text = _CPF.sub(_tax_id, text)
    return text


def masked_id(value: str, text: Callable[[str], str]) -> str:
    """An ID that support may be asked for: kept when it looks like one and hides no card, IBAN or resident ID."""
    if _UUID.fullmatch(value):
        return value
    if _SAFE_ID.fullmatch(value) is None or "eyJ" in value:
        return text(value)
    if len(value) < 13 or _RISKY_ID.search(value) is None:
        return value
    return _CARD.sub(_card, _ibans(_RESIDENT.sub(_resident, value)))


def network(value: str) -> str:
    """The network of an IP address (/24, IPv6 /48), of each in a list; anything else is dropped."""
    return ", ".join(_one_network(part.strip()) for part in value.split(","))


def _one_network(text: str) -> str:
    host = text.partition("/")[0]
    if host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return text if text in ("-", "", "unknown") else MASKED
    return str(ipaddress.ip_network((address, 24 if address.version == 4 else 48), strict=False))


def _digits(text: str) -> str:
    """The decimal digits of a text, those of other scripts as ASCII."""
    return "".join(str(int(char)) for char in text if char.isdecimal())


def _before(match: re.Match[str], count: int = 1) -> str:
    return match.string[max(0, match.start() - count):match.start()]


def _stands_alone(match: re.Match[str], signs: str) -> bool:
    """Whether neither a letter, a digit nor one of these signs stands before the match."""
    before = _before(match)
    return not before or not (before.isalnum() or before in signs)


def _card(match: re.Match[str]) -> str:
    digits, before = _digits(match[0]), _before(match, 2)
    if not checks.is_card(digits) or before[-1:].isdecimal() or (before[-1:] == "." and before[:1].isdecimal()):
        return match[0]
    if match[1] is None:
        if before[-1:] == "~" or _in_hex_token(match) or _SPAN_BEFORE.search(_before(match, 40)):
            return match[0]
    elif not _stands_alone(match, "-_"):
        return match[0]
    return f"{digits[:6]}{'*' * (len(digits) - 10)}{digits[-4:]}"


def _in_hex_token(match: re.Match[str]) -> bool:
    """Whether the digits are a part of a longer token of hexadecimal digits, such as a trace ID."""
    text, start, end = match.string, match.start(), match.end()
    while start and text[start - 1].isalnum():
        start -= 1
    while end < len(text) and text[end].isalnum():
        end += 1
    token = text[start:end]
    return end - start > match.end() - match.start() and _HEX.issuperset(token)


def _ibans(text: str) -> str:
    out: list[str] = []
    done = 0
    for match in _IBAN_HINT.finditer(text):
        if match.start() < done or not _stands_alone(match, ""):
            continue
        country = match[1][:2].upper()
        compact, end = _compact(text, match.start(), checks.IBAN_LENGTHS.get(country, 0))
        if compact and checks.is_iban(compact):
            out += (text[done:match.start()], f"{country}****{compact[-4:].upper()}")
            done = end
    return "".join(out) + text[done:] if out else text


def _compact(text: str, start: int, length: int) -> tuple[str, int]:
    """The next `length` letters and digits without the single gaps in them, and their end; ('', 0): not so many."""
    kept: list[str] = []
    place = start
    while place < len(text) and len(kept) < length:
        char = text[place]
        if char.isascii() and char.isalnum():
            kept.append(char)
        elif char not in _IBAN_GAP or text[place - 1] in _IBAN_GAP:
            return "", 0
        place += 1
    if len(kept) < length or (place < len(text) and text[place].isalnum()):
        return "", 0
    groups = text[start:place].split("-")
    if len(groups) > 1 and (set(map(len, groups[:-1])) != {4} or len(groups[-1]) > 4):  # a piece of a UUID
        return "", 0
    return "".join(kept), place


def _resident(match: re.Match[str]) -> str:
    return MASKED if _stands_alone(match, "") and checks.is_resident_id(match[0]) else match[0]


def _phone(match: re.Match[str]) -> str:
    digits = _digits(match[0])
    if not 9 <= len(digits) <= 15 or not _stands_alone(match, "._~*+-" if match[0][0] == "0" else "._~*+"):
        return match[0]
    return f"***{digits[-4:]}"


def _domestic(match: re.Match[str]) -> str:
    return MASKED if _stands_alone(match, "._-") else match[0]


def _tax_id(match: re.Match[str]) -> str:
    digits = _digits(match[0])
    return MASKED if _stands_alone(match, ".-") and (checks.is_cpf(digits) or checks.is_cnpj(digits)) else match[0]


def _nino(match: re.Match[str]) -> str:
    return MASKED if _stands_alone(match, "-") and _NINO_PREFIX.match(match[0]) else match[0]


def _owned(match: re.Match[str], pseudonym: Callable[[str], str]) -> str:
    """A number that follows the word for an account or a customer."""
    start = match.start()
    before = match.string[start - _OWNER_WORD if start > _OWNER_WORD else 0:start]
    return match[0] if _OWNER_BEFORE.search(before) is None else f"~{pseudonym(match[0])}"


def owned_numbers(text: str) -> Iterator[tuple[int, int]]:
    """Where in an ASCII text numbers follow the word for an account or a customer: as `_owned` finds them, several times as fast,
    since it looks for the words and not at each number. No number that `_OWNED` finds reaches over a word, so both see the same ones."""
    for match in _OWNER_AND_NUMBER.finditer(text.lower()):
        before = text[match.start() - 1 : match.start()]
        if not (before.isalnum() or before == "_"):
            yield match.span(1)


def _owned_ascii(text: str, pseudonym: Callable[[str], str]) -> str:
    out: list[str] = []
    done = 0
    for start, end in owned_numbers(text):
        out += (text[done:start], "~", pseudonym(text[start:end]))
        done = end
    return "".join(out) + text[done:] if out else text
