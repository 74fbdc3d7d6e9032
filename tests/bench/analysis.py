"""One analysis run over many calls, as the service itself reports it: `python tests/bench/analysis.py [--calls N]`.

The run goes through the real path: store, pipe, spawned process. Beside it one small request after the other is acknowledged and one
list of incidents after the other is asked for, before the run and while it goes; the peak memory is that of all processes, and of the
analysis alone.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import orjson
import urllib3

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(1, str(Path(__file__).parents[2]))  # the product, before this folder's neighbours of the same names

from bench.otlp_load import requests_of, run
from bench.service import Running

LINES: Final = 1_000  # a request
MINUTES: Final = 60  # of event time
FIRST_RUN_S: Final = 45  # after the start, so that everything has arrived by then
ROUTES: Final = [f"/service-{number}/items/{{id}}" for number in range(20)]


def bodies_of(calls: int, seed: int = 1) -> list[bytes]:
    """Gateway lines of the last hour: 40 partners, 20 APIs, one call in twenty failed."""
    dice, start = random.Random(seed), time.time_ns() - MINUTES * 60 * 10**9
    step = MINUTES * 60 * 10**9 // calls
    lines = [
        orjson.dumps({
            "time": start + number * step, "method": "GET", "path": f"/service-{number % 20}/items/{number}",
            "route": ROUTES[number % 20], "status": 503 if dice.random() < 0.05 else 200,
            "duration_ms": dice.lognormvariate(4, 0.5), "partner": f"partner-{dice.randrange(40)}",
            "service": f"service-{number % 8}", "request_id": f"r-{seed}-{number}",
        })
        for number in range(calls)
    ]
    return [b"\n".join(lines[at:at + LINES]) for at in range(0, calls, LINES)]


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--calls", type=int, default=200_000)
    parser.add_argument("--first-run", type=int, default=FIRST_RUN_S, metavar="S", help="seconds until the run: all must be there by then")
    wish = parser.parse_args()
    calls = wish.calls
    bodies = bodies_of(calls)
    with tempfile.TemporaryDirectory() as name:
        service = Running(Path(name) / "data", {"TRIAGE_ANALYSIS_SECONDS": str(wish.first_run)}).start()
        try:
            sent = run("127.0.0.1", service.otlp, requests_of("/gateway/json", bodies, "127.0.0.1"), 8)
            assert not sent.errors, sent.errors[:5]
            print(f"ingest: {calls / sent.seconds:,.0f} gateway lines/s acknowledged; p99 {sent.p(0.99) * 1000:.0f} ms")
            probe = Probe(service)
            probe.start()
            run_of = wait_for_run(service)
            probe.end()
            print(f"analysis: {run_of['records']:,} calls in one run, {run_of['seconds']:.1f} s, {run_of['findings']} findings; peak "
                  f"{probe.peak_mib:.0f} MiB, {probe.child_mib:.0f} MiB of it the analysis")
            for what, usual, during in probe.figures(run_of):
                print(f"{what}: p99 {usual * 1000:.0f} ms, while the run goes {during * 1000:.0f} ms")
        finally:
            service.stop()


@dataclass(slots=True)
class Probe:
    """Asks on and on, in a thread, and notes how long each answer took."""

    service: Running
    taken: list[tuple[int, float, float]] = field(default_factory=list)  # time of day ns, acknowledgement s, page s
    peak_mib: float = 0.0
    child_mib: float = 0.0
    thread: threading.Thread | None = None
    over: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        """Begin."""
        self.thread = threading.Thread(target=self._ask)
        self.thread.start()

    def end(self) -> None:
        """Stop."""
        self.over.set()
        assert self.thread is not None
        self.thread.join()

    def figures(self, run_of: dict[str, Any]) -> list[tuple[str, float, float]]:
        """What, its p99 outside of the run and inside, seconds."""
        first = int(datetime.fromisoformat(run_of["at"]).timestamp() * 1e9)
        last = first + int(run_of["seconds"] * 1e9)
        inside = [one for one in self.taken if first <= one[0] <= last]
        outside = [one for one in self.taken if one[0] < first]
        return [(what, _p99([one[place] for one in outside]), _p99([one[place] for one in inside]))
                for what, place in (("acknowledgement", 1), ("page", 2))]

    def _ask(self) -> None:
        number = 0
        while not self.over.is_set():
            number += 1
            now = time.time_ns()
            line = {"time": now, "method": "GET", "path": "/probe", "route": "/probe", "status": 200, "partner": "probe",
                    "request_id": f"probe-{number}"}
            began = time.perf_counter()
            urllib3.request("POST", f"http://127.0.0.1:{self.service.otlp}/gateway/json", body=orjson.dumps(line), timeout=30)
            acknowledged = time.perf_counter()
            self.service.get("/api/v1/incidents?limit=50")
            self.taken.append((now, acknowledged - began, time.perf_counter() - acknowledged))
            sizes = self.service.sizes_mib("VmHWM")
            self.peak_mib, self.child_mib = max(self.peak_mib, sum(sizes)), max(self.child_mib, *sizes[1:], 0.0)


def _p99(values: list[float]) -> float:
    return sorted(values)[int(len(values) * 0.99)] if values else float("nan")


def wait_for_run(service: Running, within_s: float = 240) -> dict[str, Any]:
    """The first run that saw records. Raises TimeoutError, and RuntimeError when a run failed."""
    ends = time.monotonic() + within_s
    while time.monotonic() < ends:
        last: dict[str, Any] | None = service.get("/api/v1/status")["last_analysis"]
        if last and last.get("error"):
            raise RuntimeError(f"the analysis run failed: {last['error']}")
        if last and last["records"]:
            return last
        time.sleep(0.5)
    raise TimeoutError(f"no analysis run within {within_s} s")


if __name__ == "__main__":
    main()
