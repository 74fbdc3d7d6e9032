"""Elasticsearch is away from the start, blocks writing, or refuses a record for good: what the collector does and says."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import urllib3
from bench.otlp_load import traces
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from system.cluster import Cluster, records_of, running_cluster
from system.rig import ALWAYS, Link, Load, Product, assert_exactly_once, until

pytestmark = [pytest.mark.system, pytest.mark.elastic]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running_cluster(tmp_path_factory.mktemp("node")) as made:
        yield made


def _collector(folder: Path, store: str, prefix: str) -> Product:
    return Product(folder, {"TRIAGE_STORE": store, "TRIAGE_ELASTIC_PREFIX": prefix})


def test_a_collector_starts_while_elasticsearch_is_away(cluster: Cluster, tmp_path: Path) -> None:
    link, chance = Link(cluster.port), random.Random(1)
    link.cut()
    collector = _collector(tmp_path / "collect", link.url, "away").start()
    load = Load(collector, chance)
    try:
        until(lambda: len(load.acknowledged) > 20, "acknowledgements before Elasticsearch was ever seen")
        told = collector.run("doctor")
        assert told.returncode == 1
        assert re.search(r"wrong +spool +spool: \d+ batches wait, .* MiB, the oldest for \d+ s", told.stdout), told.stdout
        link.restore()
        until(lambda: not list((tmp_path / "collect" / "spool").glob("*.spool")), "the spool to drain")
    finally:
        load.stop()
        collector.stop()
        link.close()
    templates = _ask(cluster, "GET", "_index_template/away-*").json()["index_templates"]
    assert {"away-spans", "away-logs", "away-calls", "away-receipts"} <= {template["name"] for template in templates}
    with records_of(cluster, "away") as store:
        assert_exactly_once(store, load)


def test_what_waits_is_shown(cluster: Cluster, tmp_path: Path) -> None:
    """The cluster goes on serving state, but takes no records, as when its disk reaches the flood stage."""
    collector = _collector(tmp_path / "collect", cluster.urls[0], "blocked").start()
    console = Product(tmp_path / "web", {"TRIAGE_STORE": cluster.urls[0], "TRIAGE_ELASTIC_PREFIX": "blocked"}, "web").start()
    token = console.run("token", "create", "--name", "reader", "--role", "viewer").stdout.split()[-1]
    load = Load(collector, random.Random(2))
    try:
        until(lambda: len(load.acknowledged) > 20, "records")
        _block(cluster, "blocked", True)
        until(lambda: _collectors(console, token)[0]["spool"]["batches"], "the collector's report of what waits")
        (said,) = _collectors(console, token)
        assert said["spool"]["bytes"] > 0
        assert said["spool"]["oldest_s"] < 60
        assert (said["spool"]["full"], said["silent"], said["dead_letters"]["pieces"]) == (False, False, 0)
        _block(cluster, "blocked", False)
        until(lambda: not _collectors(console, token)[0]["spool"]["batches"], "the report that nothing waits")
    finally:
        load.stop()
        collector.stop()
        console.stop()
    with records_of(cluster, "blocked") as store:
        assert_exactly_once(store, load)


def test_poison_is_set_aside_and_replayed(cluster: Cluster, tmp_path: Path) -> None:
    """Somebody's mapping of the day's index takes numbers only as names of spans."""
    day = time.strftime("%Y.%m.%d", time.gmtime(time.time() - 600))
    index = f"poison-spans-{day}"
    collector = _collector(tmp_path / "collect", cluster.urls[0], "poison").start()
    body = ExportTraceServiceRequest.FromString(traces(40, time.time_ns() - 600 * 10**9, 3))
    spans = [span for block in body.resource_spans for scope in block.scope_spans for span in scope.spans]
    for number, span in enumerate(spans):
        span.name = "poison" if number in (7, 30) else str(number)
    try:
        assert _ask(cluster, "PUT", index, {"mappings": {"properties": {"name": {"type": "long"}}}}).status == 200
        assert _post(collector, body.SerializeToString()) == 200, "it is acknowledged: nothing is lost"
        assert _post(collector, traces(5, time.time_ns() - 600 * 10**9, 4)) == 200
        listed = collector.run("dead-letters", "list").stdout
        assert len(re.findall("1 spans: Elasticsearch refused records with status 400", listed)) >= 2, listed
        with records_of(cluster, "poison") as store:
            assert len(store.scan("spans", ALWAYS, ["name"])) == 38, "what stood beside the poison is there"
        assert "wrong    refused" in collector.run("doctor").stdout
        assert collector.run("dead-letters", "replay").returncode == 1, "it is refused again"
        assert _ask(cluster, "DELETE", index).status == 200  # the mapping is repaired: the index is made again from our template
        replayed = collector.run("dead-letters", "replay")
        assert replayed.returncode == 0, replayed.stdout + replayed.stderr
        assert collector.run("dead-letters", "list").stdout == ""
        assert _post(collector, body.SerializeToString()) == 200
    finally:
        collector.stop()
    with records_of(cluster, "poison") as store:
        assert len(store.scan("spans", ALWAYS, ["name"])) == 45, "each once"


def _ask(cluster: Cluster, method: str, path: str, body: object = None) -> urllib3.BaseHTTPResponse:
    return urllib3.request(method, f"{cluster.urls[0]}/{path}", json=body, timeout=60)


def _post(product: Product, body: bytes) -> int:
    return urllib3.request("POST", f"http://127.0.0.1:{product.http}/v1/traces", body=body, timeout=60,
                           headers={"content-type": "application/x-protobuf"}).status


def _block(cluster: Cluster, prefix: str, blocked: bool) -> None:
    for signal in ("spans", "calls", "logs"):
        answer = _ask(cluster, "PUT", f"{prefix}-{signal}-*/_settings", {"index.blocks.write": blocked})
        assert answer.status == 200, answer.data


def _collectors(console: Product, token: str) -> list[dict[str, dict[str, int]]]:
    status, body = console.get("/api/v1/status", token=token)
    assert status == 200, body
    return list(body["collectors"])
