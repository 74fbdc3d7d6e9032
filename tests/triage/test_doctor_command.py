"""`triage doctor`: what it checks and lists, and that it shows no secret."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from click.testing import CliRunner

from triage.bootstrap.build import open_stores
from triage.cli import commands
from triage.config import load_settings
from triage.domain.notice import Attempt, Delivery
from triage.notify.ledger import put_delivery
from triage.notify.receivers import create_receiver

KEY = "a-key-that-nobody-else-may-ever-see-1234"


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WEB", "OTLP_HTTP", "OTLP_GRPC"):
        monkeypatch.setenv(f"TRIAGE_{name}", "127.0.0.1:0")
    monkeypatch.setenv("TRIAGE_STORE", f"embedded:{tmp_path / 'data'}")
    monkeypatch.setenv("TRIAGE_MASK_KEY", KEY)
    monkeypatch.setenv("TRIAGE_RETENTION_DAYS_DOCUMENTS", "77")


def test_settings_are_listed_with_their_values_in_columns() -> None:
    told = CliRunner().invoke(commands, ["doctor"])
    assert told.exit_code == 0
    rows = [line for line in told.output.splitlines() if line.startswith("  TRIAGE_")]
    said = {row.split()[0]: row.split()[1:] for row in rows}
    assert said["TRIAGE_RETENTION_DAYS_DOCUMENTS"][0] == "77" and "(default)" not in said["TRIAGE_RETENTION_DAYS_DOCUMENTS"]
    assert said["TRIAGE_RETENTION_DAYS"][:2] == ["30", "(default)"]
    assert said["TRIAGE_MASK_KEY"][0] == "set" and KEY not in told.output
    assert said["TRIAGE_SECRET_KEY"][:2] == ["not", "set"]
    assert len({row.index(said[row.split()[0]][0], len(row.split()[0]) + 2) for row in rows}) == 1  # the values stand below each other


def test_a_port_that_is_taken_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        monkeypatch.setenv("TRIAGE_WEB", f"127.0.0.1:{taken.getsockname()[1]}")
        told = CliRunner().invoke(commands, ["doctor"])
    assert told.exit_code == 1
    assert "set another address" in told.output and told.output.count("is free") == 2


def test_a_receiver_that_no_notice_reaches_is_a_fault() -> None:
    stores = open_stores(load_settings())
    receiver = create_receiver(stores.state, name="Desk", url="https://hooks.example/x", form="native", now_ns=1)
    failed = Delivery("d1", receiver.id, "INC-1", "n1", "incident.opened", "failed", 5, "m1", attempts=[Attempt(5, 500, "HTTP 500", 0.1)])
    put_delivery(stores.state, failed, None)
    stores.close()
    told = CliRunner().invoke(commands, ["doctor"])
    assert told.exit_code == 1
    assert "Desk: last delivery failed: HTTP 500" in told.output
