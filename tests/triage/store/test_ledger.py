"""The ledger of IDs: sorted files find what a dict finds, a crash at any step loses nothing, an older format is taken over."""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import pytest
from builders import DAY, MINUTE, T0, call, masked, span, span_id, trace_id, uuid
from examples import examples
from hypothesis import given
from hypothesis import strategies as st

from triage.errors import StoreFormatError, StoreUnavailable
from triage.ports.records import RecordStore
from triage.store import ledger as ledger_module
from triage.store.embedded.ledger_files import SortedIds, open_runs, sorted_run, write_run
from triage.store.embedded.records import EmbeddedRecordStore
from triage.store.keys import text_key
from triage.store.ledger import Ledger

TODAY = "2026-03-02"
ENTRIES = st.lists(st.tuples(st.one_of(st.integers(0, 2**64 - 1), st.sampled_from([0, 7, 2**63, 2**64 - 1])), st.integers(0, 11_519)))


def run_of(entries: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    return sorted_run(np.array([h for h, _ in entries], np.uint64), np.array([p for _, p in entries], np.uint16))


def places(entries: list[tuple[int, int]], wanted: int) -> dict[int, int]:
    """Minute -> signal bits."""
    found: dict[int, int] = {}
    for hashed, place in entries:
        if hashed == wanted:
            found[place >> 3] = found.get(place >> 3, 0) | place & 7
    return found


@examples(60)
@given(st.lists(ENTRIES, min_size=1, max_size=4), st.integers(0, 2**64 - 1))
def test_a_file_finds_what_was_written(tmp_path_factory: pytest.TempPathFactory, runs: list[list[tuple[int, int]]], other: int) -> None:
    file = write_run(tmp_path_factory.mktemp("run") / "ids-2026-03-02.1", [run_of(entries) for entries in runs])
    every = [entry for entries in runs for entry in entries]
    for wanted in {hashed for hashed, _ in every} | {other, 0, 2**64 - 1}:
        assert {p >> 3: p & 7 for p in file.find(wanted).tolist()} == places(every, wanted)
        assert sorted(file.find_all(np.array([wanted], np.uint64)).tolist()) == sorted(file.find(wanted).tolist())


def test_a_large_file_is_merged_in_pieces_and_searched(tmp_path: Path) -> None:
    """More entries than are merged at once, with one ID in every minute, which moves all others from where a guess looks."""
    rng = np.random.default_rng(3)
    hashes = rng.integers(0, 2**64 - 1, 700_000, np.uint64)
    hot = np.full(1440 * 20, hashes[5], np.uint64)
    parts = [(hashes[:300_000], rng.integers(0, 1440, 300_000).astype(np.uint16) << 3 | 1),
             (hashes[300_000:], rng.integers(0, 1440, 400_000).astype(np.uint16) << 3 | 2),
             (hot, np.tile(np.arange(1440, dtype=np.uint16) << 3 | 4, 20))]
    file = write_run(tmp_path / "ids-2026-03-02.1", [sorted_run(h, p) for h, p in parts])
    assert (np.diff(file.hashes.astype(object)) >= 0).all() if len(file.hashes) < 1000 else (file.hashes[1:] >= file.hashes[:-1]).all()
    assert len(file.find(int(hashes[5]))) == 1440
    assert all(len(file.find(int(h))) >= 1 for h in hashes[::7001])
    assert not any(len(file.find(int(h))) for h in rng.integers(0, 2**64 - 1, 500, np.uint64))
    wanted = hashes[100:400]
    assert len(file.find_all(wanted)) == 300
    assert file.path.stat().st_size < 10.01 * len(file.hashes) + 100


def test_damaged_and_newer_files_are_refused(tmp_path: Path) -> None:
    file = write_run(tmp_path / "ids-2026-03-02.1", [run_of([(5, 8), (9, 8)])]).path
    whole = file.read_bytes()
    file.write_bytes(whole[:8] + bytes([99]) + whole[9:])
    with pytest.raises(StoreFormatError):
        SortedIds.open(file)
    for broken in (whole[:-1], whole[:20], b"something else" * 9):
        file.write_bytes(broken)
        with pytest.raises(StoreUnavailable):
            SortedIds.open(file)


def test_half_written_files_are_removed(tmp_path: Path) -> None:
    write_run(tmp_path / "ids-2026-03-02.1", [run_of([(5, 8)])])
    (tmp_path / "ids-2026-03-02.2.new").write_bytes(b"half")
    assert [run.path.name for run in open_runs(tmp_path, "ids")[TODAY]] == ["ids-2026-03-02.1"]
    assert not list(tmp_path.glob("*.new"))


def filled(folder: Path) -> EmbeddedRecordStore:
    store = EmbeddedRecordStore(folder)
    store.append(masked([span(n, trace_id=trace_id(n), time_ns=T0 + n * MINUTE) for n in range(1, 30)], (),
                        [call(n, time_ns=T0 + n * MINUTE) for n in range(1, 30)]))
    return store


def check(store: RecordStore) -> None:
    for n in (1, 15, 29):
        assert [f.kind for f in store.find(uuid(n))] == ["interaction_id"]
        assert [(f.kind, f.witness_id) for f in store.find(trace_id(n))] == [("trace_id", span_id(n))]
        assert {f.kind for f in store.find(span_id(n))} >= {"span_id", "witness_id"}


class Stop(BaseException):
    """A crash."""


@pytest.mark.parametrize("step", ["write_run", "change_alone", "swap", "unlink"])
def test_a_crash_while_sealing_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """The store is abandoned as a killed process would leave it; its files are all that the next one has."""
    store = filled(tmp_path)
    tomorrow = T0 + DAY

    def crash(*args: object, **kwargs: object) -> None:
        raise Stop

    with monkeypatch.context() as patch:
        if step == "write_run":
            patch.setattr(ledger_module, "write_run", crash)
        elif step == "change_alone":
            patch.setattr(type(store._writer), "change_alone", crash)
        elif step == "swap":
            patch.setattr(Ledger, "swap", crash)
        else:
            patch.setattr(Ledger, "merge", crash)
        with pytest.raises(Stop):
            for _ in range(3):
                store.tend(tomorrow, ledger_days=396)
                store.append(masked(calls=[call(99, time_ns=T0)]))
    store.close()
    store = EmbeddedRecordStore(tmp_path)
    check(store)
    for _ in range(4):
        store.tend(tomorrow, ledger_days=396)
    check(store)
    assert len(list((tmp_path / "records").glob("ids-*"))) == 1
    store.close()


def test_sealed_entries_leave_the_table_and_late_ones_are_sealed_again(tmp_path: Path) -> None:
    store = filled(tmp_path)
    for _ in range(2):
        store.tend(T0 + DAY, ledger_days=396)
    assert store._reader.rows("SELECT count(*) FROM d20260302.ids") == [(0,)]
    store.append(masked(calls=[call(50, time_ns=T0)]))
    assert store.find(uuid(50))
    assert store._reader.rows("SELECT count(*) FROM d20260302.ids") == [(3,)]
    for _ in range(3):
        store.tend(T0 + DAY, ledger_days=396)
    assert len(list((tmp_path / "records").glob("ids-*"))) == 1
    assert store.find(uuid(50))
    check(store)
    store.close()


def test_much_is_sealed_although_the_day_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_module, "SEAL_ROWS", 20)
    store = filled(tmp_path)
    store.tend(T0, ledger_days=396)
    assert store._reader.rows("SELECT count(*) FROM d20260302.ids") == [(0,)]
    check(store)
    store.close()


def test_the_span_index_goes_when_its_day_changes(tmp_path: Path) -> None:
    store = filled(tmp_path)
    for _ in range(2):
        store.tend(T0 + DAY, ledger_days=396)
    assert store._spans.has(TODAY)
    check(store)
    store.append(masked([span(70, trace_id=trace_id(70), time_ns=T0)]))
    assert not store._spans.has(TODAY)
    assert [f.trace_id for f in store.find(span_id(70))] == [trace_id(70)]
    store.tend(T0 + DAY, ledger_days=396)
    assert store._spans.has(TODAY)
    assert [f.trace_id for f in store.find(span_id(70))] == [trace_id(70)]
    store.close()
    index = next((tmp_path / "records").glob("spans-*"))
    stale = index.read_bytes()
    store = EmbeddedRecordStore(tmp_path)
    assert store._spans.has(TODAY)
    store.append(masked([span(71, trace_id=trace_id(71), time_ns=T0)]))
    store.close()
    index.write_bytes(stale)  # as if the process had been killed before it removed the file
    store = EmbeddedRecordStore(tmp_path)
    assert [f.trace_id for f in store.find(span_id(71))] == [trace_id(71)]
    store.close()


def test_a_day_that_is_there_keeps_its_ledger(tmp_path: Path) -> None:
    store = filled(tmp_path)
    for _ in range(3):
        store.tend(T0 + 20 * DAY, ledger_days=3)
    check(store)
    store.close()


def test_a_store_of_format_1_is_taken_over(tmp_path: Path) -> None:
    filled(tmp_path).close()
    for file in (tmp_path / "records").glob("*.duckdb"):
        with duckdb.connect(str(file)) as connection:
            connection.execute("UPDATE format SET version = 1")
            if file.stem != "rollups":
                connection.execute("ALTER TABLE ids RENAME COLUMN mark TO minute")
                connection.execute("UPDATE ids SET minute = minute // 8")
    store = EmbeddedRecordStore(tmp_path)
    check(store)
    store.tend(T0 + DAY, ledger_days=396)
    store.tend(T0 + DAY, ledger_days=396)
    check(store)
    store.close()


def test_a_hash_is_64_bits_of_the_text() -> None:
    assert len({text_key(uuid(n)) for n in range(10_000)}) == 10_000
