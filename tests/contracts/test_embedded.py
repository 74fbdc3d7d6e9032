"""The embedded stores (DuckDB, SQLite) keep every promise of both ports."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pytest
from contracts.record_store_contract import RecordStoreContract
from contracts.state_store_contract import StateStoreContract

from triage.ports.records import RecordStore
from triage.ports.state import StateStore
from triage.store.embedded.records import EmbeddedRecordStore
from triage.store.embedded.state import EmbeddedStateStore


class TestEmbeddedRecordStore(RecordStoreContract):
    @pytest.fixture
    def opened(self) -> Iterator[list[RecordStore]]:
        stores: list[RecordStore] = []
        yield stores
        for store in stores:
            store.close()

    @pytest.fixture
    def store(self, tmp_path: Path, opened: list[RecordStore]) -> RecordStore:
        opened.append(EmbeddedRecordStore(tmp_path))
        return opened[-1]

    @pytest.fixture
    def reopen(self, tmp_path: Path, opened: list[RecordStore]) -> Callable[[RecordStore], RecordStore]:
        def again(store: RecordStore) -> RecordStore:
            store.close()
            opened.append(EmbeddedRecordStore(tmp_path))
            return opened[-1]

        return again

    @pytest.fixture
    def newer_format(self, tmp_path: Path) -> Callable[[], None]:
        def mark() -> None:
            with duckdb.connect(str(tmp_path / "records" / "pinned.duckdb")) as connection:
                connection.execute("UPDATE format SET version = version + 1")

        return mark


class TestEmbeddedStateStore(StateStoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> StateStore:
        return EmbeddedStateStore(tmp_path / "state.sqlite")

    @pytest.fixture
    def reopen(self, tmp_path: Path) -> Callable[[StateStore], StateStore]:
        def again(store: StateStore) -> StateStore:
            store.close()
            return EmbeddedStateStore(tmp_path / "state.sqlite")

        return again

    @pytest.fixture
    def newer_format(self, tmp_path: Path) -> Callable[[], None]:
        def mark() -> None:
            with sqlite3.connect(tmp_path / "state.sqlite") as connection:
                connection.execute("PRAGMA user_version = 99")

        return mark
