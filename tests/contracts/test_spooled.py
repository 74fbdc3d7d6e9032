"""A store behind a spool keeps every promise of a store."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from contracts.record_store_contract import RecordStoreContract

from triage.mask.transfer import from_bytes, to_bytes
from triage.ports.records import RecordStore
from triage.store.dead_letters import DeadLetters
from triage.store.memory import MemoryRecords, MemoryRecordStore
from triage.store.spool import SpooledRecordStore


def spooled(data: MemoryRecords, folder: Path) -> SpooledRecordStore:
    inner = MemoryRecordStore(data)
    dead = DeadLetters(folder / "dead", to_bytes, from_bytes, limit=1 << 20)
    return SpooledRecordStore(inner, folder, dead, to_bytes, from_bytes, limit=1 << 20)


class TestSpooledRecordStore(RecordStoreContract):
    @pytest.fixture
    def data(self) -> MemoryRecords:
        return MemoryRecords()

    @pytest.fixture
    def store(self, data: MemoryRecords, tmp_path: Path) -> RecordStore:
        return spooled(data, tmp_path)

    @pytest.fixture
    def reopen(self, data: MemoryRecords, tmp_path: Path) -> Callable[[RecordStore], RecordStore]:
        def again(store: RecordStore) -> RecordStore:
            store.close()
            return spooled(data, tmp_path)

        return again

    @pytest.fixture
    def newer_format(self, data: MemoryRecords) -> Callable[[], None]:
        return lambda: setattr(data, "format", data.format + 1)
