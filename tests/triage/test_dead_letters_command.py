"""`triage dead-letters`: what the store refused can be looked at and given to it again."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
from builders import log, masked
from click.testing import CliRunner

from triage.bootstrap.build import open_dead_letters, open_stores
from triage.cli import commands
from triage.config import load_settings
from triage.errors import ConfigError


def test_list_and_replay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIAGE_STORE", f"embedded:{tmp_path / 'data'}")
    monkeypatch.setenv("TRIAGE_SPOOL", str(tmp_path / "spool"))
    name = open_dead_letters(load_settings()).put(masked(logs=[log(1), log(2)]), "refused with status 400")
    listed = CliRunner().invoke(commands, ["dead-letters", "list"])
    assert listed.exit_code == 0
    assert name in listed.output
    assert "2 logs: refused with status 400" in listed.output
    (line,) = CliRunner().invoke(commands, ["dead-letters", "list", "--json"]).output.splitlines()
    assert orjson.loads(line)["records"] == {"spans": 0, "logs": 2, "calls": 0}
    replayed = CliRunner().invoke(commands, ["dead-letters", "replay"])
    assert replayed.exit_code == 0
    assert "kept 2 records" in replayed.output
    assert not CliRunner().invoke(commands, ["dead-letters", "list"]).output
    stores = open_stores(load_settings())
    assert stores.records.counts().kept["logs"] == 2
    stores.close()


def test_without_a_spool_there_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIAGE_STORE", "embedded:./data")
    monkeypatch.delenv("TRIAGE_SPOOL", raising=False)
    result = CliRunner().invoke(commands, ["dead-letters", "list"])
    assert isinstance(result.exception, ConfigError)


def test_files_are_named_after_follow() -> None:
    result = CliRunner().invoke(commands, ["serve", "access.log"])
    assert result.exit_code == 2
    assert "--follow" in result.output
