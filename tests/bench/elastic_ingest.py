"""Ingest into Elasticsearch, until searchable, against a bare `parallel_bulk` of the very same documents in the same run:
`python tests/bench/elastic_ingest.py [--spans N] [--rounds N]`.

The documents are what the product's writer sends for these bodies: spans, call witnesses and receipts, with their actions. The bare
loop gets them decoded, before its clock starts, into indices with the same settings and mappings.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
from elasticsearch import Elasticsearch, OrjsonSerializer
from elasticsearch.helpers import parallel_bulk

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(1, str(Path(__file__).parents[2]))  # the product, before this folder's neighbours of the same names

from bench.ingest import BATCH, bodies_of
from bench.otlp_load import requests_of, run
from bench.service import Running
from elastic_node.node import running_node

from collectors.intake import Intake
from triage.domain.columns import SIGNALS
from triage.domain.records import Records
from triage.domain.windows import MINUTE_NS
from triage.mask.masker import Masker
from triage.ports.masked import MaskedRecords
from triage.store.documents import bulk_items
from triage.store.elastic.schema import Layout, Names, install, record_templates

Action = dict[str, Any]
KEY = "00" * 32
GROUP = 16  # bodies that share a receipt, about as many as the writer finds waiting


def documents_of(bodies: list[bytes], names: Names) -> list[Action]:
    """Everything that the product writes for these bodies, as actions of the client's helper."""
    masker, actions = Masker(KEY.encode()), []
    intake = Intake(keep=_unused, clock=time.time_ns, retention_days=30)
    for start in range(0, len(bodies), GROUP):
        batches = [masker.mask(intake.decode("traces", "protobuf", body)) for body in bodies[start : start + GROUP]]
        tables = MaskedRecords.joined(batches)
        for signal in SIGNALS:
            if len(tables[signal]):
                items = bulk_items(signal, tables[signal], lambda time_ns, signal=signal: names.day(signal, time_ns))
                actions += [_action(item) for item in items.to_pylist()]
        minutes = {time_ns // MINUTE_NS for signal in SIGNALS for time_ns in tables[signal].column("time_ns").to_pylist()}
        receipt = {"at_ns": time.time_ns(), "minutes": sorted(minutes)}
        actions.append({"_op_type": "index", "_index": names.receipts, "_source": receipt})
    return actions


def _action(item: str) -> Action:
    head, document = item.splitlines()
    return {"_op_type": "create", "_source": orjson.loads(document), **orjson.loads(head)["create"]}


def _unused(records: Records) -> Any:
    raise AssertionError("nothing is kept here")


def bare(client: Elasticsearch, actions: list[Action], names: Names) -> float:
    """Documents a second of the client's own helper, with its usual four threads and 500 documents a request."""
    began = time.perf_counter()
    deque(parallel_bulk(client, actions, thread_count=4, chunk_size=500), maxlen=0)
    client.indices.refresh(index=f"{names.prefix}-*")
    return len(actions) / (time.perf_counter() - began)


def ours(client: Elasticsearch, service: Running, bodies: list[bytes], documents: int, prefix: str) -> tuple[float, float]:
    """Documents a second of the whole path from the socket until searchable, and our own CPU, in us a document."""
    found = _count(client, prefix)
    cpu, began = service.cpu_s(), time.perf_counter()
    sent = run("127.0.0.1", service.otlp, requests_of("/v1/traces", bodies, "127.0.0.1"), 8)
    client.indices.refresh(index=f"{prefix}-*")
    seconds = time.perf_counter() - began
    assert not sent.errors, sent.errors[:5]
    assert _count(client, prefix) - found == len(bodies) * (BATCH + BATCH // 5), "every span and call can be searched"
    return documents / seconds, (service.cpu_s() - cpu) / documents * 1e6


def _count(client: Elasticsearch, prefix: str) -> int:
    names = Names(prefix)
    return sum(client.count(index=names.alias(signal), ignore_unavailable=True)["count"] for signal in SIGNALS)


@contextmanager
def started(folder: Path) -> Iterator[tuple[Elasticsearch, Running]]:
    """A fresh node and a collector on it."""
    with running_node(folder / "node", heap="1g") as url, Elasticsearch(url, serializer=OrjsonSerializer(), request_timeout=60) as client:
        service = Running(folder / "data", {
            "TRIAGE_STORE": url, "TRIAGE_ELASTIC_PREFIX": "ours", "TRIAGE_SPOOL": str(folder / "spool"), "TRIAGE_MASK_KEY": KEY,
            "TRIAGE_SECRET_KEY": KEY,
        }, "collect").start()
        try:
            install("bare-*", record_templates(Names("bare"), Layout(1, 1)), client)
            yield client, service
        finally:
            service.stop()


def measure(client: Elasticsearch, service: Running, spans: int, rounds: int) -> None:
    """Both in turns; the first round warms up the node and is not counted."""
    figures: list[tuple[float, float, float]] = []
    bodies = bodies_of(spans * (rounds + 1))
    each = len(bodies) // (rounds + 1)
    for number in range(rounds + 1):
        mine = bodies[number * each : (number + 1) * each]
        actions = documents_of(mine, Names("bare"))
        plain = bare(client, actions, Names("bare"))
        rate, cpu = ours(client, service, mine, len(actions), "ours")
        if number:
            figures.append((plain, rate, cpu))
    plain, rate, cpu = (statistics.median(column) for column in zip(*figures, strict=True))
    print(f"Elasticsearch, until searchable, {len(actions):,} documents a round, median of {rounds} rounds:")
    print(f"bare parallel_bulk of the same documents: {plain:,.0f} documents/s")
    print(f"ingest: {rate:,.0f} documents/s, {rate / plain:.0%} of the bare bulk; our own CPU {cpu:.1f} us a document")


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--spans", type=int, default=30_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name, started(Path(name)) as (client, service):
        measure(client, service, options.spans, options.rounds)


if __name__ == "__main__":
    main()
