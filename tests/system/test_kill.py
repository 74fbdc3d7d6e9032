"""kill -9 of the collector under load, at any moment: every acknowledged record is there once after the restart."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from system.cluster import Cluster, records_of, running_cluster
from system.rig import ROUNDS, Link, Load, Product, assert_exactly_once, chance_of_round, until

from triage.store.embedded.records import EmbeddedRecordStore


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running_cluster(tmp_path_factory.mktemp("node")) as made:
        yield made


@pytest.mark.system
@pytest.mark.parametrize("round_", ROUNDS)
def test_the_embedded_service_is_killed(tmp_path: Path, round_: int) -> None:
    chance = chance_of_round()
    service = Product(tmp_path / "service", {"TRIAGE_STORE": "embedded:data"}, "serve").start()
    load = Load(service, chance, pause_s=0.01)
    try:
        for _ in range(2):
            time.sleep(chance.uniform(0.3, 2.0))
            service.kill()
            service.start()
        before = len(load.acknowledged)
        until(lambda: len(load.acknowledged) > before + 20, "acknowledgements after the last start")
    finally:
        load.stop()
        service.stop()
    store = EmbeddedRecordStore(tmp_path / "service" / "data", memory_mib=64)
    try:
        assert_exactly_once(store, load)
    finally:
        store.close()


@pytest.mark.system
@pytest.mark.elastic
@pytest.mark.parametrize("round_", ROUNDS)
def test_a_collector_is_killed_while_elasticsearch_comes_and_goes(cluster: Cluster, tmp_path: Path, round_: int) -> None:
    chance = chance_of_round()
    prefix, link = f"kill-{chance.randrange(10**9)}", Link(cluster.port)
    if chance.random() < 0.5:
        link.cut()  # the first start, too, must not need Elasticsearch
    collector = Product(tmp_path / "collect", {"TRIAGE_STORE": link.url, "TRIAGE_ELASTIC_PREFIX": prefix}).start()
    load = Load(collector, chance)
    spool = tmp_path / "collect" / "spool"
    try:
        for _ in range(4):  # killed while it writes, spools or drains
            time.sleep(chance.uniform(0.1, 1.5))
            chance.choice([link.cut, link.restore])()
            time.sleep(chance.uniform(0.1, 1.5))
            collector.kill()
            chance.choice([link.cut, link.restore])()
            collector.start()
        before = len(load.acknowledged)
        until(lambda: len(load.acknowledged) > before + 10, "acknowledgements after the last start")
        link.restore()
    finally:
        load.stop()
    try:
        until(lambda: not list(spool.glob("*.spool")), "the spool to drain")
    finally:
        collector.stop()
        link.close()
    with records_of(cluster, prefix) as store:
        assert_exactly_once(store, load)
    assert not list((spool / "dead").iterdir())
