"""Collectors say what waits with them; one that falls silent is seen to be."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest
from builders import log, masked
from click.testing import CliRunner

from triage.bootstrap.build import open_dead_letters
from triage.cli import commands
from triage.config import load_settings
from triage.domain.windows import DAY_NS, NS
from triage.errors import StoreUnavailable
from triage.heard import CollectorReport, forget, report, report_always, reports
from triage.store.memory import MemoryStateStore
from triage.store.spool_files import joined

NOW = 10**18
SAID = CollectorReport("a:/spool", "a", 7, NOW, 3, 4_000, 10**6, NOW - 5 * NS, False, 0, 0, 0)


def test_the_last_report_of_each_is_read() -> None:
    state = MemoryStateStore()
    report(state, SAID)
    report(state, replace(SAID, id="b:/spool", host="b", at_ns=NOW - 2 * DAY_NS))
    report(state, replace(SAID, spool_batches=1))
    first, second = reports(state, NOW + NS)
    assert (first.host, first.spool_batches, first.silent(NOW + 60 * NS), first.silent(NOW + 61 * NS)) == ("a", 1, False, True)
    assert second.silent(NOW)
    assert [said.host for said in reports(state, NOW + 6 * DAY_NS)] == ["a"], "after a week without a word it is forgotten"
    assert forget(state, NOW + 6 * DAY_NS) == 1


def test_it_goes_on_reporting_when_the_store_was_away() -> None:
    stopping, tries = threading.Event(), 0

    class Flaky(MemoryStateStore):
        def put(self, *args: object, **kwargs: object) -> object:  # type: ignore[override]
            nonlocal tries
            tries += 1
            stopping.set()
            raise StoreUnavailable("away")

    report_always(Flaky(), lambda: SAID, stopping)
    assert tries == 1


def test_the_doctor_tells_what_waits_and_what_was_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIAGE_STORE", f"embedded:{tmp_path / 'data'}")
    monkeypatch.setenv("TRIAGE_SPOOL", str(tmp_path / "spool"))
    folder = tmp_path / "spool"
    open_dead_letters(load_settings())
    assert "0 batches wait" in CliRunner().invoke(commands, ["doctor"]).output
    (folder / "0000000000000001-3.spool").write_bytes(joined([b"one", b"two", b"three"]))
    open_dead_letters(load_settings()).put(masked(logs=[log(1), log(2)]), "refused with status 400")
    told = CliRunner().invoke(commands, ["doctor"])
    assert told.exit_code == 1
    assert "3 batches wait" in told.output
    assert "2 records in 1 pieces" in told.output
