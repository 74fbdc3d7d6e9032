"""What kept data cost: roll-ups, pages of search, bytes on disk, ingest and the longest commit on a store that holds much.

`python tests/bench/kept.py` (1 M records; `5000000` for the size of docs/benchmarks.md; `--elastic` measures the bytes of a real
node too). The data set is made once and kept; what changes it works on a copy.
"""

from __future__ import annotations

import gzip
import os
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import orjson
import pyarrow as pa

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2]))

from bench.kept_data import END_NS, PARTNERS, batch, calls_in, embedded
from elastic_node.node import running_node
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue

from triage.analyse.rollup import call_rollups, with_api
from triage.analyse.run import CALL_WITNESS_COLUMNS
from triage.calls.join import derive_calls
from triage.domain.columns import SIGNALS, Signal
from triage.domain.windows import DAY_NS, HOUR_NS, MINUTE_NS, Window
from triage.ports.masked import MaskedRecords
from triage.ports.records import Condition, RecordStore
from triage.store.elastic.client import ElasticSettings, connect
from triage.store.elastic.records import ElasticRecordStore
from triage.store.embedded.records import EmbeddedRecordStore
from triage.store.factory import open_embedded

SMALL: Final = 100_000
SPANS_OF_BYTES: Final = 200_000
LAST_DAY: Final = Window(END_NS - DAY_NS, END_NS)
SEARCHES: Final[dict[str, tuple[Signal, list[Condition]]]] = {
    "newest calls": ("calls", []),
    "failed calls of a partner": ("calls", [Condition("partner", "=", PARTNERS[60]), Condition("outcome", "=", "bank_error")]),
    "calls by code and status": ("calls", [Condition("codes", "contains", "UnexpectedError"), Condition("status", ">=", 500)]),
    "slow calls of an API": (
        "calls", [Condition("route", "=", "/open-banking/v4.0/accounts/{id}"), Condition("duration_ns", ">=", 99_000_000)]),
    "spans with an attribute": ("spans", [Condition("attributes.db.operation.name", "=", "SELECT")]),
    "failing spans of a service": ("spans", [Condition("service", "=", "core-banking"), Condition("status", "=", 2)]),
    "text in logs": ("logs", [Condition("body", "contains", "TPP-119 accepted in 7")]),
    "text that no log has": ("logs", [Condition("body", "contains", "no such text")]),
}


def main() -> None:
    """Print a table."""
    records = next((int(argument) for argument in sys.argv[1:] if argument.isdigit()), 1_000_000)
    kept = embedded(records)
    with tempfile.TemporaryDirectory(dir=kept.parent) as folder:
        work = Path(folder) / "store"
        shutil.copytree(kept, work)
        store = EmbeddedRecordStore(work)
        print(f"{records:,} records over 30 days: {', '.join(f'{n:,} {s}' for s, n in store.counts().kept.items())}")
        roll_ups(store)
        searches(store)
        store.close()
        small = Path(folder) / "small"
        shutil.copytree(embedded(SMALL), small)
        ingest(small, work, records)
        backup(work, Path(folder) / "copy", records)
        spans_on_disk(Path(folder))


def roll_ups(store: RecordStore) -> None:
    """Roll the last day up as the analysis does, then ask for calls by partner and minute."""
    for start in range(LAST_DAY.start_ns, LAST_DAY.end_ns, HOUR_NS):
        window = Window(start, start + HOUR_NS)
        calls = with_api(derive_calls(store.scan("calls", window, CALL_WITNESS_COLUMNS)))
        minutes = range(start // MINUTE_NS, window.end_ns // MINUTE_NS)
        store.replace_rollups("calls", minutes, call_rollups(calls))
    rows = len(store.rollups("calls", LAST_DAY))
    took = timed(lambda: by_partner_and_minute(store), 15)
    line(f"calls by partner and minute, 24 h ({rows:,} roll-up rows)", f"median {took[0]:.1f} ms, p95 {took[1]:.1f} ms")


def by_partner_and_minute(store: RecordStore) -> pa.Table:
    return store.rollups("calls", LAST_DAY).group_by(["partner", "minute"]).aggregate([("calls", "sum")])


def searches(store: RecordStore) -> None:
    """A first page of 50 and the one after it, no time range."""
    for name, (signal, where) in SEARCHES.items():
        first = store.search(signal, where, None, 50)
        took = timed(lambda s=signal, w=where: store.search(s, w, None, 50), 9)  # type: ignore[misc]
        text = f"median {took[0]:.1f} ms, p95 {took[1]:.1f} ms"
        if first.next:
            after = timed(lambda s=signal, w=where, c=first.next: store.search(s, w, None, 50, c), 9)  # type: ignore[misc]
            text += f"; second page {after[0]:.1f} ms"
        line(f"search: {name} ({len(first.rows)} rows)", text)


def ingest(small: Path, large: Path, records: int) -> None:
    """New records of the newest day, by turns into a store that holds little and one that holds much."""
    rates: dict[str, list[float]] = {"small": [], "large": []}
    longest = {"small": 0.0, "large": 0.0}
    stores = {"small": EmbeddedRecordStore(small), "large": EmbeddedRecordStore(large)}
    sizes = {"small": calls_in(SMALL), "large": calls_in(records)}
    for turn in range(8):
        for name, store in stores.items():
            parts = list(newest(sizes[name], turn))
            began = time.perf_counter()
            for done in [store.submit(part) for part in parts]:
                done.result()
            took = time.perf_counter() - began
            if turn:  # the first reads the keys of the day
                rates[name].append(sum(part.size(signal) for part in parts for signal in SIGNALS) / took)
                longest[name] = max(longest[name], *commits(store, sizes[name], turn))
    for store in stores.values():
        store.close()
    slow, fast = statistics.median(rates["large"]), statistics.median(rates["small"])
    line(f"ingest holding {SMALL:,} / {records:,} records", f"{fast:,.0f} / {slow:,.0f} records/s, {slow / fast:.0%} of the rate")
    line(f"longest commit under load at {records:,}", f"{longest['large'] * 1000:.0f} ms")


def backup(folder: Path, target: Path, records: int) -> None:
    """Back up while batches are appended one after another; how long the longest of them waited."""
    stores, waits, done = open_embedded(folder, memory_mib=256), [0.0], threading.Event()
    parts = [part for turn in range(200, 210) for part in newest(calls_in(records), turn)]

    def load() -> None:
        for part in parts:
            began = time.perf_counter()
            stores.records.append(part)
            waits.append(time.perf_counter() - began)
            if done.is_set():
                return

    thread = threading.Thread(target=load)
    thread.start()
    assert stores.back_up is not None
    made = stores.back_up(target)
    done.set()
    thread.join()
    stores.close()
    line(f"backup of {made.bytes / 2**20:,.0f} MiB beside ingest", f"{made.seconds:.1f} s, longest commit {max(waits) * 1000:.0f} ms")


def newest(calls: int, turn: int) -> Iterator[MaskedRecords]:
    """Batches of 100 calls that no store has yet, at the end of the newest day."""
    more = 4_000
    for start in range(calls + turn * 2 * more, calls + turn * 2 * more + more, 100):
        yield batch(calls + 100_000, np.arange(start, start + 100, dtype=np.int64))


def commits(store: RecordStore, calls: int, turn: int) -> list[float]:
    """How long single appends take while others wait behind them, seconds."""
    took = []
    for part in newest(calls, turn * 2 + 50):
        began = time.perf_counter()
        store.append(part)
        took.append(time.perf_counter() - began)
    return took


def spans_on_disk(folder: Path) -> None:
    """The same spans as gzipped OTLP, in the embedded store and, if asked for, in Elasticsearch; with the ledger of their IDs."""
    calls = SPANS_OF_BYTES // 5
    spans = pa.concat_tables(batch(calls, np.arange(at, at + 1000, dtype=np.int64)).spans for at in range(0, calls, 1000))
    parts = [spans.slice(at, 500) for at in range(0, len(spans), 500)]
    packed = sum(len(gzip.compress(otlp(part.to_pylist()))) for part in parts[:40]) / (40 * 500)
    line("bytes a span: gzip of the raw OTLP, 500 a request", f"{packed:.1f}")
    store = EmbeddedRecordStore(folder / "spans")
    store_bytes = held(store, parts, store.close, folder / "spans")
    line("bytes a span: embedded", f"{store_bytes:.1f}")
    if "--elastic" in sys.argv:
        node = folder / "node"
        node.mkdir()
        with running_node(node) as url, connect(ElasticSettings((url,))) as client:
            elastic = ElasticRecordStore(client)
            bytes_a_span = held(elastic, parts, lambda: client.indices.forcemerge(index="triage-spans", max_num_segments=1))
            line("bytes a span: Elasticsearch, no replica, merged", f"{bytes_a_span:.1f}")


def held(store: RecordStore, parts: list[pa.Table], settle: Callable[[], object], folder: Path | None = None) -> float:
    """Bytes on disk a span when all are written back: of the folder, or as the store says."""
    none = {signal: MaskedRecords({}).table(signal) for signal in SIGNALS}
    for part in parts:
        store.append(MaskedRecords.of_tables(part, none["logs"], none["calls"]))
    while receipts := store.receipts():
        store.settle([receipt.receipt_id for receipt in receipts])
    store.settle_reads()
    settle()
    files = [file for file in folder.rglob("*") if file.is_file()] if folder else []
    size = sum(file.stat().st_size for file in files) if folder else store.disk_bytes()
    store.close()
    return size / SPANS_OF_BYTES


def otlp(rows: list[dict[str, Any]]) -> bytes:
    """The spans as an exporter would send them."""
    request, scopes = ExportTraceServiceRequest(), {}
    for row in rows:
        if row["service"] not in scopes:
            block = request.resource_spans.add()
            block.resource.attributes.extend(pairs({
                "service.name": row["service"], "service.instance.id": row["instance"], "service.version": row["version"],
                "deployment.environment.name": row["environment"]}))
            scopes[row["service"]] = block.scope_spans.add()
        span = scopes[row["service"]].spans.add()
        span.trace_id, span.span_id = bytes.fromhex(row["trace_id"]), bytes.fromhex(row["span_id"])
        span.parent_span_id, span.name, span.kind = bytes.fromhex(row["parent_id"]), row["name"], row["kind"]
        span.start_time_unix_nano, span.end_time_unix_nano = row["time_ns"], row["time_ns"] + row["duration_ns"]
        span.attributes.extend(pairs(orjson.loads(row["attributes"] or b"{}")))
    return bytes(request.SerializeToString())


def pairs(attributes: dict[str, Any]) -> list[KeyValue]:
    found = []
    for name, value in attributes.items():
        pair = KeyValue(key=name)
        if isinstance(value, int):
            pair.value.int_value = value
        else:
            pair.value.string_value = str(value)
        found.append(pair)
    return found


def timed(work: Callable[[], object], times: int) -> tuple[float, float]:
    """Median and 95th percentile, ms."""
    took = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        took.append((time.perf_counter() - began) * 1000)
    took.sort()
    return statistics.median(took), took[min(len(took) - 1, int(len(took) * 0.95))]


def line(what: str, figure: str) -> None:
    print(f"| {what} | {figure} |", flush=True)


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    os._exit(0)  # DuckDB's binding would report its idle threads' connections as leaks
