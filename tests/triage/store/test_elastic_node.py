"""What only Elasticsearch has: pages of a search, indices made early, the number of copies to wait for."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from builders import DAY, T0, call_rollups, masked, span, trace_id
from elasticsearch import Elasticsearch

from triage.domain.windows import HOUR_NS, Window, from_rfc3339
from triage.store.elastic import rollups as elastic_rollups
from triage.store.elastic import search as elastic_search
from triage.store.elastic.cluster import ClusterWatch
from triage.store.elastic.records import ElasticRecordStore
from triage.store.elastic.schema import Names

pytestmark = pytest.mark.elastic

ALWAYS = Window(0, 2**63 - 1)


@pytest.fixture
def store(elastic_client: Elasticsearch, elastic_prefix: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[ElasticRecordStore]:
    """A store that reads two documents a page, and changes two blocks of roll-ups at once."""
    monkeypatch.setattr(elastic_search, "PAGE", 2)
    monkeypatch.setattr(elastic_rollups, "_A_PAGE", 2)
    monkeypatch.setattr(elastic_rollups, "_A_BULK", 2)
    store = ElasticRecordStore(elastic_client, elastic_prefix)
    yield store
    store.close()


def test_everything_is_read_over_many_pages(store: ElasticRecordStore) -> None:
    store.append(masked([span(i) for i in range(1, 8)]))
    store.settle_reads()
    assert sorted(store.scan("spans", ALWAYS, ["span_id"]).column(0).to_pylist()) == [f"{i:016x}" for i in range(1, 8)]
    assert len(store.by_trace("spans", [trace_id(1)])) == 7
    minutes = range(0, 200, 7)  # in seven blocks
    store.replace_rollups("calls", minutes, call_rollups([{"minute": m, "partner": p} for m in minutes for p in "abc"]))
    store.replace_rollups("calls", minutes[1:], call_rollups([{"minute": m, "partner": "a"} for m in minutes[1:]]))
    rows = store.rollups("calls", ALWAYS)
    assert rows.column("minute").to_pylist() == [0, 0, 0, *minutes[1:]]
    assert store.drop_rollups(100) == 3 + 14, "blocks of two pages and a part of one"
    assert store.rollups("calls", ALWAYS).column("minute").to_pylist() == [m for m in minutes if m >= 100]


def test_two_writers_never_lose_each_others_minutes(store: ElasticRecordStore) -> None:
    """Each minute of one block by a writer of its own."""
    def replace(minute: int) -> None:
        store.replace_rollups("calls", [minute], call_rollups([{"minute": minute, "partner": p} for p in "ab"]))

    with ThreadPoolExecutor(4) as writers:
        for done in [writers.submit(replace, minute) for minute in range(30)]:
            done.result()
    assert store.rollups("calls", ALWAYS).column("minute").to_pylist() == [m for m in range(30) for _ in "ab"]


def test_many_pins_are_kept(store: ElasticRecordStore) -> None:
    store.append(masked([span(i, trace_id=trace_id(i)) for i in range(1, 10)]))
    store.pin([trace_id(i) for i in range(1, 8)])
    assert store.drop_day("spans", "2026-03-02") == 2
    assert len(store.by_trace("spans", [trace_id(i) for i in range(1, 10)])) == 7


def test_the_next_day_is_made_within_the_hour_before_it(elastic_client: Elasticsearch, elastic_prefix: str) -> None:
    store = ElasticRecordStore(elastic_client, elastic_prefix)
    store.append(masked([span(1)]))
    store.close()
    names = Names(elastic_prefix)
    tomorrow = names.day("spans", T0 + DAY)
    midnight = from_rfc3339("2026-03-03T00:00:00Z")
    for now, made in [(midnight - HOUR_NS - 1, False), (midnight - HOUR_NS, True), (midnight - 1, True)]:
        view = ClusterWatch(elastic_client, names, lambda _: None, replicas=1, clock=partial(int, now)).view()
        assert view.copies == 1
        assert bool(elastic_client.indices.exists(index=tomorrow)) is made
    assert not elastic_client.indices.exists(index=names.day("logs", T0 + DAY)), "a signal without an index today needs none"


def test_an_index_whose_shard_is_not_there_yet_is_waited_for(
    store: ElasticRecordStore, elastic_client: Elasticsearch, elastic_prefix: str,
) -> None:
    index, allocation = Names(elastic_prefix).rollups("calls"), "index.routing.allocation.enable"
    elastic_client.indices.create(index=index, settings={allocation: "none"}, wait_for_active_shards=0)
    with ThreadPoolExecutor(1) as writer:
        done = writer.submit(store.replace_rollups, "calls", [1], call_rollups([{"minute": 1, "partner": "a"}]))
        elastic_client.indices.put_settings(index=index, settings={allocation: "all"})
        done.result()
    assert store.rollups("calls", ALWAYS).column("minute").to_pylist() == [1]
