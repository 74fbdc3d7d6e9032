"""A real node that takes little at once: bulks that are too large (413) are split, and a busy node (429) is asked again, with less."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from builders import masked, span, trace_id
from elastic_node.node import running_node
from elasticsearch import ApiError, Elasticsearch

from triage.store.elastic.client import ElasticSettings, connect
from triage.store.elastic.records import ElasticRecordStore

pytestmark = pytest.mark.elastic

SPANS = 4_000
NODE = "http.max_content_length: 1mb\nindexing_pressure.memory.limit: 400kb\n"


@pytest.fixture(scope="module")
def small_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_node(tmp_path_factory.mktemp("small-node"), settings=NODE) as url:
        yield url


@pytest.fixture
def client(small_node: str) -> Iterator[Elasticsearch]:
    with connect(ElasticSettings((small_node,))) as client:
        yield client


def test_everything_passes_once_in_smaller_pieces(client: Elasticsearch, monkeypatch: pytest.MonkeyPatch) -> None:
    refused: list[int] = []
    sizes: list[int] = []
    send = client.bulk

    def watched(**options: Any) -> Any:
        try:
            answer = send(**options)
        except ApiError as error:
            refused.append(error.status_code)
            raise
        statuses = {result["status"] for item in answer.get("items", ()) for result in item.values()}
        refused.extend(statuses & {429})
        if not statuses & {429}:
            sizes.append(len(options["operations"][0]))
        return answer

    monkeypatch.setattr(client, "bulk", watched)
    store = ElasticRecordStore(client)
    batch = masked([span(n, trace_id=trace_id(n), attributes={"text": f"{n} " * 60}) for n in range(SPANS)])
    appended = store.append(batch)
    assert appended.kept["spans"] == SPANS
    assert 413 in refused and 429 in refused
    store.settle_reads()
    assert store.counts().kept["spans"] == SPANS
    before = len(refused)
    assert store.append(batch).duplicate["spans"] == SPANS
    assert len(refused) - before <= before, "the size that passes is remembered"
    assert max(sizes) < 1 << 20
    store.close()
