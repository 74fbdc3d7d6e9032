"""A real file system without room: senders are told to wait, nothing that was acknowledged is lost, and it goes on when there is room."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import urllib3
from system.cluster import Cluster, records_of, running_cluster
from system.rig import ROUNDS, Link, Load, Product, assert_exactly_once, chance_of_round, small_disk, until

from triage.store.embedded.records import EmbeddedRecordStore

RESERVE_MIB = 256  # of the embedded store


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running_cluster(tmp_path_factory.mktemp("node")) as made:
        yield made


def _both_doors_refuse(load: Load) -> bool:
    return load.refused["http 503 later"] > 2 and load.refused["grpc UNAVAILABLE later"] > 2


@pytest.mark.system
@pytest.mark.elastic
@pytest.mark.parametrize("round_", ROUNDS)
def test_the_spool_has_no_room(cluster: Cluster, tmp_path: Path, round_: int) -> None:
    chance = chance_of_round()
    prefix, link, disk = f"disk-{chance.randrange(10**9)}", Link(cluster.port), tmp_path / "disk"
    with small_disk(disk, 1) as resize:
        collector = Product(tmp_path / "collect", {
            "TRIAGE_STORE": link.url, "TRIAGE_ELASTIC_PREFIX": prefix, "TRIAGE_SPOOL": str(disk / "spool")}).start()
        load = Load(collector, chance, pause_s=0.01)
        try:
            time.sleep(chance.uniform(0, 1))
            link.cut()
            until(lambda: _both_doors_refuse(load), "HTTP and gRPC senders to be told to wait")
            time.sleep(chance.uniform(0, 2))
            if chance.random() < 0.5:
                collector.kill()
                collector.start()  # a full disk does not keep it from starting
            if chance.random() < 0.5:
                resize(64)
                before = len(load.acknowledged)
                until(lambda: len(load.acknowledged) > before + 20, "acknowledgements into the spool, which has room again")
            link.restore()
            before = len(load.acknowledged)
            until(lambda: len(load.acknowledged) > before + 20, "acknowledgements after the drain")
        finally:
            load.stop()
        try:
            until(lambda: not list((disk / "spool").glob("*.spool")), "the spool to drain")
        finally:
            collector.stop()
            link.close()
        assert not load.refused.keys() & {"http 500", "http 400"}, load.refused
        assert not list((disk / "spool" / "dead").iterdir())
    with records_of(cluster, prefix) as store:
        assert_exactly_once(store, load)


@pytest.mark.system
@pytest.mark.parametrize("round_", ROUNDS)
def test_the_embedded_store_has_no_room(tmp_path: Path, round_: int) -> None:
    chance = chance_of_round()
    disk = tmp_path / "disk"
    other = disk / "of-another-program"
    with small_disk(disk, RESERVE_MIB + 100) as resize:
        service = Product(tmp_path / "serve", {"TRIAGE_STORE": f"embedded:{disk}/data"}, "serve").start()
        load = Load(service, chance, pause_s=0.0)
        try:
            time.sleep(chance.uniform(0.5, 3))
            left = chance.choice([0, 1, RESERVE_MIB - 1]) << 20  # of the disk; what a write finds at that moment is chance
            with contextlib.suppress(OSError), other.open("wb") as file:
                file.write(bytes(max(shutil.disk_usage(disk).free - left, 0)))
            until(lambda: _both_doors_refuse(load), "HTTP and gRPC senders to be told to wait")
            status, ready = _ready(service)
            assert status == 503
            assert any("disk" in reason and "room" in reason for reason in ready["reasons"]), ready
            answered, shown = service.get("/api/v1/status", data=disk / "data")
            assert answered == 200
            assert shown["reasons"] == ready["reasons"]
            if chance.random() < 0.3:
                service.kill()
            if chance.random() < 0.5:
                other.unlink()
            else:
                resize(3 * RESERVE_MIB)
            if not service.running():
                service.start()
            before = len(load.acknowledged)
            until(lambda: len(load.acknowledged) > before + 20, "acknowledgements when there is room")
            until(lambda: _ready(service)[0] == 200, "the service to say that it is well")
        finally:
            load.stop()
            service.stop()
        assert not load.refused.keys() & {"http 500", "http 400"}, load.refused
        kept = tmp_path / "kept"
        shutil.copytree(disk / "data", kept)
    store = EmbeddedRecordStore(kept, memory_mib=64)
    try:
        assert_exactly_once(store, load)
    finally:
        store.close()


def _ready(service: Product) -> tuple[int, dict[str, list[str]]]:
    answer = urllib3.request("GET", f"http://127.0.0.1:{service.web}/readyz", retries=False, timeout=10)
    return answer.status, answer.json()
