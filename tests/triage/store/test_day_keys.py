"""DayKeys says exactly which keys were added, whatever the sizes and the order."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st

from triage.store.embedded import day_keys
from triage.store.embedded.day_keys import DayKeys
from triage.store.keys import distinct, text_key, text_keys


@examples(60)
@given(st.lists(st.lists(st.integers(0, 2**64 - 1), max_size=40, unique=True), max_size=30), st.lists(st.integers(0, 2**64 - 1)))
def test_known_is_exact(tmp_path_factory: pytest.TempPathFactory, batches: list[list[int]], probes: list[int]) -> None:
    keys = DayKeys(tmp_path_factory.mktemp("keys"), np.zeros(0, np.uint64))
    model: set[int] = set()
    for batch in batches:
        fresh = [key for key in batch if key not in model]
        keys.add(np.array(fresh, np.uint64))
        model |= set(fresh)
    asked = [*probes, *list(model)[:50]]
    assert keys.known(np.array(asked, np.uint64)).tolist() == [key in model for key in asked]


def test_many_keys_flush_to_runs_and_stay_exact(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(day_keys, "RUN", 1000)
    values = np.random.default_rng(7).permutation(np.arange(20_000, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15))
    keys = DayKeys(tmp_path, values[:5000])
    for start in range(5000, 20_000, 500):
        assert not keys.known(values[start : start + 500]).any()
        keys.add(values[start : start + 500])
    assert keys.known(values).all()
    assert not keys.known(values + np.uint64(1)).any()
    assert not list(tmp_path.iterdir()), "runs leave no file behind"


def test_what_was_looked_up_in_a_run_does_not_stay_in_memory(tmp_path: Path) -> None:
    values = np.random.default_rng(8).permutation(np.arange(2 * day_keys.RUN, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15))
    keys = DayKeys(tmp_path, values)
    assert keys.known(values).all()

    mappings = Path("/proc/self/smaps").read_text("utf-8").split(f" {tmp_path}/")[1:]
    resident = [int(mapping.partition("\nRss:")[2].split()[0]) for mapping in mappings]
    assert resident, "the runs are mapped"
    assert sum(resident) == 0


@given(st.lists(st.text(max_size=40), max_size=20))
def test_the_key_of_a_text_is_the_same_alone_and_in_a_column(texts: list[str]) -> None:
    clean = [text.encode("utf-8", "replace").decode() for text in texts]
    assert text_keys(pa.chunked_array([pa.array(clean, pa.string())])).tolist() == [text_key(text) for text in clean]


@given(st.lists(st.integers(-1000, 1000), min_size=1))
def test_distinct(numbers: list[int]) -> None:
    assert distinct(np.array(numbers)) == sorted(set(numbers))
