"""A column of texts is masked as each of them alone: the test of whole columns leaves nothing out."""

from __future__ import annotations

import random

import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st

from triage.domain.columns import COLUMNS
from triage.domain.records import Records
from triage.mask.masker import Masker
from triage.mask.text import TextMasker

MASKER = Masker(b"key")
OWNERS = (
    "account", "acct no.", "a/c", "Customer ID", "sort code", "sortcode", "PSU", "cif", "cpf", "kunde nr", "Konto",
    "conta", "subaccount",
)
NUMBERS = (
    "4111111111111111", "4111 1111 1111 1111", "3782 822463 10005", "GB29NWBK60161331926819",
    "de89 3704 0044 0532 0130 00", "110101199003070002", "11010519491231002X", "13812345678", "138 1234 5678",
    "+44 7700 900123", "+1 2 3 4 5 6 7 8 9", "0044 20 7946 0958", "07700 900123", "020 7946 0958", "(020) 7946 0958",
    "(020)123-456", "(415) 555-2671", "415-555-2671", "123-45-6789", "20-00-00 55779911", "20-00-00, acct: 55779911",
    "529.982.247-25", "11.222.333/0001-81", "QQ123456C", "AB 12 34 56 C", "55779911", "123-456", "22 28 97",
    "2026-11-24 10:15:30", "1764000000000", "748372615", "~0123456789abcdef", "93bac548-d2de-4546-b106-880a5018460d",
    "12.5", "45",
)
WORDS = (
    "eyJhbGciOiJSUzI1NiJ9.e30.c2ln", "Bearer abc123def456", "basic authentication", "HMAC%20abcdef12",
    "AKIAIOSFODNN7EXAMPLE", "sk_live_0123456789", "xoxb-1234567890", "-----BEGIN PRIVATE KEY-----", "alice@example.com",
    "bob%40example.com", "password", "pwd: ", "otp=", '"token":', "took: ", "https://u:p@h/", "/cb?code=1&state=2",
    "/v1/accounts/22289", "/wallets/alice", "？", "卡", "账号", "é", "ſort code",
)
SIGNS = (
    "", " ", " ", " ", "  ", ":", "=", " = ", "#", "'", '"', "\n", "\t", "\x0b", "\x1c", "\u00a0", ",", ".", "-", "/",
    "*", "_", "x", "1",
)
TEXT = st.lists(st.sampled_from(OWNERS + NUMBERS + WORDS + SIGNS * 2) | st.text(max_size=4), max_size=8).map("".join)


def bodies(texts: list[str]) -> list[str]:
    records = Records()
    for text in texts:
        for name, kind in COLUMNS["logs"].items():
            records.logs[name].append({"time_ns": 1, "body": text}.get(name, "" if kind == "str" else 0))
    masked: list[str] = Masker(b"key").mask(records).logs.column("body").to_pylist()
    return masked


@examples(300)
@given(st.lists(TEXT, min_size=12, max_size=24, unique=True))
def test_many_texts_are_masked_as_each_alone(texts: list[str]) -> None:
    assert bodies(texts) == [MASKER.mask_text(text) for text in texts]


@pytest.mark.slow
def test_every_kind_of_number_after_every_word() -> None:
    rnd = random.Random(5)
    texts = [f"{owner}{sign}{number}{rnd.choice(SIGNS)}" for owner in ("", *OWNERS, *WORDS) for sign in SIGNS for number in NUMBERS]
    texts = list(dict.fromkeys(texts))

    assert bodies(texts) == [MASKER.mask_text(text) for text in texts]
    assert sum(MASKER.mask_text(text) != text for text in texts) > 5_000


@examples(300)
@given(st.lists(st.sampled_from(OWNERS + NUMBERS + SIGNS * 2), max_size=8).map("".join).filter(str.isascii))
def test_plain_ascii_is_masked_as_a_text_with_other_letters(text: str) -> None:
    """Owners of numbers are looked for in another way where all letters are ASCII."""
    assert MASKER.mask_text(f"é {text}") == f"é{MASKER.mask_text(f' {text}')}"


def twins(text: str, rnd: random.Random) -> list[str]:
    """Texts that differ from this one in their digits alone."""
    return ["".join(rnd.choice("0123456789") if char.isascii() and char.isdecimal() else char for char in text) for _ in range(4)]


@examples(300)
@given(st.lists(TEXT, min_size=4, max_size=8, unique=True), st.randoms(use_true_random=False))
def test_texts_of_one_shape_are_masked_as_each_alone(texts: list[str], rnd: random.Random) -> None:
    """What was learned of the first text of a shape holds for those that follow."""
    masker = TextMasker(MASKER.pseudonym)
    masker.texts(texts)
    later = [twin for text in texts for twin in twins(text, rnd)]

    assert masker.texts(later) == [MASKER.mask_text(text) for text in later]


def test_what_stands_after_an_account_number() -> None:
    rnd = random.Random(6)
    after = ["", " ok", ": 1", " : x", '":"x"', " = 2", " 12", "-12 34", ".5", "/7", ")(8", "a", "*", ", Konto 654321", " 1234 567890123"]
    texts = [f"{owner} {number}{end}" for owner in OWNERS for number in ("123456", "12345678901234567890", "12-34 56") for end in after]
    masker = TextMasker(MASKER.pseudonym)
    masker.texts(texts)
    later = [twin for text in texts for twin in twins(text, rnd)]

    assert masker.texts(later) == [MASKER.mask_text(text) for text in later]


def test_a_pseudonym_that_begins_as_an_iban_would_is_looked_at_in_the_whole_text() -> None:
    """The country and the length of an IBAN of Belgium, of nothing but digits."""
    masker = TextMasker(lambda number: "be68539007547034")
    texts = ["account 1234567 closed", "account 7654321 closed"]

    assert masker.texts(texts) == [masker.text(text) for text in texts] == ["account ~BE****7034 closed"] * 2


def test_more_shapes_than_are_remembered() -> None:
    masker = TextMasker(MASKER.pseudonym)
    texts = [f"{'x' * (number % 90)} {chr(97 + number // 90 % 26)}{chr(97 + number // 2340)} account 123456" for number in range(5_000)]

    assert masker.texts(texts) == [MASKER.mask_text(text) for text in texts]
    assert masker.texts(texts[:20]) == [MASKER.mask_text(text) for text in texts[:20]]


def test_a_zero_character_in_a_text_moves_nothing() -> None:
    texts = ["a\0b account 123456", "account 1234567", "\0", "c"]

    assert TextMasker(MASKER.pseudonym).texts(texts) == [MASKER.mask_text(text) for text in texts]
