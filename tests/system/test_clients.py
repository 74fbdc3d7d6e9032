"""Real OpenTelemetry clients against the running product: everything that they sent is found by its trace ID, once."""

from __future__ import annotations

import http.server
import logging
import os
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from elastic_node.node import jdk
from opentelemetry.exporter.otlp.json.http._log_exporter import OTLPLogExporter as JsonLogs
from opentelemetry.exporter.otlp.json.http.trace_exporter import OTLPSpanExporter as JsonSpans
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter as GrpcLogs
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcSpans
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter as HttpLogs
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpSpans
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from system.rig import ALWAYS, Product

from triage.ports.records import RecordStore
from triage.store.embedded.records import EmbeddedRecordStore

pytestmark = pytest.mark.system
PROGRAM: Final = Path(__file__).with_name("clients") / "Calls.java"
CLIENTS: Final = Path(__file__).parents[2] / ".cache" / "clients"
AGENT: Final = CLIENTS / "opentelemetry-javaagent.jar"
TELEMETRYGEN: Final = CLIENTS / "telemetrygen"
CALLS: Final = 40


@contextmanager
def product(folder: Path) -> Iterator[Product]:
    """The embedded service; it has stopped afterwards, so that its store can be opened."""
    service = Product(folder / "service", {"TRIAGE_STORE": "embedded:data"}, "serve").start()
    try:
        yield service
    finally:
        service.stop()


@contextmanager
def kept(folder: Path) -> Iterator[RecordStore]:
    store = EmbeddedRecordStore(folder / "service" / "data", memory_mib=64)
    try:
        yield store
    finally:
        store.close()


def exporters(kind: str, service: Product) -> tuple[Any, Any]:
    """Span and log exporters of the Python SDK."""
    address = f"http://127.0.0.1:{service.http}/v1/"
    if kind == "grpc":
        place: dict[str, Any] = {"endpoint": f"127.0.0.1:{service.grpc}", "insecure": True}
        return GrpcSpans(**place), GrpcLogs(**place)
    if kind == "json":
        return JsonSpans(endpoint=address + "traces"), JsonLogs(endpoint=address + "logs")
    compression = Compression.Gzip if kind == "protobuf, gzip" else Compression.NoCompression
    return HttpSpans(address + "traces", compression=compression), HttpLogs(address + "logs", compression=compression)


@pytest.mark.parametrize("kind", ["protobuf", "protobuf, gzip", "json", "grpc"])
def test_the_python_sdk(tmp_path: Path, kind: str) -> None:
    sent: list[tuple[str, str]] = []
    with product(tmp_path) as service:
        spans, logs = exporters(kind, service)
        resource = Resource.create({"service.name": "payments", "service.version": "1"})
        tracing, logging_ = TracerProvider(resource=resource), LoggerProvider(resource=resource)
        tracing.add_span_processor(BatchSpanProcessor(spans, schedule_delay_millis=100))
        logging_.add_log_record_processor(BatchLogRecordProcessor(logs, schedule_delay_millis=100))
        logger = logging.Logger("payments")
        logger.addHandler(LoggingHandler(logger_provider=logging_))
        tracer = tracing.get_tracer("test")
        for number in range(CALLS):
            with tracer.start_as_current_span("pay", attributes={"number": number, "ratio": 0.5, "tags": ["a", "é"]}) as outer:
                with tracer.start_as_current_span("book") as inner:
                    logger.warning("booked %d", number)
                sent += [(f"{span.get_span_context().trace_id:032x}", f"{span.get_span_context().span_id:016x}")
                         for span in (outer, inner)]
        tracing.shutdown()
        logging_.shutdown()
    with kept(tmp_path) as store:
        traces = {trace for trace, _ in sent}
        found = store.by_trace("spans", traces)
        assert Counter(zip(found.column("trace_id").to_pylist(), found.column("span_id").to_pylist(), strict=True)) == Counter(sent)
        records = store.by_trace("logs", traces)
        assert sorted(records.column("body").to_pylist()) == sorted(f"booked {number}" for number in range(CALLS))
        assert store.counts().kept["spans"] == len(sent)


class Bank(http.server.BaseHTTPRequestHandler):
    """Answers, and notes who called."""

    seen: list[str]

    def do_GET(self) -> None:
        self.seen.append(self.headers["traceparent"])
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *args: object) -> None:
        pass


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_the_java_agent(tmp_path: Path, protocol: str) -> None:
    assert AGENT.exists(), "the OpenTelemetry Java agent is not there; scripts/setup.sh test fetches it"
    bank = http.server.ThreadingHTTPServer(("127.0.0.1", 0), type("Noted", (Bank,), {"seen": []}))
    threading.Thread(target=bank.serve_forever, daemon=True).start()
    subprocess.run([jdk() / "bin" / "javac", "-d", tmp_path, PROGRAM], check=True, timeout=100)
    with product(tmp_path) as service:
        port = service.http if protocol == "http/protobuf" else service.grpc
        done = subprocess.run(
            [jdk() / "bin" / "java", f"-javaagent:{AGENT}", "-cp", tmp_path, "Calls", f"http://127.0.0.1:{bank.server_port}", str(CALLS)],
            capture_output=True, text=True, timeout=200, env=os.environ | {
                "OTEL_SERVICE_NAME": "ledger", "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}",
                "OTEL_EXPORTER_OTLP_PROTOCOL": protocol, "OTEL_METRICS_EXPORTER": "none", "OTEL_BSP_SCHEDULE_DELAY": "200"})
        bank.shutdown()
        assert done.returncode == 0, done.stderr[-2000:]
        assert "Failed to export" not in done.stderr, done.stderr[-2000:]
    parents = [header.split("-")[1:3] for header in bank.RequestHandlerClass.seen]  # type: ignore[attr-defined]
    assert len(parents) == CALLS
    with kept(tmp_path) as store:
        found = store.by_trace("spans", {trace for trace, _ in parents})
        assert Counter(zip(found.column("trace_id").to_pylist(), found.column("span_id").to_pylist(), strict=True)) == Counter(
            (trace, span) for trace, span in parents)
        assert set(found.column("service").to_pylist()) == {"ledger"}


@pytest.mark.parametrize("door", ["http", "grpc"])
def test_telemetrygen(tmp_path: Path, door: str) -> None:
    if not TELEMETRYGEN.exists():
        pytest.skip("telemetrygen is built with Go, which is not needed for anything else; scripts/setup.sh test builds it where Go is")
    with product(tmp_path) as service:
        address = f"127.0.0.1:{service.http if door == 'http' else service.grpc}"
        # without a rate its own queue of 2,048 spans overflows before it sends any, so there are fewer
        for signal, more in (("traces", ["--traces", "200", "--child-spans", "3"]), ("logs", ["--logs", "200"])):
            where = ["--otlp-endpoint", address, "--otlp-insecure", *(["--otlp-http"] if door == "http" else [])]
            done = subprocess.run([TELEMETRYGEN, signal, *where, "--rate", "0", "--workers", "2", *more], capture_output=True,
                                  text=True, timeout=120)
            assert done.returncode == 0, done.stderr[-2000:]
    with kept(tmp_path) as store:
        assert store.counts().kept["spans"] == 2 * 200 * 4
        traces = Counter(store.scan("spans", ALWAYS, ["trace_id"]).column(0).to_pylist())
        assert (len(traces), set(traces.values())) == (400, {4})
        assert len(store.by_trace("spans", traces)) == 1600
        assert store.counts().kept["logs"] == 400
