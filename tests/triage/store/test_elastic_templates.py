"""Index templates: installed and upgraded at the start, never downgraded, with the shards and replicas of the settings."""

from __future__ import annotations

from typing import Any

import pytest
from builders import call_rollups, log, masked, span
from elasticsearch import Elasticsearch

from triage.errors import StoreFormatError
from triage.store.elastic.records import ElasticRecordStore
from triage.store.elastic.schema import FORMAT, TEMPLATE_VERSION
from triage.store.elastic.state import ElasticStateStore

pytestmark = pytest.mark.elastic


def template(client: Elasticsearch, name: str) -> dict[str, Any]:
    return dict(client.indices.get_index_template(name=name)["index_templates"][0]["index_template"])


def put(client: Elasticsearch, name: str, version: int, meta: dict[str, Any]) -> None:
    """The template as another version of the product would have left it."""
    there = template(client, name)
    client.indices.put_index_template(
        name=name, index_patterns=there["index_patterns"], priority=there["priority"], version=version, meta=meta,
        template={"mappings": {"dynamic": False, "properties": {"old": {"type": "keyword"}}}})


@pytest.fixture
def names(elastic_client: Elasticsearch, elastic_prefix: str) -> Any:
    """The templates' names; afterwards they stand as they were."""
    ElasticRecordStore(elastic_client, elastic_prefix).close()
    ElasticStateStore(elastic_client, elastic_prefix)
    found = elastic_client.indices.get_index_template(name=f"{elastic_prefix}-*")["index_templates"]
    yield [entry["name"] for entry in found]
    elastic_client.indices.delete_index_template(name=f"{elastic_prefix}-*")


def test_an_older_version_is_replaced(elastic_client: Elasticsearch, elastic_prefix: str, names: list[str]) -> None:
    for name in names:
        put(elastic_client, name, TEMPLATE_VERSION - 1, {"format": FORMAT, "shards": 1, "replicas": 1})
    ElasticRecordStore(elastic_client, elastic_prefix).close()
    ElasticStateStore(elastic_client, elastic_prefix)
    for name in names:
        there = template(elastic_client, name)
        assert there["version"] == TEMPLATE_VERSION
        assert "old" not in there["template"]["mappings"]["properties"]
        assert there["template"]["mappings"]["_meta"] == {"format": FORMAT}


@pytest.mark.parametrize(("version", "format_", "words"), [
    (TEMPLATE_VERSION + 1, FORMAT, f"has version {TEMPLATE_VERSION + 1}"), (TEMPLATE_VERSION, FORMAT + 1, f"has format {FORMAT + 1}"),
])
def test_a_newer_one_is_refused_and_stays(
    elastic_client: Elasticsearch, elastic_prefix: str, names: list[str], version: int, format_: int, words: str,
) -> None:
    for name in (f"{elastic_prefix}-spans", f"{elastic_prefix}-state"):
        put(elastic_client, name, version, {"format": format_, "shards": 1, "replicas": 1})
    for open_store in (ElasticRecordStore, ElasticStateStore):
        with pytest.raises(StoreFormatError, match=words) as refused:
            open_store(elastic_client, elastic_prefix)
        assert "Start the newer version again" in str(refused.value)
    assert "old" in template(elastic_client, f"{elastic_prefix}-spans")["template"]["mappings"]["properties"]


def test_shards_and_replicas_of_the_settings(elastic_client: Elasticsearch, elastic_prefix: str, names: list[str]) -> None:
    store = ElasticRecordStore(elastic_client, elastic_prefix, shards=3, replicas=2)
    store.append(masked([span(1)], [log(1)]))
    store.replace_rollups("calls", [1], call_rollups([{"minute": 1, "partner": "p"}]))
    store.close()
    found = {index: body["settings"]["index"] for index, body in elastic_client.indices.get_settings(index=f"{elastic_prefix}-*").items()}
    day = found[f"{elastic_prefix}-spans-2026.03.02"]
    assert (day["number_of_shards"], day["auto_expand_replicas"]) == ("3", "0-2")
    assert found[f"{elastic_prefix}-rollups-calls-v2"]["number_of_shards"] == "1"


def test_no_input_can_make_a_mapping_grow(elastic_client: Elasticsearch, elastic_prefix: str, names: list[str]) -> None:
    store = ElasticRecordStore(elastic_client, elastic_prefix)
    store.append(masked([span(1)]))
    index = f"{elastic_prefix}-spans-2026.03.02"
    before = elastic_client.indices.get_mapping(index=index)[index]
    store.append(masked([span(n, attributes={f"key.{n}.{k}": k for k in range(200)}, resource={f"r{n}": {"deep": {"er": n}}})
                         for n in range(2, 40)]))
    store.close()
    assert elastic_client.indices.get_mapping(index=index)[index] == before
