"""kill -9 of the embedded service during ingest: every acknowledged span is there once after the restart."""

from __future__ import annotations

import os
import random
import socket
import threading
import time
from pathlib import Path

import pytest
from bench.otlp_load import requests_of, traces
from bench.service import Running

pytestmark = pytest.mark.system
SPANS_A_BATCH = 50
BATCHES = 400


@pytest.mark.parametrize("round_", range(int(os.environ.get("FAULT_ROUNDS", "1"))))
def test_nothing_acknowledged_is_lost(tmp_path: Path, round_: int) -> None:
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")
    service = Running(tmp_path / "data").start()
    start = time.time_ns() - 600 * 10**9
    bodies = [traces(SPANS_A_BATCH, start + i * 10**8, i) for i in range(BATCHES)]
    acknowledged = _send_until_killed(service, bodies, random.Random(seed).uniform(0.2, 1.2))
    service.start()
    try:
        again = _send(service, bodies)
        kept = service.get("/api/v1/status")["kept"]
        assert again == set(range(BATCHES)), "after the restart everything is taken"
        assert kept["spans"] == BATCHES * SPANS_A_BATCH, "each span once"
        assert kept["calls"] == BATCHES * SPANS_A_BATCH // 5
        duplicates = service.get("/api/v1/status")["duplicates"]
        assert duplicates >= len(acknowledged) * SPANS_A_BATCH * 6 // 5, "what was acknowledged before the kill was there already"
    finally:
        service.stop()


def _send_until_killed(service: Running, bodies: list[bytes], after_s: float) -> set[int]:
    killer = threading.Timer(after_s, service.kill)
    killer.start()
    acknowledged = _send(service, bodies)
    killer.join()
    return acknowledged


def _send(service: Running, bodies: list[bytes]) -> set[int]:
    """The numbers of the bodies that were acknowledged. Stops at the first broken connection."""
    done: set[int] = set()
    with socket.create_connection(("127.0.0.1", service.otlp)) as sock:
        for number, request in enumerate(requests_of("/v1/traces", bodies, "127.0.0.1")):
            try:
                sock.sendall(request)
                answer = sock.recv(65536)
            except OSError:
                return done
            if not answer.startswith(b"HTTP/1.1 200"):
                return done
            done.add(number)
    return done
