"""What every test shares: the import path, and one real Elasticsearch node for the tests that ask for it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from elasticsearch import Elasticsearch, OrjsonSerializer

sys.path.insert(0, str(Path(__file__).parent))  # builders, contracts, elastic_node
sys.path.append(str(Path(__file__).parents[1]))  # last, so that an installed wheel comes before the source tree

import examples
from elastic_node.node import running_node

examples.prepare()
pytest.register_assert_rewrite("contracts")  # so that a broken promise is shown with its values


@pytest.fixture(scope="session")
def elastic_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a real node that lives as long as the session. Fails, never skips, where the node cannot be had."""
    with running_node(tmp_path_factory.mktemp("elastic")) as url:
        yield url


@pytest.fixture(scope="session")
def elastic_client(elastic_url: str) -> Iterator[Elasticsearch]:
    """A client of the node."""
    with Elasticsearch(elastic_url, serializer=OrjsonSerializer(), request_timeout=60) as client:
        yield client


@pytest.fixture
def elastic_prefix(elastic_client: Elasticsearch) -> Iterator[str]:
    """First word of the test's index names. Its indices are deleted; its templates stay, since making them is slow."""
    prefix = "test"
    yield prefix
    if indices := list(elastic_client.indices.get_alias(index=f"{prefix}-*").body):
        elastic_client.indices.delete(index=indices)
