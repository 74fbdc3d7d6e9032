"""What the fault tests share: the product as processes, senders that behave like exporters, a link that can be cut, a file system
that can be full, and the count of every record that was acknowledged."""

from __future__ import annotations

import contextlib
import os
import random
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

import grpc
import orjson
import pytest
import urllib3
from bench.otlp_load import logs, traces
from bench.service import free_port
from google.rpc.error_details_pb2 import RetryInfo
from grpc_status import rpc_status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from triage.domain.windows import Window
from triage.ports.records import RecordStore

ROUNDS: Final = range(int(os.environ.get("FAULT_ROUNDS", "1")))
OUTAGE_S: Final = float(os.environ.get("FAULT_OUTAGE_S", "5"))
ALWAYS: Final = Window(0, 2**63 - 1)
_RECORDS: Final = 20  # in a body
_EXPORT: Final = {"traces": "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
                  "logs": "/opentelemetry.proto.collector.logs.v1.LogsService/Export"}


def chance_of_round() -> random.Random:
    """The chances of one round; its seed is printed, and FAULT_SEED gives it again."""
    seed = int(os.environ.get("FAULT_SEED", random.SystemRandom().randrange(10**6)))
    print(f"seed {seed}")
    return random.Random(seed)


def until(ready: Callable[[], object], what: str, within_s: float = 120) -> None:
    """Wait for something."""
    end = time.monotonic() + within_s
    while not ready():
        assert time.monotonic() < end, f"not within {within_s} s: {what}"
        time.sleep(0.05)


@dataclass(slots=True)
class Product:
    """`triage <command>` in a folder of its own, where also its log and its data lie. The ports of a former start are kept."""

    folder: Path
    environment: Mapping[str, str]
    command: str = "collect"
    process: subprocess.Popen[bytes] | None = None
    http: int = field(default_factory=free_port)
    grpc: int = field(default_factory=free_port)
    web: int = field(default_factory=free_port)

    def start(self, within_s: float = 60) -> Product:
        """Start and wait until it says that it is ready."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._log().open("ab") as log:
            began = log.tell()
            self.process = subprocess.Popen([sys.executable, "-m", "triage", *self.command.split()], env=self.settings(),
                                            stdout=log, stderr=log, cwd=self.folder)
        until(lambda: self._ready(began), f"{self.command} to be ready", within_s)
        return self

    def settings(self) -> dict[str, str]:
        """The environment of its processes."""
        return {k: v for k, v in os.environ.items() if not k.startswith("TRIAGE_")} | {
            "TRIAGE_MASK_KEY": "00" * 32, "TRIAGE_SECRET_KEY": "11" * 32, "TRIAGE_WEB": f"127.0.0.1:{self.web}",
            "TRIAGE_OTLP_HTTP": f"127.0.0.1:{self.http}", "TRIAGE_OTLP_GRPC": f"127.0.0.1:{self.grpc}",
            "TRIAGE_ANALYSIS_SECONDS": "3600", "PYTHONPATH": str(Path(__file__).parents[2]),
        } | dict(self.environment)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Another command with the same settings, to its end."""
        return subprocess.run([sys.executable, "-m", "triage", *arguments], env=self.settings(), cwd=self.folder, text=True,
                              capture_output=True, timeout=120)

    def _ready(self, began: int) -> bool:
        assert self.process is not None
        text = self._log().read_bytes()[began:]
        assert self.process.poll() is None, text[-2000:].decode()
        return b"Gateway Triage is ready" in text

    def _log(self) -> Path:
        return self.folder.parent / f"{self.folder.name}.log"

    def kill(self) -> None:
        """kill -9."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def running(self) -> bool:
        """Whether the process lives."""
        return self.process is not None and self.process.poll() is None

    def stop(self) -> None:
        """SIGTERM, and wait."""
        if self.process is not None and self.running():
            self.process.terminate()
            self.process.wait(timeout=90)

    def get(self, path: str, *, data: Path = Path("data"), token: str = "") -> tuple[int, Any]:
        """Status and JSON of the console's API, asked with the data folder's token; (0, reason) where nobody answers."""
        token = token or orjson.loads((self.folder / data / "run.json").read_bytes())["token"]
        try:
            answer = urllib3.request("GET", f"http://127.0.0.1:{self.web}{path}", retries=False, timeout=30,
                                     headers={"authorization": f"Bearer {token}"})
        except urllib3.exceptions.HTTPError as error:
            return 0, str(error)
        return answer.status, orjson.loads(answer.data)


class Load:
    """Senders that repeat a body until it is acknowledged, as an exporter does: traces and logs, over HTTP and gRPC in turn."""

    def __init__(self, product: Product, chance: random.Random, senders: int = 4, pause_s: float = 0.05) -> None:
        self.product, self.pause_s = product, pause_s
        self.first = chance.randrange(10**6) * 10**6
        self.start_ns = time.time_ns() - 600 * 10**9
        self.sent: set[int] = set()
        self.acknowledged: dict[int, float] = {}  # when, monotonic
        self.refused: Counter[str] = Counter()  # 'http 503', 'grpc UNAVAILABLE'; '… later' when it says when to come back
        self.stopping, self.lock = threading.Event(), threading.Lock()
        self.threads = [threading.Thread(target=self._send, args=(number,), daemon=True) for number in range(senders)]
        for thread in self.threads:
            thread.start()

    def body(self, number: int) -> tuple[str, bytes]:
        """Signal and content of a body, always the same."""
        at = self.start_ns + number % 10**6 * 10**6
        if number % 4 == 3:
            return "logs", logs(_RECORDS, at, self.first + number)
        return "traces", traces(_RECORDS, at, self.first + number)

    def stop(self) -> None:
        """End; what was not acknowledged by now is given up."""
        self.stopping.set()
        for thread in self.threads:
            thread.join()

    def _send(self, sender: int) -> None:
        pool = urllib3.PoolManager(retries=False, timeout=60)
        post = self._grpc if sender % 2 else partial(self._http, pool)
        for number in range(sender, 10**6, len(self.threads)):
            signal_, body = self.body(number)
            with self.lock:
                self.sent.add(number)
            while not post(signal_, body):
                if self.stopping.wait(0.2):
                    return
            with self.lock:
                self.acknowledged[number] = time.monotonic()
            if self.stopping.wait(self.pause_s):
                return

    def _http(self, pool: urllib3.PoolManager, signal_: str, body: bytes) -> bool:
        try:
            answer = pool.request("POST", f"http://127.0.0.1:{self.product.http}/v1/{signal_}", body=body,
                                  headers={"content-type": "application/x-protobuf"})
        except urllib3.exceptions.HTTPError as error:
            return self._no(f"http {type(error).__name__}")
        return answer.status == 200 or self._no(f"http {answer.status}" + " later" * bool(answer.headers.get("retry-after")))

    def _grpc(self, signal_: str, body: bytes) -> bool:
        with grpc.insecure_channel(f"127.0.0.1:{self.product.grpc}") as channel:
            try:
                channel.unary_unary(_EXPORT[signal_])(body, timeout=60)
            except grpc.RpcError as error:
                status = rpc_status.from_call(error)
                told = status is not None and any(detail.Is(RetryInfo.DESCRIPTOR) for detail in status.details)
                return self._no(f"grpc {error.code().name}" + " later" * told)
        return True

    def _no(self, why: str) -> bool:
        with self.lock:
            self.refused[why] += 1
        return False

    def identities(self, numbers: Iterable[int]) -> set[str]:
        """The records of these bodies: spans, log records and call witnesses."""
        found: set[str] = set()
        for number in numbers:
            signal_, body = self.body(number)
            if signal_ == "logs":
                request = ExportLogsServiceRequest.FromString(body)
                found.update(f"log {record.trace_id.hex()}" for block in request.resource_logs for scope in block.scope_logs
                             for record in scope.log_records)
                continue
            for block in ExportTraceServiceRequest.FromString(body).resource_spans:
                for span in (span for scope in block.scope_spans for span in scope.spans):
                    found.add(f"span {span.trace_id.hex()} {span.span_id.hex()}")
                    if not span.parent_span_id:
                        found.add(f"call {span.trace_id.hex()} {span.span_id.hex()}")
        return found

    def a_trace(self, chance: random.Random, older_than_s: float) -> str | None:
        """A trace ID that was acknowledged so long ago."""
        now = time.monotonic()
        with self.lock:
            numbers = [n for n, at in self.acknowledged.items() if n % 4 != 3 and now - at > older_than_s]
        if not numbers:
            return None
        request = ExportTraceServiceRequest.FromString(self.body(chance.choice(numbers))[1])
        return request.resource_spans[0].scope_spans[0].spans[0].trace_id.hex()


def assert_exactly_once(store: RecordStore, load: Load) -> None:
    """Every acknowledged record is in the store once; others that were sent are there at most once; nothing else is there."""
    found: Counter[str] = Counter()
    for word, signal_ in (("span", "spans"), ("call", "calls"), ("log", "logs")):
        columns = ["trace_id"] if word == "log" else ["trace_id", "span_id"]
        table = store.scan(signal_, ALWAYS, columns)  # type: ignore[arg-type]
        found.update(f"{word} {' '.join(row)}" for row in zip(*(table.column(name).to_pylist() for name in columns), strict=True))
    owed = load.identities(load.acknowledged)
    lost = owed - found.keys()
    doubled = {identity for identity, times in found.items() if times > 1}
    foreign = found.keys() - load.identities(load.sent)
    print(f"acknowledged {len(owed)} records in {len(load.acknowledged)} requests, found {found.total()}; refusals {dict(load.refused)}")
    assert (len(lost), len(doubled), len(foreign)) == (0, 0, 0), (sorted(lost)[:3], sorted(doubled)[:3], sorted(foreign)[:3])
    assert len(owed) > 100, "the round saw a load"


class Link:
    """A TCP link to a port. Cut: connections break and none can be made. Hanging: they are taken and nothing comes back."""

    def __init__(self, target: int) -> None:
        self.port, self._target = free_port(), target
        self._pairs: dict[socket.socket, socket.socket] = {}
        self._selector = selectors.DefaultSelector()
        self._lock, self._ending, self.hanging = threading.RLock(), False, False
        self._listener: socket.socket | None = None
        self.restore()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def restore(self) -> None:
        """Take connections again."""
        with self._lock:
            self.hanging = False
            if self._listener is None:
                self._listener = socket.create_server(("127.0.0.1", self.port), reuse_port=False)
                self._selector.register(self._listener, selectors.EVENT_READ)

    def cut(self) -> None:
        """Break what there is, and refuse what comes."""
        with self._lock:
            if self._listener is not None:
                self._selector.unregister(self._listener)
                self._listener.close()
                self._listener = None
            for sock in list(self._pairs):
                self._drop(sock)

    def close(self) -> None:
        """End."""
        self.cut()
        self._ending = True
        self._thread.join()
        self._selector.close()

    def _run(self) -> None:
        while not self._ending:
            ready = self._selector.select(0.1) if self._selector.get_map() else time.sleep(0.05) or []
            with self._lock:
                for key, _ in ready:
                    with contextlib.suppress(OSError, KeyError, ValueError):
                        self._move(key.fileobj)  # type: ignore[arg-type]

    def _move(self, sock: socket.socket) -> None:
        if sock is self._listener:
            client, _ = sock.accept()
            server = socket.create_connection(("127.0.0.1", self._target), timeout=10)
            for one, other in ((client, server), (server, client)):
                self._pairs[one] = other
                self._selector.register(one, selectors.EVENT_READ)
        elif sock in self._pairs and not self.hanging:
            try:
                data = sock.recv(1 << 18)
                if data:
                    self._pairs[sock].sendall(data)
                    return
            except OSError:
                pass
            self._drop(sock)
        elif self.hanging:
            time.sleep(0.01)

    def _drop(self, sock: socket.socket) -> None:
        other = self._pairs.pop(sock, None)
        for one in (sock, other):
            if one is not None:
                self._pairs.pop(one, None)
                with contextlib.suppress(KeyError, ValueError):
                    self._selector.unregister(one)
                one.close()


@contextlib.contextmanager
def small_disk(folder: Path, mib: int) -> Iterator[Callable[[int], None]]:
    """A real file system of so many MiB in a folder; gives a function that changes its size. Needs root."""
    if os.geteuid():
        pytest.skip("a full disk is tried on a small file system of its own, and only root can mount one")
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mib}m,mode=700", "tmpfs", folder], check=True)
    try:
        yield lambda size: subprocess.run(["mount", "-o", f"remount,size={size}m", folder], check=True) and None
    finally:
        subprocess.run(["umount", "-l", folder], check=True)
