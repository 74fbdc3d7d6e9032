"""Which IDs were refused at the door is remembered: by every name of the record, over a restart, bounded."""

from __future__ import annotations

import time
from concurrent.futures import Future
from threading import Thread

import orjson
from builders import span_id, trace_id, uuid
from hypothesis import given
from hypothesis import strategies as st

from collectors.intake import TOO_OLD, Intake
from collectors.refused import KIND, RefusedBook, RefusedIds, ids_in
from triage.domain.columns import SIGNALS
from triage.domain.records import Records
from triage.ports.records import Appended
from triage.store.memory import MemoryDocuments, MemoryStateStore

NONE = dict.fromkeys(SIGNALS, 0)


def intake() -> Intake:
    def keep(records: Records) -> tuple[Future[Appended], int]:
        done: Future[Appended] = Future()
        done.set_result(Appended(dict(NONE), dict(NONE)))
        return done, 0

    return Intake(keep=keep, clock=time.time_ns, retention_days=30)


def send(body: object, kind: str = "json") -> Intake:
    door = intake()
    data = body if isinstance(body, bytes) else orjson.dumps(body)
    door.take(door.decode("gateway", "json", data, gateway=kind), kind)
    return door


def test_a_line_that_is_too_old_is_known_by_all_its_ids() -> None:
    door = send({
        "time": "2001-01-01T00:00:00Z", "method": "GET", "path": "/accounts", "status": 200, "duration_ms": 5,
        "trace_id": trace_id(5), "interaction_id": uuid(6), "request_id": uuid(7), "payment_id": "pay-8",
    })
    assert door.counters.rejected[TOO_OLD] == 1
    for value in (trace_id(5), uuid(6), uuid(7)):
        assert door.refused.get(value) == TOO_OLD
    assert door.refused.get("") is None


def test_a_line_that_cannot_be_read_is_known_by_the_ids_in_it() -> None:
    door = send({"time": "no time", "status": "?", "note": f"X-Request-ID {uuid(7).upper()}", "trace": trace_id(5)})
    assert len(door.counters.rejected) == 1
    reason = next(iter(door.counters.rejected))
    assert door.refused.get(uuid(7)) == door.refused.get(trace_id(5)) == reason


def test_a_span_with_an_impossible_time_is_known_by_its_ids() -> None:
    door = intake()
    span = {"traceId": trace_id(5), "spanId": span_id(6), "name": "x", "startTimeUnixNano": str(2**64 - 1), "endTimeUnixNano": "1"}
    body = orjson.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]})
    door.take(door.decode("traces", "json", body), "otlp")
    assert door.refused.get(trace_id(5)) and door.refused.get(span_id(6))


def test_the_book_outlives_the_process_and_holds_no_id() -> None:
    data = MemoryDocuments()
    book = RefusedBook(MemoryStateStore(data))
    book.write({uuid(n): f"reason {n}" for n in range(50)})
    again = RefusedBook(MemoryStateStore(data))
    assert [again.reason(uuid(n)) for n in (0, 49, 50)] == ["reason 0", "reason 49", None]
    again.write({uuid(0): "another"})
    assert book.reason(uuid(0)) == "another"
    assert uuid(1) not in str(data.documents)


def test_the_book_is_bounded_and_forgets_the_oldest() -> None:
    state = MemoryStateStore()
    book = RefusedBook(state)
    for start in range(0, 120_000, 40_000):
        book.write({str(n): "old" for n in range(start, start + 40_000)})
    kept = [len(document.body["ids"]) for document in state.select(KIND, limit=300).items]
    assert len(kept) == 256 and max(kept) == 400
    assert book.reason("119999") == "old"
    assert book.reason("0") is None


def test_several_processes_write_at_once() -> None:
    state = MemoryStateStore()
    books = [RefusedBook(state) for _ in range(3)]
    threads = [Thread(target=book.write, args=({f"{place}-{n}": "r" for n in range(200)},)) for place, book in enumerate(books)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(books[0].reason(f"{place}-{n}") for place in range(3) for n in range(200))


def test_what_is_new_is_taken_once() -> None:
    refused = RefusedIds(most=3)
    for n in range(5):
        refused.note(str(n), "r")
    assert refused.take() == {"2": "r", "3": "r", "4": "r"}
    assert refused.take() == {}
    assert refused.get("4") == "r" and refused.get("0") is None


@given(st.uuids(), st.text(max_size=50), st.text(alphabet=" ,:\"'{}\n", min_size=1, max_size=5))
def test_ids_are_found_in_any_entry(value: object, text: str, gap: str) -> None:
    assert str(value) in ids_in(f"{text}{gap}{str(value).upper()}{gap}{text}")
    assert len(ids_in({"a": [text, str(value)] * 20})) <= 8
