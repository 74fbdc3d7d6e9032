"""Elasticsearch, the real node, keeps every promise of both ports. Each test has indices of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from contracts.record_store_contract import RecordStoreContract
from contracts.state_store_contract import StateStoreContract
from elasticsearch import Elasticsearch

from triage.ports.records import RecordStore
from triage.ports.state import StateStore
from triage.store.elastic.records import ElasticRecordStore
from triage.store.elastic.schema import FORMAT
from triage.store.elastic.state import ElasticStateStore

pytestmark = pytest.mark.elastic


@pytest.fixture
def newer_format(elastic_client: Elasticsearch, elastic_prefix: str) -> Callable[[], None]:
    def mark() -> None:
        elastic_client.indices.put_mapping(index=f"{elastic_prefix}-*", meta={"format": FORMAT + 1})

    return mark


class TestElasticRecordStore(RecordStoreContract):
    @pytest.fixture
    def store(self, elastic_client: Elasticsearch, elastic_prefix: str) -> Iterator[RecordStore]:
        store = ElasticRecordStore(elastic_client, elastic_prefix)
        yield store
        store.close()

    @pytest.fixture
    def reopen(self, elastic_client: Elasticsearch, elastic_prefix: str) -> Callable[[RecordStore], RecordStore]:
        def again(store: RecordStore) -> RecordStore:
            store.close()
            return ElasticRecordStore(elastic_client, elastic_prefix)

        return again


class TestElasticStateStore(StateStoreContract):
    @pytest.fixture
    def store(self, elastic_client: Elasticsearch, elastic_prefix: str) -> StateStore:
        return ElasticStateStore(elastic_client, elastic_prefix)

    @pytest.fixture
    def reopen(self, elastic_client: Elasticsearch, elastic_prefix: str) -> Callable[[StateStore], StateStore]:
        def again(store: StateStore) -> StateStore:
            store.close()
            return ElasticStateStore(elastic_client, elastic_prefix)

        return again
