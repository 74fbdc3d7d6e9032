"""Embedded ingest against bare loops of the same run: `python tests/bench/ingest.py [--spans N]`; with `--minutes N` what the memory
does over that time at a steady rate."""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(1, str(Path(__file__).parents[2]))  # the product, before this folder's neighbours of the same names

from bench.otlp_load import Renewed, Sent, logs, requests_of, run, traces
from bench.service import Running

BATCH = 500
Make = Callable[[int, int, int], bytes]
Columns = list[list[Any]]


def bodies_of(records: int, make: Make = traces, first: int = 0) -> list[bytes]:
    """Bodies of BATCH records over the last minutes. Equal numbers make equal bodies; `first` is the first number."""
    start = time.time_ns() - 600 * 10**9
    return [make(BATCH, start + number * 200_000_000, number) for number in range(first, first + records // BATCH)]


def walk_spans(body: bytes) -> Columns:
    """Ten columns of a body of spans."""
    columns: Columns = [[] for _ in range(10)]
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
    return columns


def walk_logs(body: bytes) -> Columns:
    """Seven columns of a body of log records."""
    columns: Columns = [[] for _ in range(7)]
    for block in ExportLogsServiceRequest.FromString(body).resource_logs:
        service = next((a.value.string_value for a in block.resource.attributes if a.key == "service.name"), "")
        for scope in block.scope_logs:
            for log in scope.log_records:
                attributes = {a.key: a.value.string_value or a.value.int_value for a in log.attributes}
                row = (log.time_unix_nano, log.trace_id.hex(), log.span_id.hex(), log.severity_number, log.body.string_value,
                       service, str(attributes) if attributes else "")
                for column, value in zip(columns, row, strict=True):
                    column.append(value)
    return columns


def bare_loop(bodies: list[bytes], walk: Callable[[bytes], Columns], folder: Path) -> float:
    """Parse protobuf, walk, append through Arrow to DuckDB, commit: one thread, no masking, no indexes. Records a second."""
    connection = duckdb.connect(str(folder / f"{walk.__name__}.duckdb"))
    began = time.perf_counter()
    for body in bodies:
        columns = walk(body)
        table = pa.table(columns, names=[f"c{i}" for i in range(len(columns))])
        connection.register("incoming", table)
        verb = "CREATE TABLE kept AS" if body is bodies[0] else "INSERT INTO kept"
        connection.execute(f"{verb} SELECT * FROM incoming")
    seconds = time.perf_counter() - began
    connection.close()
    return len(bodies) * BATCH / seconds


def send(service: Running, path: str, bodies: list[bytes], connections: int) -> Sent:
    """One load run, without an error."""
    sent = run("127.0.0.1", service.otlp, requests_of(path, bodies, "127.0.0.1"), connections)
    assert not sent.errors, sent.errors[:5]
    return sent


def large(service: Running, path: str, bodies: list[bytes], connections: int, bare: float, word: str) -> None:
    """Batches of BATCH records: rate, share of the bare loop, latency, CPU."""
    records = len(bodies) * BATCH
    cpu, mine = service.cpu_s(), time.process_time()
    sent = send(service, path, bodies, connections)
    cpu, mine = (service.cpu_s() - cpu) / records * 1e6, (time.process_time() - mine) / records * 1e6
    rate = records / sent.seconds
    print(f"{word}: bare loop (parse, walk, append; one thread) {bare:,.0f}/s; ingest {rate:,.0f}/s acknowledged, {rate / bare:.0%} of "
          f"the bare loop; p50 {sent.p(0.5) * 1000:.0f} ms, p99 {sent.p(0.99) * 1000:.0f} ms; CPU of all our processes {cpu:.1f} us, of "
          f"the sender {mine:.1f} us a record; {service.rss_mib():.0f} MiB", flush=True)


def small(service: Running, requests: int) -> None:
    """Batches of 10 spans over 1,000 connections."""
    bodies = [traces(10, time.time_ns() - 60 * 10**9 + i * 10**6, 10**6 + i) for i in range(requests)]
    cpu = service.cpu_s()
    sent = send(service, "/v1/traces", bodies, 1000)
    print(f"1,000 connections x 10 spans: {requests / sent.seconds:,.0f} requests/s, no error; p99 {sent.p(0.99) * 1000:.0f} ms; CPU "
          f"{(service.cpu_s() - cpu) / requests * 1e6:.0f} us a request; {service.rss_mib():.0f} MiB", flush=True)


def speed(spans: int, connections: int, folder: Path) -> None:
    """All figures, each beside the bare loop of its kind, which runs right before it."""
    bodies, lines = bodies_of(spans), bodies_of(spans // 2, logs)
    print(f"span shape: calls of 5 spans, {len(bodies[0]) / BATCH:.0f} bytes a span, {BATCH} spans a batch, {connections} connections; "
          f"log records {len(lines[0]) / BATCH:.0f} bytes")
    service = Running(folder / "data").start()
    try:
        print(f"ready after {service.seconds_to_ready:.2f} s", flush=True)
        send(service, "/v1/traces", bodies_of(80 * BATCH, first=10**6), connections)  # helper processes and caches warm up
        for path, sent, walk, word in (("/v1/traces", bodies, walk_spans, "spans"), ("/v1/logs", lines, walk_logs, "logs")):
            large(service, path, sent, connections, bare_loop(sent, walk, folder), word)
        small(service, 6_000)
    finally:
        service.stop()


def memory(minutes: float, rate: int, folder: Path) -> None:
    """Memory of all processes at a steady rate of spans a second: largest, and what it does after a fifth of the time. It rises until
    a checkpoint or the end of an analysis, so the largest of two stretches says more than a slope over a few minutes."""
    service = Running(folder / "data").start()
    load = Renewed(bodies_of(40 * BATCH))
    seen: list[tuple[float, float, float]] = []  # minutes, RSS, PSS
    began, number, latencies = time.monotonic(), 0, list[float]()
    try:
        while (now := time.monotonic() - began) < minutes * 60:
            sent = send(service, "/v1/traces", [load.body(number + i, int(now * 1e9)) for i in range(rate // BATCH)], 8)
            number += rate // BATCH
            latencies += sent.latencies
            seen.append((now / 60, service.rss_mib(), service.pss_mib()))
            time.sleep(max(0.0, began + now + 1 - time.monotonic()))
    finally:
        service.stop()
    later = [(at, pss) for at, _, pss in seen if at >= minutes / 5]
    slope = statistics.linear_regression(*zip(*later, strict=True)).slope
    third = len(later) // 3
    first, last = (max(pss for _, pss in part) for part in (later[:third], later[-third:]))
    p99 = sorted(latencies)[int(len(latencies) * 0.99)]
    print(f"memory over {minutes:g} min at {number * BATCH / seen[-1][0] / 60:,.0f} spans/s ({number * BATCH:,} spans), pages that "
          f"processes share counted once: largest {max(pss for _, _, pss in seen):.0f} MiB (RSS added up: "
          f"{max(rss for _, rss, _ in seen):.0f}); after {minutes / 5:g} min {slope:+.1f} MiB a minute, largest of the first third "
          f"then {first:.0f}, of the last {last:.0f}; p99 {p99 * 1000:.0f} ms")


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--spans", type=int, default=300_000)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--minutes", type=float, default=0)
    parser.add_argument("--rate", type=int, default=20_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        if options.minutes:
            memory(options.minutes, options.rate, Path(name))
        else:
            speed(options.spans, options.connections, Path(name))


if __name__ == "__main__":
    main()
