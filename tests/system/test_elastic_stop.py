"""The Elasticsearch node is stopped while `triage collect` takes load, and started again: what was acknowledged is there once."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import urllib3
from bench.otlp_load import traces
from bench.service import free_port
from elastic_node.node import HOME, SCRIPT, running_node

from triage.store.elastic_client import ElasticSettings, connect
from triage.store.elastic_records import ElasticRecordStore

pytestmark = [pytest.mark.system, pytest.mark.elastic]
SPANS = 50
SENDERS = 4


class Load:
    """Senders that repeat a body until it is acknowledged, as an exporter does."""

    def __init__(self, url: str) -> None:
        self.url, self.acknowledged = url, 0
        self.stopping, self.lock = threading.Event(), threading.Lock()
        start = time.time_ns() - 600 * 10**9
        self.bodies = (traces(SPANS, start + number * 10**7, number) for number in range(10**6))
        self.threads = [threading.Thread(target=self._send) for _ in range(SENDERS)]
        for thread in self.threads:
            thread.start()

    def _send(self) -> None:
        pool = urllib3.PoolManager(retries=False, timeout=60)
        while not self.stopping.is_set():
            with self.lock:
                body = next(self.bodies)
            while pool.request("POST", self.url + "/v1/traces", body=body,
                               headers={"content-type": "application/x-protobuf"}).status != 200:
                time.sleep(0.2)
            with self.lock:
                self.acknowledged += 1
            time.sleep(0.02)

    def stop(self) -> int:
        """How many bodies were acknowledged in all."""
        self.stopping.set()
        for thread in self.threads:
            thread.join()
        return self.acknowledged


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[tuple[str, str, Path]]:
    """Addresses of the collector and of its node, and the node's folder."""
    folder, port = tmp_path / "node", free_port()
    folder.mkdir()
    with running_node(folder) as node, (tmp_path / "collect.log").open("wb") as log:
        settings = {k: v for k, v in os.environ.items() if not k.startswith("TRIAGE_")} | {
            "TRIAGE_STORE": node, "TRIAGE_MASK_KEY": "00" * 32, "TRIAGE_SPOOL": str(tmp_path / "spool"),
            "TRIAGE_OTLP_HTTP": f"127.0.0.1:{port}", "TRIAGE_OTLP_GRPC": f"127.0.0.1:{free_port()}",
        }
        process = subprocess.Popen([sys.executable, "-m", "triage", "collect"], env=settings, stdout=log, stderr=log)
        try:
            until(lambda: b"ready" in (tmp_path / "collect.log").read_bytes(), "the collector")
            yield f"http://127.0.0.1:{port}", node, folder
        finally:
            process.terminate()
            process.wait(timeout=60)


def test_a_stop_of_the_node_loses_nothing(collector: tuple[str, str, Path], tmp_path: Path) -> None:
    url, node, folder = collector
    load = Load(url)
    try:
        until(lambda: load.acknowledged > 20, "the first batches")
        stop_node(folder)
        before = load.acknowledged
        until(lambda: load.acknowledged > before + 100, "acknowledgements without a node")
        assert list((tmp_path / "spool").glob("*.spool"))
        subprocess.run([SCRIPT, "start", HOME, folder, "1", node.rpartition(":")[2]], check=True, timeout=120,
                       env=os.environ | {"ES_HEAP": "512m"})
    finally:
        bodies = load.stop()
    until(lambda: not list((tmp_path / "spool").glob("*.spool")), "the spool to drain")
    client = connect(ElasticSettings((node,)))
    store = ElasticRecordStore(client)
    store.settle_reads()
    kept = store.counts().kept
    store.close()
    client.close()
    assert kept["spans"] == bodies * SPANS, "each span once"
    assert kept["calls"] == bodies * SPANS // 5
    assert not list((tmp_path / "spool" / "dead").iterdir())


def stop_node(folder: Path) -> None:
    """Stop it and wait for its end."""
    pids = [int(file.read_text("ascii")) for file in folder.glob("node-*.pid")]
    subprocess.run([SCRIPT, "stop", folder], check=True, timeout=60)
    until(lambda: not any(Path(f"/proc/{pid}/exe").exists() for pid in pids), "the node's end")


def until(ready: Callable[[], object], what: str, within_s: float = 90) -> None:
    end = time.monotonic() + within_s
    while not ready():
        assert time.monotonic() < end, f"not within {within_s} s: {what}"
        time.sleep(0.1)
