"""What is said of retention, and who may ask for a backup."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from builders import DAY, T0, masked, span

from triage.retention import Periods, expire


def test_the_last_retention_run_is_shown(world: Any) -> None:
    assert world.api()("/status").get_json()["last_retention"] is None
    assert "Last retention run" not in world.signed_in().get("/admin/status").get_data(as_text=True)
    world.records.append(masked([span(n, time_ns=T0 - 40 * DAY) for n in range(3)]))
    expire(world.records, world.state, Periods({"calls": 30, "spans": 30, "logs": 30}, 395, 90), world.clock[0])
    told = world.api()("/status").get_json()["last_retention"]
    assert told["dropped"] == {"records": {"spans": 3}, "days": ["2026-01-21"], "rollups": 0, "documents": 0}
    assert (told["at"], told["freed_bytes"], told["disk_bytes"]) == ("2026-03-02T03:15:00.000Z", 0, 0)
    page = world.signed_in().get("/admin/status").get_data(as_text=True)
    assert "Last retention run" in page and "3 records of 1 day, 0 roll-ups" in page and "0 bytes" in page


@pytest.fixture
def made(world: Any) -> list[Path]:
    """Targets of the backups that were made."""
    targets: list[Path] = []

    def back_up(target: Path) -> dict[str, Any]:
        targets.append(target)
        return {"path": str(target), "at": "", "bytes": 1, "seconds": 0.1}

    world.app.extensions["parts"] = replace(world.parts, back_up=back_up)
    return targets


def test_administrators_of_the_machine_may_ask_for_a_backup(world: Any, made: list[Path]) -> None:
    ask = world.api("administrator")
    assert ask("/backup", {"path": "/srv/copy"}).get_json()["path"] == "/srv/copy"
    assert ask("/backup", {"path": ""}).status_code == 400
    assert made == [Path("/srv/copy")]


@pytest.mark.parametrize("role", ["viewer", "support", "responder", "security"])
def test_others_may_not(world: Any, made: list[Path], role: str) -> None:
    assert world.api(role)("/backup", {"path": "/srv/copy"}).status_code == 403
    assert made == []


@pytest.mark.parametrize("from_elsewhere", [
    {"environ_base": {"REMOTE_ADDR": "10.1.2.3"}}, {"headers": {"X-Forwarded-For": "10.1.2.3"}},
])
def test_nobody_may_from_elsewhere(world: Any, made: list[Path], from_elsewhere: dict[str, Any]) -> None:
    headers = {"Authorization": f"Bearer {world.token('administrator')}", **from_elsewhere.pop("headers", {})}
    answer = world.app.test_client().post("/api/v1/backup", json={"path": "/srv/copy"}, headers=headers, **from_elsewhere)
    assert answer.status_code == 403 and made == []


def test_elasticsearch_has_snapshots(world: Any) -> None:
    answer = world.api("administrator")("/backup", {"path": "/srv/copy"})
    assert answer.status_code == 400 and "snapshots" in answer.get_json()["detail"]
