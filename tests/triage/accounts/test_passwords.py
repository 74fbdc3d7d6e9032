from __future__ import annotations

import argon2
import pytest

from triage.accounts.passwords import hash_password, is_outdated, password_fault, password_matches


def test_a_password_matches_its_hash_only() -> None:
    written = hash_password("correct horse")

    assert password_matches(written, "correct horse")
    assert not password_matches(written, "correct Horse")
    assert written.startswith("$argon2id$")
    assert "correct horse" not in written


@pytest.mark.parametrize("password", ["", "correct horse", "x" * 100_000])
def test_nobody_has_no_password(password: str) -> None:
    assert not password_matches(None, password)


def test_a_damaged_hash_matches_nothing() -> None:
    assert not password_matches("not a hash", "correct horse")


def test_a_hash_of_other_parameters_is_outdated_and_still_matches() -> None:
    old = argon2.PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash("correct horse")

    assert password_matches(old, "correct horse")
    assert is_outdated(old)
    assert not is_outdated(hash_password("correct horse"))


@pytest.mark.parametrize(("password", "fine"), [("x" * 11, False), ("x" * 12, True), ("x" * 1000, True), ("x" * 1001, False)])
def test_the_length_of_new_passwords_is_checked(password: str, fine: bool) -> None:
    assert fine == (password_fault(password) == "")
