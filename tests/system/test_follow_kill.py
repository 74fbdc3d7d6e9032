"""kill -9 of `triage serve --follow` while a log file grows and rotates: every line is there once in the end."""

from __future__ import annotations

import os
import random
import shutil
import threading
import time
from collections import Counter
from pathlib import Path

import orjson
import pytest
from bench.service import Running

from triage.domain.windows import Window
from triage.store.embedded.records import EmbeddedRecordStore

pytestmark = pytest.mark.system
LINES = 12_000
LINE = b'{"msec":"%.3f","request_method":"GET","request_uri":"/accounts","status":"200","http_x_request_id":"r%d"}\n'


class Gateway(threading.Thread):
    """Writes every line twice, in pieces that end anywhere; rotates between lines, by rename or by copy and truncation."""

    def __init__(self, log: Path, seed: int) -> None:
        super().__init__(daemon=True)
        self.log, self.random = log, random.Random(seed)
        now = time.time()
        self.content = b"".join(LINE % (now, number // 2) for number in range(LINES))

    def run(self) -> None:
        at, rotations = 0, 0
        while at < len(self.content):
            size = self.random.randint(1, 20_000)
            with self.log.open("ab", buffering=0) as file:
                file.write(self.content[at : at + size])
            at += size
            time.sleep(0.02)
            if self.random.random() < 0.1:
                end = self.content.find(b"\n", at - 1) + 1 or len(self.content)
                with self.log.open("ab", buffering=0) as file:
                    file.write(self.content[at:end])
                at, rotations = max(at, end), rotations + 1
                self._rotate(self.log.with_name(f"access.log.{rotations}"))

    def _rotate(self, to: Path) -> None:
        if self.random.random() < 0.5:
            self.log.rename(to)
        else:
            shutil.copyfile(self.log, to)
            os.truncate(self.log, 0)


@pytest.mark.parametrize("round_", range(int(os.environ.get("FAULT_ROUNDS", "1"))))
def test_a_kill_loses_no_line(tmp_path: Path, round_: int) -> None:
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")
    chance = random.Random(seed)
    logs = tmp_path / "logs"
    logs.mkdir()
    log = logs / "access.log"
    log.touch()
    service = Running(tmp_path / "data", command=f"serve --follow {log} --format nginx").start()
    try:
        gateway = Gateway(log, seed)
        gateway.start()
        for _ in range(2):
            time.sleep(chance.uniform(0.2, 1.0))
            service.kill()
            service.start()
        assert service.process is not None
        gateway.join()
        end = time.monotonic() + 60
        while orjson.loads((service.folder / "run.json").read_bytes())["pid"] != service.process.pid:
            time.sleep(0.05)  # the killed one's, until the new one has written its own
        while service.get("/api/v1/status")["kept"]["calls"] < LINES and time.monotonic() < end:
            time.sleep(0.2)
    finally:
        service.stop()
    store = EmbeddedRecordStore(tmp_path / "data", memory_mib=64)
    ids = store.scan("calls", Window(0, 2**63 - 1), ["request_id"]).column(0).to_pylist()
    store.close()
    found = Counter(int(name.removeprefix("r")) for name in ids)
    assert {number: found[number] for number in range(LINES // 2) if found[number] != 2} == {}, "each line as often as it was written"
    assert len(ids) == LINES
