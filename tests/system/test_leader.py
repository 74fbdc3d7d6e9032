"""Two `triage work` on one cluster: whichever leads, and whichever is paused in the middle of it, no incident is made twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from builders import call, log, masked, span, trace_id
from elastic_node.node import running_node
from system.rig import until

from triage.incidents import documents
from triage.store.elastic.client import ElasticSettings, connect
from triage.store.elastic.records import ElasticRecordStore
from triage.store.elastic.state import ElasticStateStore

pytestmark = [pytest.mark.system, pytest.mark.elastic]
SECOND = 10**9
KEY = "00" * 32


@contextmanager
def worker(url: str, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A `triage work` of its own."""
    folder.mkdir()
    settings = {k: v for k, v in os.environ.items() if not k.startswith("TRIAGE_")} | {
        "TRIAGE_STORE": url, "TRIAGE_MASK_KEY": KEY, "TRIAGE_ANALYSIS_SECONDS": "1", "TRIAGE_LEARNING_MINUTES": "0",
    }
    with (folder / "log").open("wb") as out:
        process = subprocess.Popen([sys.executable, "-m", "triage", "work"], env=settings, stdout=out, stderr=out, cwd=folder)
    try:
        until(lambda: b"ready" in (folder / "log").read_bytes(), "a worker")
        yield process
    finally:
        process.send_signal(signal.SIGCONT)
        process.kill()
        process.wait(timeout=60)


def outage(records: ElasticRecordStore, number: int, part: int) -> None:
    """A failure of its own on an API and service of its own, in the last minutes, among calls that work."""
    now, route, service = time.time_ns(), f"/api-{number}", f"service-{number}"
    rows, spans, logs = [], [], []
    for n in range(120):
        key, at, bad = number * 1000 + part * 200 + n, now - 150 * SECOND + n * SECOND, n > 60
        rows.append(call(key, route=route, service=service, time_ns=at, trace_id=trace_id(key), partner=f"partner-{n % 4}",
                         status=503 if bad else 200, outcome="bank_error" if bad else "ok", codes=f"E{number}" if bad else "",
                         upstream_status=503 if bad else 200))
        spans.append(span(key, trace_id=trace_id(key), service=service, time_ns=at, status=2 if bad else 0,
                          http_status=503 if bad else 200, exception_type=f"Broken{number}Error" if bad else "",
                          attributes={"http.route": route}))
        if bad:
            logs.append(log(key, trace_id=trace_id(key), service=service, time_ns=at, severity=17, body=f"backend {number} gave up"))
    records.append(masked(spans, logs, rows))


@pytest.mark.timeout(900)
def test_a_paused_worker_makes_no_incident_twice(tmp_path: Path) -> None:
    with ExitStack() as stack:
        (tmp_path / "node").mkdir()
        url = stack.enter_context(running_node(tmp_path / "node"))
        client = stack.enter_context(connect(ElasticSettings((url,))))
        records, state = ElasticRecordStore(client), ElasticStateStore(client)
        workers = [stack.enter_context(worker(url, tmp_path / f"work-{number}")) for number in range(2)]

        def apis() -> Counter[str]:
            """How many incidents each failing API has."""
            state.settle_reads()
            return Counter(api.route for incident in documents.every(state) for api in incident.apis)

        def runs() -> int:
            last = state.get("run", "last")
            return int(last.body["at_ns"]) if last else 0

        for number, paused in enumerate(workers, 1):
            outage(records, number, 0)
            time.sleep(0.3 * number)  # so that it stops while it works, if it leads
            paused.send_signal(signal.SIGSTOP)
            until(lambda n=number: apis()[f"/api-{n}"], f"incident {number} by the other worker", 270)  # type: ignore[misc]
            paused.send_signal(signal.SIGCONT)
            outage(records, number, 1)  # more of the same
            woken = time.time_ns()
            until(lambda at=woken: runs() > at + 5 * SECOND, "runs after it woke")  # type: ignore[misc]
        assert apis() == {"/api-1": 1, "/api-2": 1}
        for incident in documents.every(state):
            opened = [notice for notice in incident.notices if notice.type == "incident.opened"]
            assert len(opened) == 1, "told once"
        records.close()
