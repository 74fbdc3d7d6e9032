"""The only Elasticsearch node is stopped under load and started again: the collector goes on acknowledging, and drains in order."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import urllib3
from system.cluster import Cluster, records_of, running_cluster
from system.rig import OUTAGE_S, ROUNDS, Link, Load, Product, assert_exactly_once, chance_of_round, until

pytestmark = [pytest.mark.system, pytest.mark.elastic]
DRAINED_TOGETHER = 64  # files


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running_cluster(tmp_path_factory.mktemp("node")) as made:
        yield made


class Drain:
    """Watches a spool folder: files leave it from the oldest on."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.seen = folder, set[int]()

    def empty(self) -> bool:
        """Look again."""
        present = {int(file.name.partition("-")[0]) for file in self.folder.glob("*.spool")}
        self.seen |= present
        before_their_turn = [number for number in self.seen - present if number > min(present, default=0)] if present else []
        assert len(before_their_turn) < DRAINED_TOGETHER, (sorted(present)[:5], before_their_turn)
        return not present


@pytest.mark.timeout(OUTAGE_S + 300)
@pytest.mark.parametrize("round_", ROUNDS)
def test_a_stop_of_the_node_loses_nothing(cluster: Cluster, tmp_path: Path, round_: int) -> None:
    chance = chance_of_round()
    prefix = f"stop-{chance.randrange(10**9)}"
    collector = Product(tmp_path / "collect", {"TRIAGE_STORE": cluster.urls[0], "TRIAGE_ELASTIC_PREFIX": prefix}).start()
    drain = Drain(tmp_path / "collect" / "spool")
    load = Load(collector, chance)
    try:
        time.sleep(chance.uniform(0.5, 3))
        command = cluster.end(0, signal.SIGTERM)
        before, until_s = len(load.acknowledged), time.monotonic() + OUTAGE_S
        until(lambda: len(load.acknowledged) > before + 50, "acknowledgements without a node")
        time.sleep(max(0.0, until_s - time.monotonic()))
        assert not drain.empty()
        assert len(load.acknowledged) > before + OUTAGE_S * 10, "it went on to the end"
        cluster.start(0, command)
        time.sleep(chance.uniform(0, 3))
    finally:
        load.stop()
    try:
        until(drain.empty, "the spool to drain")
    finally:
        collector.stop()
    with records_of(cluster, prefix) as store:
        assert_exactly_once(store, load)
    assert not list((tmp_path / "collect" / "spool" / "dead").iterdir())


def test_a_node_that_hangs_holds_up_nobody(cluster: Cluster, tmp_path: Path) -> None:
    """Neither the event loop nor, once the first batches wait, the senders: the token check does not wait for the node."""
    chance = chance_of_round()
    prefix, link = f"hang-{chance.randrange(10**9)}", Link(cluster.port)
    collector = Product(tmp_path / "collect", {"TRIAGE_STORE": link.url, "TRIAGE_ELASTIC_PREFIX": prefix}).start()
    load = Load(collector, chance)
    try:
        until(lambda: len(load.acknowledged) > 10, "the first batches")
        link.hanging = True
        slowest, end = 0.0, time.monotonic() + 10
        while time.monotonic() < end:
            began = time.monotonic()
            answer = urllib3.request("GET", f"http://127.0.0.1:{collector.http}/healthz", retries=False, timeout=10)
            assert answer.status == 200
            slowest = max(slowest, time.monotonic() - began)
            time.sleep(0.05)
        print(f"slowest answer of the event loop {slowest:.3f} s")
        assert slowest < 1.5
        before = len(load.acknowledged)
        until(lambda: len(load.acknowledged) > before + 50, "acknowledgements into the spool", 90)
        link.cut()
        link.restore()
    finally:
        load.stop()
    try:
        until(lambda: not list((tmp_path / "collect" / "spool").glob("*.spool")), "the spool to drain")
    finally:
        collector.stop()
        link.close()
    with records_of(cluster, prefix) as store:
        assert_exactly_once(store, load)
