"""A real three-node cluster under load: one node is killed, and all three are restarted in turn. Lookups answer throughout."""

from __future__ import annotations

import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from system.cluster import Cluster, records_of, running_cluster
from system.rig import ROUNDS, Load, Product, assert_exactly_once, chance_of_round, until

pytestmark = [pytest.mark.system, pytest.mark.elastic, pytest.mark.timeout(600)]
_FINDABLE_S = 10.0  # after the acknowledgement: it may have gone to the spool while the shards moved


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running_cluster(tmp_path_factory.mktemp("nodes"), 3) as made:
        yield made


class Desk(threading.Thread):
    """Support staff who look up acknowledged traces all the time. What they have seen once they must see again; what is younger may
    be not there yet, while its shards move, if the answer says so."""

    def __init__(self, product: Product, load: Load, chance: random.Random) -> None:
        super().__init__(daemon=True)
        self.product, self.load, self.chance = product, load, chance
        self.answers: Counter[str] = Counter()
        self.seen: list[str] = []
        self.slowest_s = 0.0
        self.ending = threading.Event()

    def run(self) -> None:
        while not self.ending.wait(0.2):
            again = bool(self.seen) and self.chance.random() < 0.5
            trace = self.chance.choice(self.seen) if again else self.load.a_trace(self.chance, _FINDABLE_S)
            if trace is None:
                continue
            began = time.monotonic()
            status, body = self.product.get(f"/api/v1/lookup?q={trace}")
            self.slowest_s = max(self.slowest_s, time.monotonic() - began)
            if status == 200 and body["matched"] is not None:
                self.answers["found"] += 1
                self.seen.append(trace)
            elif status == 200 and body["reason"] == "not_yet_indexed" and not again:
                self.answers["not there yet"] += 1
            else:
                self.answers[f"{status} {str(body)[:300]}"] += 1

    def stop(self) -> None:
        """End, and say what was answered."""
        self.ending.set()
        self.join()
        print(f"lookups {dict(self.answers)}, slowest {self.slowest_s:.2f} s")


@contextmanager
def under_load(cluster: Cluster, folder: Path, chance: random.Random) -> Iterator[Load]:
    """A product on the cluster that is sent to and asked all the time; begins when there are traces that can be looked up. At the
    end everything acknowledged must be there exactly once, and every lookup must have been answered."""
    prefix = f"load-{chance.randrange(10**9)}"
    product = Product(folder, {"TRIAGE_STORE": ",".join(cluster.urls), "TRIAGE_ELASTIC_PREFIX": prefix}, "serve").start()
    try:
        until((folder / "data" / "run.json").exists, "the token of local commands, which lies in Elasticsearch")
        load = Load(product, chance)
        desk = Desk(product, load, chance)
        desk.start()
        try:
            until(lambda: load.a_trace(chance, _FINDABLE_S), "traces that can be looked up")
            yield load
        finally:
            load.stop()
            desk.stop()
        until(lambda: not list((folder / "spool").glob("*.spool")), "the spool to drain")
    finally:
        product.stop()
    with records_of(cluster, prefix) as store:
        assert_exactly_once(store, load)
    assert desk.answers.keys() <= {"found", "not there yet"}, desk.answers
    assert desk.answers["found"] > 5
    assert not list((folder / "spool" / "dead").iterdir())


@pytest.mark.parametrize("round_", ROUNDS)
def test_a_killed_node_loses_nothing(cluster: Cluster, tmp_path: Path, round_: int) -> None:
    chance = chance_of_round()
    with under_load(cluster, tmp_path / "serve", chance) as load:
        time.sleep(chance.uniform(0, 2))
        victim = chance.randrange(3)
        print(f"node {victim} is killed")
        command = cluster.end(victim, signal.SIGKILL)
        time.sleep(chance.uniform(1, 15))
        cluster.start(victim, command)
        before = len(load.acknowledged)
        until(lambda: len(load.acknowledged) > before + 20, "acknowledgements on the whole cluster")
    until(cluster.green, "a whole cluster again")


def test_a_rolling_restart_loses_nothing(cluster: Cluster, tmp_path: Path) -> None:
    chance = chance_of_round()
    with under_load(cluster, tmp_path / "serve", chance):
        for number in range(3):
            command = cluster.end(number, signal.SIGTERM)
            time.sleep(chance.uniform(0, 3))
            cluster.start(number, command)
            until(cluster.green, "every copy active before the next node")
