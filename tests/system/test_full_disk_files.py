"""The embedded stores on a real file system without room: what they say, what they keep, and that they go on afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from builders import call, masked, span
from system.rig import small_disk

from triage.errors import StoreUnavailable
from triage.ports.masked import MaskedRecords
from triage.store.embedded.records import EmbeddedRecordStore
from triage.store.embedded.state import EmbeddedStateStore

pytestmark = pytest.mark.system
ROWS = 3_000


def _batches() -> Iterator[MaskedRecords]:
    for start in range(0, 10**9, ROWS):
        numbers = range(start, start + ROWS)
        yield masked(spans=[span(n) for n in numbers], calls=[call(n) for n in numbers])


@pytest.mark.parametrize("mib", [12, 72])
def test_a_write_or_a_checkpoint_without_room(tmp_path: Path, mib: int) -> None:
    """With 12 MiB the log of a day cannot grow; with 72 the checkpoint at 64 MiB cannot be written, and DuckDB gives the file up."""
    with small_disk(tmp_path / "disk", mib) as resize:
        store = EmbeddedRecordStore(tmp_path / "disk" / "data", memory_mib=64, reserve_mib=0)
        acknowledged, refused = 0, 0
        for batch in _batches():
            try:
                acknowledged += store.append(batch).kept["spans"]
            except StoreUnavailable:
                refused += 1
                if refused == 1:
                    resize(300)
                continue
            if refused:
                break
        assert refused, "the disk was full"
        assert refused < 4, "it went on when there was room"
        assert store.append(batch).duplicate["spans"] == ROWS
        assert store.counts().kept["spans"] == acknowledged
        store.close()
        again = EmbeddedRecordStore(tmp_path / "disk" / "data", memory_mib=64, reserve_mib=0)
        assert again.counts().kept["spans"] == acknowledged
        again.close()


def test_appends_end_before_the_disk_does(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 40) as resize:
        store = EmbeddedRecordStore(tmp_path / "disk" / "data", memory_mib=64, reserve_mib=32)
        batches = _batches()
        with pytest.raises(StoreUnavailable, match="32 MiB must be; make room"):
            for batch in batches:
                store.append(batch)
        with pytest.raises(StoreUnavailable, match="make room"):
            store.ping()
        assert store.counts().kept["spans"], "reading goes on"
        resize(100)
        store.ping()
        assert store.append(next(batches)).kept["spans"] == ROWS
        store.close()


def test_state_on_a_full_disk(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 1) as resize:
        state = EmbeddedStateStore(tmp_path / "disk" / "state.sqlite")
        with pytest.raises(StoreUnavailable):
            for number in range(1000):
                state.put("note", str(number), {"text": "x" * 10_000}, version=None)
        assert state.get("note", str(number - 1))
        assert state.get("note", str(number)) is None
        resize(10)
        state.put("note", str(number), {"text": ""}, version=None)
        state.close()
