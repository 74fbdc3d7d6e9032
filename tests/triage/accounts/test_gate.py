"""Who may send records, also while the store of the tokens is away."""

from __future__ import annotations

import pytest

from triage.accounts.accounts import Accounts
from triage.accounts.gate import IngestGate
from triage.domain.windows import NS
from triage.errors import StoreUnavailable
from triage.store.memory import MemoryStateStore


class Clock:
    now = 1_000 * NS

    def __call__(self) -> int:
        return self.now


class Flaky(Accounts):
    away = False

    def has_tokens(self, role: object) -> bool:
        if self.away:
            raise StoreUnavailable("away")
        return super().has_tokens(role)  # type: ignore[arg-type]


def test_it_is_open_until_a_token_exists() -> None:
    clock, accounts = Clock(), Accounts(MemoryStateStore())
    gate = IngestGate(accounts, clock)
    assert gate.refusal("") is None
    _, text = accounts.create_token("gateway", "ingest", clock.now)
    clock.now += NS
    assert "token is needed" in (gate.refusal("") or "")
    assert gate.refusal(f"Bearer {text.written()}") is None
    assert "unknown" in (gate.refusal("Bearer other") or "")
    _, viewer = accounts.create_token("reader", "viewer", clock.now)
    assert gate.refusal(f"Bearer {viewer.written()}")


def test_while_the_store_is_away_the_last_answer_holds() -> None:
    clock, accounts = Clock(), Flaky(MemoryStateStore())
    gate = IngestGate(accounts, clock)
    accounts.away = True
    with pytest.raises(StoreUnavailable):
        gate.refusal("")
    accounts.away = False
    assert gate.refusal("") is None
    accounts.away = True
    for _ in range(100):
        clock.now += 60 * NS
        assert gate.refusal("") is None
    accounts.away = False
    accounts.create_token("gateway", "ingest", clock.now)
    clock.now += 5 * NS
    assert gate.refusal("")
