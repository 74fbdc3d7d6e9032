"""Golden files of the requests that each use of the stores sends to Elasticsearch (`elastic/*.txt`).

They show a reader, and a reviewer of a change, what goes over the wire. `REGENERATE_GOLDEN=1 pytest tests/wire` writes them anew.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import orjson
import pytest
from builders import T0, call, call_rollups, customer_rollups, error_rollups, log, masked, span, span_id, trace_id, uuid
from elasticsearch import Elasticsearch

from dashboards.records.search import conditions
from triage.domain.columns import SIGNALS
from triage.domain.windows import Window
from triage.ports.records import Condition
from triage.store.elastic import search as elastic_search
from triage.store.elastic.records import ElasticRecordStore
from triage.store.elastic.rollup_blocks import unpacked
from triage.store.elastic.state import ElasticStateStore

pytestmark = pytest.mark.elastic

GOLDEN: Final = Path(__file__).with_name("elastic")
HOUR: Final = Window(T0, T0 + 3600 * 10**9)
PAYMENT: Final = Condition("route", "prefix", "/payments")
FAILED: Final = (Condition("status", ">=", 500), Condition("partner", "in", ("alpha", "")), PAYMENT)

SPANS: Final = conditions("spans", {
    "service": "payments", "trace": trace_id(1), "name": "accounts", "status": "error", "http": "5xx", "error": "Timeout", "min_ms": "250",
    "attribute": "http.route=/payments",
})
LOGS: Final = conditions("logs", {
    "service": "payments", "trace": trace_id(1), "severity": "error", "text": "no row", "error": "Timeout", "attribute": "tenant=nor*",
})


class Wire:
    """Keeps what a client sends, without what differs between two runs."""

    def __init__(self, client: Elasticsearch, prefix: str) -> None:
        self.sent: list[str] = []
        self._prefix = prefix
        self._send = client.transport.perform_request

    def perform_request(self, method: str, target: str, *, body: Any = None, **options: Any) -> Any:
        """In the place of the transport's."""
        parts = body if isinstance(body, list) else [] if body is None else [body]
        lines = [line.decode() if isinstance(line, bytes) else orjson.dumps(line).decode() for line in parts]
        self.sent.append("\n".join([f"{method} {target}", *lines]))
        return self._send(method, target, body=body, **options)

    def text(self) -> str:
        """All requests, as they stand in a golden file."""
        text = "\n\n".join(sent.strip() for sent in self.sent).replace(self._prefix, "triage") + "\n"
        for pattern, instead in [
            (r'"at_ns":\d+', '"at_ns":"NOW"'), (r'"at_ns":{"gte":\d+', '"at_ns":{"gte":"HALF A MINUTE AGO"'),
            (r'"id":"[\w=-]{40,}"', '"id":"POINT-IN-TIME"'),
            (r'"_id":"[\w-]{20}"', '"_id":"RECEIPT"'),
        ]:
            text = re.sub(pattern, instead, text)
        return re.sub(r'"size":\d+,"rows":"[^"]+"', readable, text)


def readable(packed: re.Match[str]) -> str:
    """The rows of a block of roll-ups: how they are packed differs between versions of Arrow."""
    rows = unpacked([orjson.loads(f"{{{packed[0]}}}")])
    return f'"size":"BYTES","rows":"ARROW {orjson.dumps(rows.to_pylist()).decode()}"'


@pytest.fixture
def wire(elastic_client: Elasticsearch, elastic_prefix: str, monkeypatch: pytest.MonkeyPatch) -> Wire:
    wire = Wire(elastic_client, elastic_prefix)
    monkeypatch.setattr(elastic_client.transport, "perform_request", wire.perform_request)
    return wire


@pytest.fixture
def records(wire: Wire, elastic_client: Elasticsearch, elastic_prefix: str) -> Iterator[ElasticRecordStore]:
    """A store with some records of each signal; what made it is not recorded."""
    store = ElasticRecordStore(elastic_client, elastic_prefix)
    store.append(masked([span(1), span(2)], [log(1)], [call(1), call(2), call(3)]))
    store.settle_reads()
    wire.sent.clear()
    yield store
    store.close()


@pytest.fixture
def state(wire: Wire, elastic_client: Elasticsearch, elastic_prefix: str) -> ElasticStateStore:
    store = ElasticStateStore(elastic_client, elastic_prefix)
    store.put("incident", "INC-1", {"title": "x"}, version=None, sort=5, tags=["open"])
    store.settle_reads()
    wire.sent.clear()
    return store


def replace_twice(store: ElasticRecordStore) -> None:
    for partner in ("gone", "here"):
        store.replace_rollups("errors", [1, 2], error_rollups([{"minute": 1, "partner": partner}]))


def drop_rollups(store: ElasticRecordStore) -> None:
    store.replace_rollups("customers", [60], customer_rollups([{"minute": 60, "partner": "p", "api": "GET /a", "sketch": [-5, 7]}]))
    store.drop_rollups(100)


def drop_and_tend(store: ElasticRecordStore) -> None:
    store.drop_day("logs", "2026-03-02")
    store.tend(T0 + 450 * 86_400 * 10**9, ledger_days=396)


def merge_month(store: ElasticRecordStore) -> None:
    for signal in SIGNALS:
        store.drop_day(signal, "2026-03-02")
    store.tend(T0 + 40 * 86_400 * 10**9, ledger_days=396)


def pin_and_drop(store: ElasticRecordStore) -> None:
    store.pin([trace_id(1)])
    store.drop_day("spans", "2026-03-02")


RECORDS: Final[dict[str, Callable[[ElasticRecordStore], object]]] = {
    "append": lambda s: s.append(masked([span(3, attributes={"tenant": "north"})], [log(2)], [call(4)])),
    "append-not-indexable": lambda s: s.append(masked([span(3, attributes={"a\0b": "x"})])),
    "receipts-and-settle": lambda s: s.settle([receipt.receipt_id for receipt in s.receipts()]),
    "scan": lambda s: s.scan("calls", HOUR, ["partner", "status"], FAILED),
    "scan-attribute": lambda s: s.scan("spans", HOUR, ["span_id"], [Condition("attributes.tenant", "=", "north")]),
    "by-trace": lambda s: s.by_trace("spans", [trace_id(1), trace_id(2)]),
    "witnesses": lambda s: s.witnesses([span_id(1)]),
    "find": lambda s: s.find(uuid(1)),
    "find-several": lambda s: s.find(trace_id(1), span_id(2), "consent-1"),
    "last-seen": lambda s: s.last_seen(uuid(1), "consent-1"),
    "pending": lambda s: s.pending(uuid(1)),
    "tend": drop_and_tend,
    "tend-merge": merge_month,
    "search": lambda s: s.search("calls", (), HOUR, 2),
    "search-text": lambda s: s.search("logs", [Condition("body", "contains", "Time-out?")], None, 2),
    "search-spans": lambda s: s.search("spans", SPANS, HOUR, 2),
    "search-logs": lambda s: s.search("logs", LOGS, HOUR, 2),
    "search-next-page": lambda s: s.search("spans", (), None, 1, s.search("spans", (), None, 1).next),
    "rollups-replace": replace_twice,
    "rollups-calls": lambda s: s.replace_rollups("calls", [1], call_rollups([{"minute": 1, "partner": "p", "api": "GET /a"}])),
    "rollups-read": lambda s: s.rollups("calls", HOUR, [Condition("api", "=", "GET /a"), Condition("calls", ">=", 3)]),
    "rollups-drop": drop_rollups,
    "disk-bytes": lambda s: s.disk_bytes(),
    "pin-and-drop": pin_and_drop,
    "counts": lambda s: s.counts(),
    "ping": lambda s: s.ping(),
}
STATE: Final[dict[str, Callable[[ElasticStateStore], object]]] = {
    "get": lambda s: s.get("incident", "INC-1"),
    "create": lambda s: s.put("incident", "INC-2", {"title": "y"}, version=None, sort=1, tags=["open", "high"]),
    "change": lambda s: s.put("incident", "INC-1", {"title": "y"}, version=1),
    "delete": lambda s: s.delete("incident", "INC-1", version=1),
    "select": lambda s: s.select("incident", [["open", "acknowledged"], ["high"]], limit=20, cursor="5:INC-9"),
    "count": lambda s: s.count("incident", [["open"]]),
    "purge": lambda s: s.purge("incident", 10),
}


@pytest.mark.parametrize("use", RECORDS)
def test_requests_of_the_record_store(use: str, records: ElasticRecordStore, wire: Wire) -> None:
    RECORDS[use](records)
    compare(f"records-{use}", wire)


@pytest.mark.parametrize("use", STATE)
def test_requests_of_the_state_store(use: str, state: ElasticStateStore, wire: Wire) -> None:
    STATE[use](state)
    compare(f"state-{use}", wire)


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setattr(elastic_search, "PAGE", 2)
        yield


@pytest.mark.usefixtures("small_pages")
def test_requests_of_a_long_scan(records: ElasticRecordStore, wire: Wire) -> None:
    assert len(records.scan("calls", HOUR, ["partner"])) == 3
    compare("records-scan-long", wire)


def test_requests_of_opening(wire: Wire, elastic_client: Elasticsearch, elastic_prefix: str) -> None:
    elastic_client.options(ignore_status=404).indices.delete_index_template(name=f"{elastic_prefix}-*")
    wire.sent.clear()
    ElasticRecordStore(elastic_client, elastic_prefix).close()
    ElasticStateStore(elastic_client, elastic_prefix)
    compare("open", wire)


def test_templates_are_put_again_only_for_another_layout(
    wire: Wire, elastic_client: Elasticsearch, elastic_prefix: str
) -> None:
    ElasticRecordStore(elastic_client, elastic_prefix, shards=1).close()
    wire.sent.clear()
    ElasticRecordStore(elastic_client, elastic_prefix, shards=1).close()
    assert not any(sent.startswith("PUT") for sent in wire.sent)
    ElasticRecordStore(elastic_client, elastic_prefix, shards=2).close()
    assert sum(sent.startswith("PUT /_index_template/") for sent in wire.sent) == 7


def compare(name: str, wire: Wire) -> None:
    """Against the golden file, or into it."""
    file = GOLDEN / f"{name}.txt"
    if os.environ.get("REGENERATE_GOLDEN"):
        GOLDEN.mkdir(exist_ok=True)
        file.write_text(wire.text(), encoding="utf-8")
    assert wire.text() == file.read_text(encoding="utf-8")
