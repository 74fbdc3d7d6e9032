"""Elasticsearch, the real node, keeps every promise of both ports. Each test has indices of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest
from contracts.record_store_contract import RecordStoreContract
from contracts.state_store_contract import StateStoreContract
from elasticsearch import Elasticsearch

from triage.ports.records import RecordStore
from triage.ports.state import StateStore
from triage.store.elastic_client import ElasticSettings, connect
from triage.store.elastic_records import ElasticRecordStore
from triage.store.elastic_schema import FORMAT
from triage.store.elastic_state import ElasticStateStore

pytestmark = pytest.mark.elastic


@pytest.fixture(scope="module")
def client(elastic_url: str) -> Iterator[Elasticsearch]:
    with connect(ElasticSettings((elastic_url,))) as client:
        yield client


@pytest.fixture
def prefix(client: Elasticsearch) -> Iterator[str]:
    prefix = f"t{uuid4().hex[:12]}"
    yield prefix
    if indices := list(client.indices.get_alias(index=f"{prefix}-*").body):
        client.indices.delete(index=indices)
    client.indices.delete_index_template(name=f"{prefix}-*")


@pytest.fixture
def newer_format(client: Elasticsearch, prefix: str) -> Callable[[], None]:
    return lambda: client.indices.put_mapping(index=f"{prefix}-*", meta={"format": FORMAT + 1}) and None


class TestElasticRecordStore(RecordStoreContract):
    @pytest.fixture
    def store(self, client: Elasticsearch, prefix: str) -> RecordStore:
        return ElasticRecordStore(client, prefix)

    @pytest.fixture
    def reopen(self, client: Elasticsearch, prefix: str) -> Callable[[RecordStore], RecordStore]:
        return lambda store: (store.close(), ElasticRecordStore(client, prefix))[1]


class TestElasticStateStore(StateStoreContract):
    @pytest.fixture
    def store(self, client: Elasticsearch, prefix: str) -> StateStore:
        return ElasticStateStore(client, prefix)

    @pytest.fixture
    def reopen(self, client: Elasticsearch, prefix: str) -> Callable[[StateStore], StateStore]:
        return lambda store: (store.close(), ElasticStateStore(client, prefix))[1]
