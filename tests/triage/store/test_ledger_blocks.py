"""Blocks of the ledger on Elasticsearch: packed and unpacked, and many runs merged into one, they hold what a dict holds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from triage.store.elastic import ledger_blocks
from triage.store.elastic.ledger_blocks import Run, blocks, document, merged, signed, sorted_hashes, unpacked

HASHES = st.one_of(st.integers(-(2**63), 2**63 - 1), st.integers(-9, 9), st.sampled_from([-(2**63), 2**63 - 1]))
RUNS = st.lists(st.dictionaries(HASHES, st.integers(0, 65_535), min_size=1, max_size=60), max_size=8)


@pytest.fixture(scope="module", autouse=True)
def small() -> object:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ledger_blocks, "A_BLOCK", 4)
        patch.setattr(ledger_blocks, "_TOGETHER", 3)
        patch.setattr(ledger_blocks, "_A_RUN", 5)
        yield


def run_of(entries: dict[int, int]) -> Run:
    return np.array(sorted(entries), np.int64), np.array([entries[key] for key in sorted(entries)], np.uint16)


@given(RUNS)
def test_merged_runs_hold_the_last_day_of_every_hash(runs: list[dict[int, int]]) -> None:
    parts = sorted((block for entries in runs for block in blocks(run_of(entries))), key=lambda block: int(block[0][0]))
    found = list(merged(parts))
    wanted: dict[int, int] = {}
    for entries in runs:
        wanted |= {key: max(day, wanted.get(key, 0)) for key, day in entries.items()}
    pairs = [(key, day) for hashes, days in found for key, day in zip(hashes.tolist(), days.tolist(), strict=True)]
    assert pairs == sorted(wanted.items())
    assert all(len(hashes) == 4 for hashes, _ in found[:-1]), "whole blocks"


@given(st.dictionaries(HASHES, st.integers(0, 65_535), min_size=1, max_size=4))
def test_a_document_gives_back_its_block(entries: dict[int, int]) -> None:
    packed = document(run_of(entries))
    hashes, days = unpacked(packed)
    assert dict(zip(hashes.tolist(), days.tolist(), strict=True)) == entries
    assert (packed["low"], packed["high"]) == (min(entries), max(entries))


@given(st.lists(st.lists(st.integers(0, 2**64 - 1), max_size=9)))
def test_hashes_are_sorted_as_they_are_compared(pages: list[list[int]]) -> None:
    stretches = [found.tolist() for found in sorted_hashes(np.array(page, np.uint64) for page in pages)]
    assert all(stretch == sorted(set(stretch)) for stretch in stretches)
    assert {key for stretch in stretches for key in stretch} == {signed(key) for page in pages for key in page}
