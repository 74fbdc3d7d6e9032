from __future__ import annotations

from typing import Any

import argon2
import pytest

from triage.accounts.accounts import CACHE_NS, TOKEN, USER, Accounts, Principal
from triage.accounts.permissions import Role
from triage.domain.codec import to_body
from triage.errors import BadInput
from triage.ports.state import Document
from triage.store.memory import MemoryStateStore

NOW = 1_772_445_600_000_000_000
PASSWORD = "correct horse battery"


class CountingStore(MemoryStateStore):
    reads = 0

    def get(self, kind: str, doc_id: str) -> Document | None:
        self.reads += 1
        return super().get(kind, doc_id)


@pytest.fixture
def state() -> CountingStore:
    return CountingStore()


@pytest.fixture
def accounts(state: CountingStore) -> Accounts:
    return Accounts(state)


def test_a_user_signs_in_with_the_password(accounts: Accounts) -> None:
    assert not accounts.has_users()
    accounts.create_user("dana", PASSWORD, "responder", NOW)

    assert accounts.has_users()
    assert Principal("dana", "responder", "user:dana") == accounts.verify_password("dana", PASSWORD)
    assert accounts.verify_password("dana", PASSWORD + "x") is None
    assert accounts.verify_password("nobody", PASSWORD) is None
    assert accounts.verify_password("../dana", PASSWORD) is None


def test_neither_password_nor_hash_is_shown_or_kept_in_clear(accounts: Accounts, state: CountingStore) -> None:
    user = accounts.create_user("dana", PASSWORD, "viewer", NOW)
    document = state.get(USER, "dana")

    assert document is not None
    assert PASSWORD not in str(document.body)
    assert user.password_hash not in repr(user)


def test_all_faults_of_a_new_user_are_told_at_once(accounts: Accounts) -> None:
    with pytest.raises(BadInput) as caught:
        accounts.create_user("Dana Scully", "short", "boss", NOW)  # type: ignore[arg-type]

    assert all(part in str(caught.value) for part in ("name", "12 to 1000", "the role is one of viewer"))
    with pytest.raises(BadInput, match="is for tokens"):
        accounts.create_user("dana", PASSWORD, "ingest", NOW)


def test_a_name_is_taken_once(accounts: Accounts) -> None:
    accounts.create_user("dana", PASSWORD, "viewer", NOW)

    with pytest.raises(BadInput, match="already"):
        accounts.create_user("dana", PASSWORD + "2", "administrator", NOW)
    assert accounts.verify_password("dana", PASSWORD) is not None


def test_a_disabled_user_is_out(accounts: Accounts) -> None:
    accounts.create_user("dana", PASSWORD, "viewer", NOW)
    accounts.disable_user("dana")

    assert accounts.verify_password("dana", PASSWORD) is None
    assert accounts.find_user("dana") is None
    assert not accounts.has_users()
    assert [user.disabled for user in accounts.users()] == [True]


def test_a_new_password_replaces_the_old_one(accounts: Accounts) -> None:
    accounts.create_user("dana", PASSWORD, "viewer", NOW)
    accounts.set_password("dana", "another long password")

    assert accounts.verify_password("dana", PASSWORD) is None
    assert accounts.verify_password("dana", "another long password") is not None
    with pytest.raises(BadInput):
        accounts.set_password("dana", "short")
    with pytest.raises(BadInput, match="no user"):
        accounts.set_password("nobody", PASSWORD)


def test_an_outdated_hash_is_made_anew_at_sign_in(accounts: Accounts, state: CountingStore) -> None:
    user = accounts.create_user("dana", PASSWORD, "viewer", NOW)
    old = argon2.PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash(PASSWORD)
    state.put(USER, "dana", {**to_body(user), "password_hash": old}, version=1)

    assert accounts.verify_password("dana", PASSWORD) is not None
    assert old != accounts.users()[0].password_hash
    assert accounts.verify_password("dana", PASSWORD) is not None


@pytest.mark.parametrize("role", ["viewer", "ingest", "administrator"])
def test_a_token_speaks_for_its_role(accounts: Accounts, state: CountingStore, role: Role) -> None:
    token, text = accounts.create_token("ci", role, NOW, created_by="dana")
    document = state.get(TOKEN, token.id)

    assert Principal("ci", role, f"token:{token.id}") == accounts.verify_token(text.written(), NOW)
    assert accounts.has_tokens(role)
    assert document is not None
    assert text.secret not in str(document.body)


@pytest.mark.parametrize("text", ["", "gt__", "gt_000000000000_" + "0" * 48, "Bearer x"])
def test_an_unknown_token_is_nobody(accounts: Accounts, text: str) -> None:
    assert accounts.verify_token(text, NOW) is None


def test_the_right_id_with_a_wrong_secret_is_nobody(accounts: Accounts) -> None:
    token, text = accounts.create_token("ci", "viewer", NOW)
    accounts.verify_token(text.written(), NOW)

    assert accounts.verify_token(f"gt_{token.id}_{'0' * 48}", NOW) is None


def test_a_token_is_read_once_in_30_seconds(accounts: Accounts, state: CountingStore) -> None:
    _, text = accounts.create_token("ci", "viewer", NOW)
    for step in range(10):
        accounts.verify_token(text.written(), NOW + step)
    assert state.reads == 1

    accounts.verify_token(text.written(), NOW + CACHE_NS)
    assert state.reads == 2


def test_a_revoked_token_is_nobody_here_at_once_and_elsewhere_after_30_seconds(
    accounts: Accounts, state: CountingStore
) -> None:
    token, text = accounts.create_token("ci", "ingest", NOW)
    elsewhere = Accounts(state)
    elsewhere.verify_token(text.written(), NOW)

    accounts.revoke_token(token.id, NOW + 1)

    assert accounts.verify_token(text.written(), NOW + 2) is None
    assert elsewhere.verify_token(text.written(), NOW + CACHE_NS) is None
    assert not accounts.has_tokens("ingest")
    assert [known.revoked_ns for known in accounts.tokens()] == [NOW + 1]
    with pytest.raises(BadInput, match="no token"):
        accounts.revoke_token("none", NOW)


def test_a_token_ends_at_its_time(accounts: Accounts) -> None:
    _, text = accounts.create_token("ci", "viewer", NOW, expires_ns=NOW + 10)

    assert accounts.verify_token(text.written(), NOW + 9) is not None
    assert accounts.verify_token(text.written(), NOW + 10) is None


def test_a_token_needs_a_name_and_a_known_role(accounts: Accounts) -> None:
    role: Any = "boss"
    with pytest.raises(BadInput, match="needs a name; the role is one of"):
        accounts.create_token(" ", role, NOW)
