"""Who may send records, also while the store of the tokens is away."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

import pytest

from triage.accounts.accounts import Accounts, Principal
from triage.accounts.gate import IngestGate
from triage.accounts.permissions import Role
from triage.domain.windows import DAY_NS, NS
from triage.errors import StoreUnavailable
from triage.store.memory import MemoryStateStore


class Clock:
    now = 1_000 * NS

    def __call__(self) -> int:
        return self.now


class Flaky(Accounts):
    away = False

    def hang(self) -> object:
        """Nothing to wait for."""

    def has_tokens(self, role: Role) -> bool:
        self._check()
        return super().has_tokens(role)

    def verify_token(self, text: str, now_ns: int) -> Principal | None:
        self._check()
        return super().verify_token(text, now_ns)

    def _check(self) -> None:
        self.hang()
        if self.away:
            raise StoreUnavailable("away")


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
    assert gate.refusal("") is None
    accounts.away = True
    for _ in range(100):
        clock.now += 60 * NS
        assert gate.refusal("") is None
    accounts.away = False
    accounts.create_token("gateway", "ingest", clock.now)
    clock.now += 5 * NS
    assert gate.refusal("")


def test_a_start_without_the_store_knows_what_the_last_process_knew(tmp_path: Path) -> None:
    clock, accounts = Clock(), Flaky(MemoryStateStore())
    memory = tmp_path / "tokens.json"
    _, text = accounts.create_token("gateway", "ingest", clock.now)
    first = IngestGate(accounts, clock, memory=memory)
    assert first.refusal("")
    assert first.refusal(f"Bearer {text.written()}") is None
    first.close()
    until(lambda: memory.exists() and memory.read_bytes().count(b"], [") == 1)
    assert text.secret.encode() not in memory.read_bytes()
    accounts.away = True
    second = IngestGate(accounts, clock, memory=memory)
    assert second.refusal(f"Bearer {text.written()}") is None
    assert "token is needed" in (second.refusal("") or "")
    with pytest.raises(StoreUnavailable):
        second.refusal("Bearer never seen")
    clock.now += DAY_NS
    with pytest.raises(StoreUnavailable):
        IngestGate(accounts, clock, memory=memory).refusal(f"Bearer {text.written()}")


def test_a_damaged_memory_is_no_memory(tmp_path: Path) -> None:
    memory = tmp_path / "tokens.json"
    memory.write_bytes(b'[["00",')
    assert IngestGate(Accounts(MemoryStateStore()), Clock(), memory=memory).refusal("") is None


def test_where_nothing_is_known_only_loopback_is_open() -> None:
    accounts = Flaky(MemoryStateStore())
    accounts.away = True
    assert IngestGate(accounts, Clock()).refusal("") is None
    with pytest.raises(StoreUnavailable):
        IngestGate(accounts, Clock()).refusal("Bearer unknown")
    accounts.away = False
    assert "token is needed" in (IngestGate(accounts, Clock(), open_until_token=False).refusal("") or "")


def test_a_store_that_hangs_holds_up_nobody() -> None:
    clock, accounts, go_on = Clock(), Flaky(MemoryStateStore()), threading.Event()
    gate = IngestGate(accounts, clock, patience_s=0.05)
    assert gate.refusal("") is None
    accounts.hang = go_on.wait
    clock.now += NS
    asked = gate.answer("")
    assert isinstance(asked, Future)
    assert gate.answer("") is None, "while one waits, the others take the last answer"
    assert asked.result(timeout=10) is None, "and the one, too, after the patience"
    with pytest.raises(StoreUnavailable):
        gate.refusal("Bearer unknown")
    go_on.set()


def until(ready: Callable[[], object]) -> None:
    end = time.monotonic() + 10
    while not ready():
        assert time.monotonic() < end
        threading.Event().wait(0.005)
