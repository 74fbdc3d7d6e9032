from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triage.accounts.tokens import TokenText, digest, digest_matches, new_token, parse_token


def test_a_token_reads_back() -> None:
    token = new_token()

    assert token == parse_token(token.written())
    assert re.fullmatch(r"gt_[0-9a-f]{12}_[0-9a-f]{48}", token.written())
    assert token.secret not in repr(token)
    assert new_token() != token


@given(st.text())
def test_what_is_no_token_is_none(text: str) -> None:
    assert parse_token(text) is None


@pytest.mark.parametrize("damage", [" {}", "{}\n", "{}0", "{}_0", "Bearer {}"])
def test_a_damaged_token_is_none(damage: str) -> None:
    assert parse_token(damage.format(new_token().written())) is None


def test_only_its_own_secret_has_a_digest() -> None:
    kept = digest("s")

    assert digest_matches(kept, "s")
    assert not digest_matches(kept, "S")
    assert kept != "s"
    assert isinstance(parse_token("gt_" + "0" * 12 + "_" + "1" * 48), TokenText)
