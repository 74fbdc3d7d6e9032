"""Retention: each signal for its own time, whole days, the disk returned, evidence kept, every run recorded."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from builders import DAY, MINUTE, T0, call, call_rollups, log, masked, span, span_id, trace_id
from examples import examples
from hypothesis import given
from hypothesis import strategies as st

from triage.accounts.accounts import Accounts, Principal
from triage.accounts.sessions import LIFETIME_NS, Sessions
from triage.config import load_settings
from triage.domain.codec import to_body
from triage.domain.columns import SIGNALS
from triage.domain.incident import Impact, Incident
from triage.domain.windows import MINUTE_NS, Window
from triage.errors import ConfigError
from triage.incidents import documents
from triage.ports.records import RecordStore
from triage.retention import Periods, expire, last_run
from triage.store.embedded.records import EmbeddedRecordStore
from triage.store.memory import MemoryRecordStore, MemoryStateStore

ALWAYS = Window(0, 2**62)
PERIODS = Periods({"calls": 30, "spans": 7, "logs": 3}, rollups=395, documents=90)


def filled(days: int, store: RecordStore) -> RecordStore:
    """A record of each signal on each of the last days before T0, today included."""
    for ago in range(days):
        at = T0 - ago * DAY
        store.append(masked([span(ago, trace_id=trace_id(ago), time_ns=at)], [log(ago, trace_id=trace_id(ago), time_ns=at)],
                            [call(ago, trace_id=trace_id(ago), time_ns=at)]))
    store.settle_reads()
    return store


def test_each_signal_is_kept_for_its_own_time() -> None:
    records, state = filled(40, MemoryRecordStore()), MemoryStateStore()
    run = expire(records, state, PERIODS, T0)
    assert run.records == {"calls": 9, "spans": 32, "logs": 36}
    assert records.counts().kept == {"calls": 31, "spans": 8, "logs": 4}
    assert len(run.days) == 36
    again = expire(records, state, PERIODS, T0)
    assert (again.records, again.days, again.rollups, again.documents) == ({}, [], 0, 0)


@examples(20)
@given(st.fixed_dictionaries({signal: st.integers(1, 12) for signal in SIGNALS}))
def test_what_is_younger_than_its_period_stays(days: dict[Any, int]) -> None:
    records = filled(14, MemoryRecordStore())
    expire(records, MemoryStateStore(), Periods(days, 395, 90), T0)
    for signal in SIGNALS:
        oldest = records.scan(signal, ALWAYS, ["time_ns"]).column(0).to_pylist()[0]
        assert oldest == T0 - days[signal] * DAY


def test_evidence_of_incidents_and_complaints_outlives_it() -> None:
    records, state = filled(40, MemoryRecordStore()), MemoryStateStore()
    documents.write(state, incident(trace_ids=[trace_id(38)]))
    state.put("complaint", "CMP-1", {"trace_ids": [trace_id(35)], "calls": []}, version=None)
    state.put("complaint", "CMP-2", {"trace_ids": [], "calls": [span_id(36)]}, version=None)
    expire(records, state, PERIODS, T0)
    for number in (38, 35):
        assert all(len(records.by_trace(signal, [trace_id(number)])) == 1 for signal in SIGNALS)
    assert len(records.by_trace("spans", [trace_id(36)])) == 0
    assert len(records.witnesses([span_id(36)])) == 1, "a call that no trace tells of"
    assert len(records.witnesses([span_id(37)])) == 0


def test_failed_calls_of_an_incident_without_traces_outlive_it() -> None:
    records, state, at = MemoryRecordStore(), MemoryStateStore(), T0 - 35 * DAY
    refused = {"trace_id": "", "outcome": "partner_error", "status": 401}
    records.append(masked([], [], [
        call(1, time_ns=at, **refused), call(2, time_ns=at, trace_id=""), call(3, time_ns=at, **refused | {"partner": "other"})]))
    documents.write(state, incident(at, partners=[Impact("fintech-one", "Fintech One", 1, 2)]))
    expire(records, state, PERIODS, T0)
    assert [len(records.witnesses([span_id(number)])) for number in (1, 2, 3)] == [1, 0, 0]


def incident(at: int = T0, **values: Any) -> Incident:
    return Incident(
        id="INC-1", title="t", kind="errors", severity="high", state="resolved", scope="", summary="", whose_side="bank", key="k",
        first_seen_ns=at, last_seen_ns=at, opened_ns=T0, **values)


def test_rollups_outlive_records_and_go_after_their_own_time() -> None:
    records, state, minute = MemoryRecordStore(), MemoryStateStore(), T0 // MINUTE_NS
    ages = (0, 100, 395, 396, 500)
    records.replace_rollups("calls", [minute - d * 1440 for d in ages],
                            call_rollups([{"minute": minute - d * 1440, "partner": "p"} for d in ages]))
    assert expire(records, state, PERIODS, T0).rollups == 2
    assert records.rollups("calls", ALWAYS).column("minute").to_pylist() == [minute - d * 1440 for d in (395, 100, 0)]


def test_documents_go_too() -> None:
    records, state = MemoryRecordStore(), MemoryStateStore()
    for kind in ("delivery", "notice", "run", "incident", "change"):
        for ago in (0, 89, 91):
            state.put(kind, f"{kind}-{ago}", {"trace_ids": []} if kind != "incident" else to_body(incident()), version=None,
                      sort=T0 - ago * DAY)
    state.put("run", "last", {}, version=None)
    sessions = Sessions(state, Accounts(state))
    ended = sessions.open(Principal("ann", "viewer", "user:ann"), T0 - LIFETIME_NS - MINUTE)
    open_ = sessions.open(Principal("ann", "viewer", "user:ann"), T0 - MINUTE)
    assert expire(records, state, PERIODS, T0).documents == 4
    assert [state.count(kind) for kind in ("delivery", "notice", "run", "incident", "change", "session")] == [2, 2, 3, 3, 3, 1]
    assert state.get("run", "last") is not None
    assert ended != open_


def test_a_run_is_recorded() -> None:
    records, state = filled(9, MemoryRecordStore()), MemoryStateStore()
    assert last_run(state) is None
    run = expire(records, state, PERIODS, T0)
    body = last_run(state)
    assert body is not None
    assert (body["at_ns"], body["records"], body["days"]) == (T0, {"spans": 1, "logs": 5}, run.days)
    expire(records, state, PERIODS, T0 + DAY)
    assert state.count("retention") == 3, "the last, and the two that dropped something"


@pytest.mark.parametrize("equal", [True, False])
def test_the_disk_is_returned(tmp_path: Path, equal: bool) -> None:
    """A dropped day gives its file back; a day of which one signal is dropped is written anew without it."""
    noise, at = random.Random(1), T0 - 5 * DAY
    store = EmbeddedRecordStore(tmp_path)
    for part in range(8):
        numbers = range(part * 1500, part * 1500 + 1500)
        store.append(masked(
            [span(n, trace_id=trace_id(n), time_ns=at + n, attributes={"x": noise.randbytes(60).hex()}) for n in numbers],
            [log(n, trace_id=trace_id(n), time_ns=at + n, body=noise.randbytes(20).hex()) for n in numbers]))
    store.close()
    store = EmbeddedRecordStore(tmp_path)  # written back
    before = store.disk_bytes()
    periods = Periods({"calls": 3, "spans": 3, "logs": 3 if equal else 30}, 395, 90)
    run = expire(store, MemoryStateStore(), periods, T0)
    files = sum(file.stat().st_size for file in (tmp_path / "records").iterdir())
    assert store.disk_bytes() == files == run.disk_bytes
    assert run.freed_bytes == before - files > before * (0.8 if equal else 0.3)
    assert len(store.scan("logs", ALWAYS, ["log_id"])) == (0 if equal else 12_000)
    assert store.append(masked([], [log(5, time_ns=at + 5)])).duplicate["logs"] == (0 if equal else 1)
    store.close()


@pytest.mark.parametrize(("name", "value", "words"), [
    ("RETENTION_DAYS", "-1", "write a number from 1 to 400; -1 is outside"),
    ("RETENTION_DAYS", "0", "from 1 to 400"),
    ("RETENTION_DAYS_SPANS", "-3", "from 0 to 400"),
    ("RETENTION_DAYS_ROLLUPS", "99999", "from 1 to 4000"),
    ("RETENTION_DAYS_ROLLUPS", "7", "records, which are kept 30 days; write 30 or more"),
    ("RETENTION_DAYS_DOCUMENTS", "0", "from 1 to 4000"),
])
def test_absurd_periods_stop_the_start(name: str, value: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        load_settings({f"TRIAGE_{name}": value}, tmp_path)
    assert [words in fault and f"TRIAGE_{name}" in fault for fault in refused.value.faults] == [True]
