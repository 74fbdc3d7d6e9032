"""Embedded ingest against the bare loop of the same run: `python tests/bench/ingest.py [--spans N]`."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import duckdb
import pyarrow as pa
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

sys.path.insert(0, str(Path(__file__).parent.parent))

from bench.otlp_load import Sent, logs, requests_of, run, traces
from bench.service import Running

BATCH = 500


def bodies_of(records: int, make: object = traces) -> list[bytes]:
    """Bodies of BATCH records over the last minutes."""
    start = time.time_ns() - 600 * 10**9
    return [make(BATCH, start + number * 200_000_000, number) for number in range(records // BATCH)]  # type: ignore[operator]


def bare_loop(bodies: list[bytes], folder: Path) -> float:
    """Parse protobuf, walk, append through Arrow to DuckDB, commit: one thread, no masking, no indexes. Spans a second."""
    connection = duckdb.connect(str(folder / "bare.duckdb"))
    connection.execute(
        "CREATE TABLE spans (trace_id VARCHAR, span_id VARCHAR, parent_id VARCHAR, name VARCHAR, kind INTEGER, start_ns BIGINT,"
        " duration_ns BIGINT, status INTEGER, service VARCHAR, attributes VARCHAR)")
    began = time.perf_counter()
    for body in bodies:
        columns: list[list[object]] = [[] for _ in range(10)]
        for block in ExportTraceServiceRequest.FromString(body).resource_spans:
            service = next((a.value.string_value for a in block.resource.attributes if a.key == "service.name"), "")
            for scope in block.scope_spans:
                for span in scope.spans:
                    attributes = {a.key: a.value.string_value or a.value.int_value for a in span.attributes}
                    row = (span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex(), span.name, span.kind,
                           span.start_time_unix_nano, span.end_time_unix_nano - span.start_time_unix_nano, span.status.code,
                           service, str(attributes) if attributes else "")
                    for column, value in zip(columns, row, strict=True):
                        column.append(value)
        table = pa.table(columns, names=[f"c{i}" for i in range(10)])
        connection.register("incoming", table)
        connection.execute("INSERT INTO spans SELECT * FROM incoming")
    seconds = time.perf_counter() - began
    connection.close()
    return len(bodies) * BATCH / seconds


def measure(service: Running, path: str, bodies: list[bytes], connections: int) -> Sent:
    """One load run."""
    sent = run("127.0.0.1", service.otlp, requests_of(path, bodies, "127.0.0.1"), connections)
    assert not sent.errors, sent.errors[:5]
    return sent


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--spans", type=int, default=300_000)
    parser.add_argument("--connections", type=int, default=8)
    options = parser.parse_args()
    bodies = bodies_of(options.spans)
    print(f"span shape: {len(bodies[0]) / BATCH:.0f} bytes a span, {BATCH} spans a batch, {options.connections} connections")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bare = bare_loop(bodies, folder)
        print(f"bare loop (parse, walk, append; one thread): {bare:,.0f} spans/s")
        service = Running(folder / "data").start()
        try:
            print(f"ready after {service.seconds_to_ready:.2f} s; idle {service.rss_mib():.0f} MiB")
            measure(service, "/v1/traces", bodies_of(20 * BATCH), options.connections)  # warm
            cpu, mine = service.cpu_s(), time.process_time()
            sent = measure(service, "/v1/traces", bodies, options.connections)
            print(f"CPU: service {(service.cpu_s() - cpu) / options.spans * 1e6:.1f} us a span, sender "
                  f"{(time.process_time() - mine) / options.spans * 1e6:.1f} us a span")
            rate = options.spans / sent.seconds
            print(f"ingest: {rate:,.0f} spans/s acknowledged, {rate / bare:.0%} of the bare loop; "
                  f"p50 {sent.p(0.5) * 1000:.0f} ms, p99 {sent.p(0.99) * 1000:.0f} ms; {service.rss_mib():.0f} MiB")
            log_bodies = bodies_of(options.spans // 2, logs)
            sent = measure(service, "/v1/logs", log_bodies, options.connections)
            print(f"ingest: {options.spans // 2 / sent.seconds:,.0f} log records/s acknowledged; p99 {sent.p(0.99) * 1000:.0f} ms")
            small = [traces(10, time.time_ns() - 10**9 * 60 + i * 10**6, 10**6 + i) for i in range(6_000)]
            sent = measure(service, "/v1/traces", small, 1000)
            print(f"1,000 connections x 10 spans: {len(small) / sent.seconds:,.0f} requests/s; p99 {sent.p(0.99) * 1000:.0f} ms; "
                  f"{service.rss_mib():.0f} MiB")
        finally:
            service.stop()


if __name__ == "__main__":
    main()
