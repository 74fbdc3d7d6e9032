"""Bulk writing against a client that refuses: nothing is lost, nothing is sent twice without need."""

from __future__ import annotations

from typing import Any, cast

import orjson
import pyarrow as pa
import pytest
from elastic_transport import ApiResponseMeta, HttpHeaders, NodeConfig
from elasticsearch import ApiError, Elasticsearch

from triage.errors import StoreError, StoreUnavailable
from triage.store.elastic.bulk import BulkWriter, write_checked


def refusal(status: int) -> ApiError:
    meta = ApiResponseMeta(status, "1.1", HttpHeaders(), 0.0, NodeConfig("http", "localhost", 9200))
    return ApiError("refused", meta, {})


class FakeClient:
    """Takes bulks of at most `limit` bytes; `busy` gives how often a document's number is refused with 429 first."""

    def __init__(self, limit: int = 10**9, busy: dict[int, int] | None = None) -> None:
        self.limit, self.busy = limit, busy or {}
        self.bodies: list[bytes] = []
        self.taken: list[int] = []

    def bulk(self, *, operations: list[bytes], **_: Any) -> dict[str, Any]:
        body = operations[0]
        if len(body) > self.limit:
            raise refusal(413)
        self.bodies.append(body)
        statuses = [self._take(orjson.loads(line)) for line in body.splitlines()[1::2]]
        return {"errors": any(status != 201 for status in statuses), "items": [{"create": {"status": s}} for s in statuses]}

    def _take(self, document: dict[str, int]) -> int:
        number = document["n"]
        if self.busy.get(number, 0):
            self.busy[number] -= 1
            return 429
        if number in self.taken:
            return 409
        self.taken.append(number)
        return 201


def items(numbers: range) -> pa.Array:
    return pa.array([f'{{"create":{{}}}}\n{{"n":{n}}}\n' for n in numbers])


def writer(client: object, pauses: list[float] | None = None) -> BulkWriter:
    return BulkWriter(cast(Elasticsearch, client), pause=(pauses if pauses is not None else []).append, clock=lambda: 0.0)


def test_statuses_come_in_order() -> None:
    client = FakeClient()
    assert writer(client).write(items(range(5))) == [201] * 5
    assert writer(client).write(items(range(3, 8))) == [409, 409, 201, 201, 201]


def test_a_slice_of_an_array_is_written_as_it_is() -> None:
    client = FakeClient()
    assert writer(client).write(items(range(10)).slice(4, 3)) == [201] * 3
    assert client.taken == [4, 5, 6]


def test_too_large_bodies_are_split() -> None:
    client = FakeClient(limit=20_000)
    numbers = range(4_000)
    assert writer(client).write(items(numbers)) == [201] * 4_000
    assert client.taken == list(numbers)
    assert len(client.bodies) > 4


def test_one_record_that_is_too_large_is_an_error() -> None:
    with pytest.raises(StoreError, match="larger"):
        writer(FakeClient(limit=5)).write(items(range(1)))


def test_busy_documents_are_sent_again_alone_and_later() -> None:
    client = FakeClient(busy={2: 2, 3: 1})
    pauses: list[float] = []
    assert writer(client, pauses).write(items(range(5))) == [201] * 5
    assert sorted(client.taken) == [0, 1, 2, 3, 4]
    assert [body.count(b"create") for body in client.bodies] == [5, 2, 1]
    assert pauses == [0.1, 0.2]


def test_a_cluster_that_stays_busy_is_unavailable() -> None:
    pauses: list[float] = []
    with pytest.raises(StoreUnavailable, match="1 of 3"):
        writer(FakeClient(busy={1: 99}), pauses).write(items(range(3)))
    assert len(pauses) == 5


def test_patience_ends() -> None:
    times = iter([0.0, 16.0])
    pauses: list[float] = []
    slow = BulkWriter(cast(Elasticsearch, FakeClient(busy={0: 99})), pause=pauses.append, clock=lambda: next(times))
    with pytest.raises(StoreUnavailable):
        slow.write(items(range(1)))
    assert pauses == []


def test_a_refused_request_is_tried_again_when_busy() -> None:
    class Overloaded(FakeClient):
        refusals = 2

        def bulk(self, *, operations: list[bytes], **options: Any) -> dict[str, Any]:
            if self.refusals:
                self.refusals -= 1
                raise refusal(429)
            return super().bulk(operations=operations, **options)

    client = Overloaded()
    pauses: list[float] = []
    assert writer(client, pauses).write(items(range(4))) == [201] * 4
    assert len(pauses) == 2


def test_known_documents_must_be_taken() -> None:
    class Strict(FakeClient):
        def _take(self, document: dict[str, int]) -> int:
            return 400

    with pytest.raises(StoreError, match="400"):
        write_checked(writer(Strict()), [{"index": {"_id": "1"}}, {"n": 1}])


def test_nothing_to_write_is_no_request() -> None:
    client = FakeClient()
    write_checked(writer(client), [])
    assert writer(client).write(items(range(0))) == []
    assert client.bodies == []
