from __future__ import annotations

import pytest

from triage.accounts.accounts import Accounts, Principal
from triage.accounts.sessions import LIFETIME_NS, SESSION, Sessions
from triage.store.memory import MemoryStateStore

NOW = 1_772_445_600_000_000_000
DANA = Principal("dana", "responder", "user:dana")


@pytest.fixture
def state() -> MemoryStateStore:
    return MemoryStateStore()


@pytest.fixture
def accounts(state: MemoryStateStore) -> Accounts:
    accounts = Accounts(state)
    accounts.create_user("dana", "correct horse battery", "responder", NOW)
    return accounts


@pytest.fixture
def sessions(state: MemoryStateStore, accounts: Accounts) -> Sessions:
    return Sessions(state, accounts)


def test_a_session_lasts_its_time(sessions: Sessions) -> None:
    secret = sessions.open(DANA, NOW)

    assert sessions.verify(secret, NOW + LIFETIME_NS - 1) == DANA
    assert sessions.verify(secret, NOW + LIFETIME_NS) is None
    assert sessions.verify("made up", NOW) is None


def test_the_store_holds_nothing_that_signs_in(sessions: Sessions, state: MemoryStateStore) -> None:
    secret = sessions.open(DANA, NOW)
    [document] = state.select(SESSION).items

    assert secret not in str(document)
    assert sessions.verify(document.doc_id, NOW) is None


def test_signing_out_ends_one_session_or_all(sessions: Sessions) -> None:
    first, second, third = (sessions.open(DANA, NOW) for _ in range(3))
    sessions.end(first)
    sessions.end(first)

    assert sessions.verify(first, NOW) is None
    assert sessions.verify(second, NOW) == DANA
    assert sessions.end_all("dana") == 2
    assert sessions.verify(third, NOW) is None


def test_a_disabled_user_has_no_session(sessions: Sessions, accounts: Accounts) -> None:
    secret = sessions.open(DANA, NOW)
    accounts.disable_user("dana")

    assert sessions.verify(secret, NOW) is None


def test_sessions_that_are_over_are_forgotten(sessions: Sessions, state: MemoryStateStore) -> None:
    sessions.open(DANA, NOW)
    kept = sessions.open(DANA, NOW + 1)

    assert sessions.purge(NOW + LIFETIME_NS) == 1
    assert state.count(SESSION) == 1
    assert sessions.verify(kept, NOW + LIFETIME_NS) == DANA
