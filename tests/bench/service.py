"""A `triage serve` of its own for a benchmark or a system test: free ports, a data folder, an end."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import urllib3


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@dataclass(slots=True)
class Running:
    """One process. `environment` adds to the settings; `command` may have arguments."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    command: str = "serve"
    process: subprocess.Popen[bytes] | None = None
    otlp: int = 0
    grpc: int = 0
    web: int = 0
    seconds_to_ready: float = 0.0

    def start(self, within_s: float = 60) -> Running:
        """Start and wait until it is ready. The ports of a former start are kept."""
        self.otlp, self.grpc, self.web = (port or free_port() for port in (self.otlp, self.grpc, self.web))
        began = time.perf_counter()
        settings = {k: v for k, v in os.environ.items() if not k.startswith("TRIAGE_")} | {
            "TRIAGE_STORE": f"embedded:{self.folder}", "TRIAGE_WEB": f"127.0.0.1:{self.web}",
            "TRIAGE_OTLP_HTTP": f"127.0.0.1:{self.otlp}", "TRIAGE_OTLP_GRPC": f"127.0.0.1:{self.grpc}",
        } | self.environment
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder.parent / f"{self.folder.name}.log").open("ab") as log:
            self.process = subprocess.Popen([sys.executable, "-m", "triage", *self.command.split()], env=settings, stdout=log, stderr=log)
        probe = f"{self.otlp}/healthz" if self.command == "collect" else f"{self.web}/readyz"
        while time.perf_counter() - began < within_s:
            if self.process.poll() is not None:
                raise AssertionError(f"the service ended with {self.process.returncode}: {self.log()[-2000:]}")
            try:
                if urllib3.request("GET", f"http://127.0.0.1:{probe}", retries=False, timeout=2).status == 200:
                    self.seconds_to_ready = time.perf_counter() - began
                    return self
            except urllib3.exceptions.HTTPError:
                time.sleep(0.02)
        raise AssertionError(f"not ready after {within_s} s: {self.log()[-2000:]}")

    def log(self) -> str:
        """What it printed."""
        return (self.folder.parent / f"{self.folder.name}.log").read_text("utf-8", "replace")

    def token(self) -> str:
        """The local token of run.json."""
        return str(orjson.loads((self.folder / "run.json").read_bytes())["token"])

    def get(self, path: str, token: str | None = None) -> Any:
        """A JSON answer of the console's API."""
        answer = urllib3.request("GET", f"http://127.0.0.1:{self.web}{path}", retries=False, timeout=30,
                                 headers={"authorization": f"Bearer {token or self.token()}"})
        assert answer.status == 200, (answer.status, answer.data[:500])
        return orjson.loads(answer.data)

    def post(self, path: str, body: Any, token: str | None = None) -> Any:
        """POST JSON to the console's API."""
        answer = urllib3.request("POST", f"http://127.0.0.1:{self.web}{path}", body=orjson.dumps(body), retries=False, timeout=30,
                                 headers={"authorization": f"Bearer {token or self.token()}", "content-type": "application/json"})
        assert answer.status < 300, (answer.status, answer.data[:500])
        return orjson.loads(answer.data)

    def kill(self) -> None:
        """kill -9."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        """SIGTERM, and wait."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(timeout=60)

    def cpu_s(self) -> float:
        """CPU seconds of the process and its children so far, user and system."""
        return sum(_cpu_s(pid) for pid in self.pids())

    def pids(self) -> list[int]:
        """The process and its children."""
        assert self.process is not None
        return [self.process.pid, *_children(self.process.pid)]

    def sizes_mib(self, what: str = "VmRSS") -> list[float]:
        """Resident memory of the process, and of each of its children, MiB; with VmHWM the most that each ever had."""
        return [_rss(pid, what) / 1024 for pid in self.pids()]

    def rss_mib(self) -> float:
        """Resident memory of the process and its children, MiB."""
        return sum(self.sizes_mib())

    def pss_mib(self) -> float:
        """The same with pages that several processes share (libraries) counted once."""
        return sum(_rss(pid, "Pss", "smaps_rollup") for pid in self.pids()) / 1024


def _children(pid: int) -> list[int]:
    try:
        found = [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()]
        for thread in Path(f"/proc/{pid}/task").iterdir():
            found += [int(p) for p in (thread / "children").read_text("ascii").split()]
    except FileNotFoundError:
        return []
    return [p for child in set(found) for p in (child, *_children(child))]


def _cpu_s(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    except FileNotFoundError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _rss(pid: int, what: str = "VmRSS", file: str = "status") -> int:
    try:
        for line in Path(f"/proc/{pid}/{file}").read_text("ascii").splitlines():
            if line.startswith(f"{what}:"):
                return int(line.split()[1])
    except (FileNotFoundError, ProcessLookupError):
        pass
    return 0
