"""The reference model keeps every promise of both ports."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from contracts.record_store_contract import RecordStoreContract
from contracts.state_store_contract import StateStoreContract

from triage.ports.records import RecordStore
from triage.ports.state import StateStore
from triage.store.memory import MemoryDocuments, MemoryRecords, MemoryRecordStore, MemoryStateStore


class TestMemoryRecordStore(RecordStoreContract):
    @pytest.fixture
    def data(self) -> MemoryRecords:
        return MemoryRecords()

    @pytest.fixture
    def store(self, data: MemoryRecords) -> RecordStore:
        return MemoryRecordStore(data)

    @pytest.fixture
    def reopen(self, data: MemoryRecords) -> Callable[[RecordStore], RecordStore]:
        def again(store: RecordStore) -> RecordStore:
            store.close()
            return MemoryRecordStore(data)

        return again

    @pytest.fixture
    def newer_format(self, data: MemoryRecords) -> Callable[[], None]:
        return lambda: setattr(data, "format", data.format + 1)


class TestMemoryStateStore(StateStoreContract):
    @pytest.fixture
    def data(self) -> MemoryDocuments:
        return MemoryDocuments()

    @pytest.fixture
    def store(self, data: MemoryDocuments) -> StateStore:
        return MemoryStateStore(data)

    @pytest.fixture
    def reopen(self, data: MemoryDocuments) -> Callable[[StateStore], StateStore]:
        def again(store: StateStore) -> StateStore:
            store.close()
            return MemoryStateStore(data)

        return again

    @pytest.fixture
    def newer_format(self, data: MemoryDocuments) -> Callable[[], None]:
        return lambda: setattr(data, "format", data.format + 1)
