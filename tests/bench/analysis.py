"""One analysis run over many calls, as the service itself reports it: `python tests/bench/analysis.py [--calls N]`."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import orjson

sys.path.insert(0, str(Path(__file__).parent.parent))

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
    calls = parser.parse_args().calls
    bodies = bodies_of(calls)
    with tempfile.TemporaryDirectory() as name:
        service = Running(Path(name) / "data", {"TRIAGE_ANALYSIS_SECONDS": str(FIRST_RUN_S)}).start()
        try:
            sent = run("127.0.0.1", service.otlp, requests_of("/gateway/json", bodies, "127.0.0.1"), 8)
            assert not sent.errors, sent.errors[:5]
            print(f"ingest: {calls / sent.seconds:,.0f} gateway lines/s acknowledged; p99 {sent.p(0.99) * 1000:.0f} ms")
            run_of = wait_for_run(service)
            print(f"analysis: {run_of['records']:,} calls in one run, {run_of['seconds']:.1f} s, {run_of['findings']} findings; "
                  f"{service.rss_mib():.0f} MiB")
        finally:
            service.stop()


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
