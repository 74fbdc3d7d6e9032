"""A backup under load, restored by starting the product on it: everything acknowledged before it began is there, once."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import orjson
import pytest
import urllib3
from bench.otlp_load import traces
from bench.service import Running

pytestmark = pytest.mark.system
SPANS = 50
KEPT = SPANS + SPANS // 5  # with the calls that they witness


class Load:
    """One sender that never stops; the numbers of the bodies that were acknowledged, and the longest wait."""

    def __init__(self, service: Running) -> None:
        self.url = f"http://127.0.0.1:{service.otlp}/v1/traces"
        self.start_ns = time.time_ns() - 600 * 10**9
        self.acknowledged, self.longest_s = 0, 0.0
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def body(self, number: int) -> bytes:
        return traces(SPANS, self.start_ns + number * 10**8, number)

    def _run(self) -> None:
        pool = urllib3.PoolManager(retries=False, timeout=60)
        while not self.stopping.is_set():
            body, began = self.body(self.acknowledged), time.perf_counter()
            assert send(pool, self.url, body) == 200
            self.longest_s = max(self.longest_s, time.perf_counter() - began)
            self.acknowledged += 1

    def wait_for(self, number: int) -> None:
        while self.acknowledged < number:
            assert self.thread.is_alive()
            time.sleep(0.01)

    def stop(self) -> None:
        self.stopping.set()
        self.thread.join()


def send(pool: urllib3.PoolManager, url: str, body: bytes) -> int:
    return pool.request("POST", url, body=body, headers={"content-type": "application/x-protobuf"}).status


def started(folder: Path) -> Running:
    """A service whose local commands can reach it."""
    service = Running(folder).start()
    while not (folder / "run.json").exists():
        assert service.process is not None and service.process.poll() is None
        time.sleep(0.01)
    return service


def backup(service: Running, path: Path) -> subprocess.CompletedProcess[str]:
    settings = {k: v for k, v in os.environ.items() if not k.startswith("TRIAGE_")} | {"TRIAGE_STORE": f"embedded:{service.folder}"}
    return subprocess.run([sys.executable, "-m", "triage", "backup", str(path), "--json"], env=settings, text=True,
                          capture_output=True, timeout=120)


def test_everything_acknowledged_before_it_is_in_the_backup(tmp_path: Path) -> None:
    service, target = started(tmp_path / "data"), tmp_path / "copy"
    load = Load(service)
    try:
        load.wait_for(200)
        service.post("/api/v1/changes", {"kind": "deployment", "scope": {"service": "core-banking"}, "version": "4.7.1"})
        before = load.acknowledged
        done = backup(service, target)
        load.wait_for(before + 20)
    finally:
        load.stop()
        service.stop()
    assert done.returncode == 0, done.stderr
    made = orjson.loads(done.stdout)
    assert Path(made["path"]) == target and made["bytes"] > 0
    assert load.longest_s < 10, "acknowledgements went on"
    restored = started(target)
    try:
        kept = restored.get("/api/v1/status")["kept"]
        assert before * SPANS <= kept["spans"] <= load.acknowledged * SPANS
        pool = urllib3.PoolManager(retries=False, timeout=60)
        for number in range(before):
            assert send(pool, f"http://127.0.0.1:{restored.otlp}/v1/traces", load.body(number)) == 200
        status = restored.get("/api/v1/status")
        assert status["duplicates"] == before * KEPT, "each was there, once"
        assert status["kept"] == kept
        assert [change["version"] for change in restored.get("/api/v1/changes")["items"]] == ["4.7.1"]
    finally:
        restored.stop()


def test_a_stopped_service_and_wrong_targets(tmp_path: Path) -> None:
    service = started(tmp_path / "data")
    load = Load(service)
    load.wait_for(5)
    load.stop()
    refused = backup(service, service.folder / "inside")
    assert refused.returncode == 1 and "data folder" in refused.stderr
    service.stop()
    assert backup(service, tmp_path / "copy").returncode == 0
    again = backup(service, tmp_path / "copy")
    assert again.returncode == 1 and "exists already" in again.stderr
    assert (tmp_path / "copy" / "mask-key.txt").read_text() == (service.folder / "mask-key.txt").read_text()
    assert (tmp_path / "copy").stat().st_mode & 0o077 == 0
    restored = started(tmp_path / "copy")
    assert restored.get("/api/v1/status")["kept"]["spans"] == load.acknowledged * SPANS
    restored.stop()
