"""Which IDs were refused at the door is remembered: by every name of the record, over a restart, bounded."""

from __future__ import annotations

import random
import time
from concurrent.futures import Future
from pathlib import Path
from threading import Thread

import orjson
from builders import span_id, trace_id, uuid
from examples import examples
from hypothesis import given
from hypothesis import strategies as st

from collectors.gateways import KINDS
from collectors.intake import TOO_OLD, Intake
from collectors.refused import KIND, RefusedBook, RefusedIds, ids_in
from triage.domain.columns import SIGNALS
from triage.domain.records import Records
from triage.errors import BadInput, counted_as
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


SAMPLES = sorted((Path(__file__).parent / "gateways" / "samples").iterdir())
MOST_REASONS = 40  # what there is to say, whatever is sent


def broken(line: bytes, chance: random.Random) -> bytes:
    """A sample line with a piece cut out or overwritten, so that it breaks at any place and with any value."""
    at = chance.randrange(len(line))
    piece = chance.choice((b"", str(chance.randrange(10**9)).encode(), b'"', b"}", b"\\u12", b"-", chance.randbytes(3)))
    return line[:at] + piece + line[at + chance.randrange(40):]


def test_two_thousand_broken_lines_are_counted_under_few_reasons() -> None:
    chance = random.Random(7)
    lines = [line for file in SAMPLES for line in file.read_bytes().splitlines() if line]
    door = intake()
    told: set[str] = set()
    for kind in sorted(KINDS):
        body = b"\n".join(broken(chance.choice(lines), chance).replace(b"\n", b"") for _ in range(150))
        told |= {reason for _, reason in door.take(door.decode("gateway", "json", b"no line\n" + body, gateway=kind), kind).rejected}

    assert sum(door.counters.rejected.values()) > 500
    assert len(told) > MOST_REASONS  # the answers say more, such as where in a line
    assert len(door.counters.rejected) <= MOST_REASONS


SPAN_FIELDS = ("traceId", "spanId", "name", "kind", "startTimeUnixNano", "endTimeUnixNano", "attributes", "status", "events")
VALUES = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(max_size=20) | st.lists(
    st.text(max_size=3), max_size=2)


@examples(60)
@given(spans=st.lists(st.dictionaries(st.sampled_from(SPAN_FIELDS), VALUES), min_size=1, max_size=8), tail=st.text(max_size=5))
def test_spans_of_any_shape_are_counted_under_a_closed_set_of_reasons(spans: list[dict[str, object]], tail: str) -> None:
    door = intake()
    body = orjson.dumps({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}, default=str)
    counted = set()
    for data in (body, body + tail.encode("utf-8", "replace"), body[: len(body) // 2]):
        try:
            door.take(door.decode("traces", "json", data), "otlp")
        except BadInput as error:
            counted.add(counted_as(error.reason))

    assert set(door.counters.rejected) | counted <= {
        "a field has the wrong type", "invalid trace ID or span ID", "the time does not fit nanoseconds since 1970 in 63 bits",
        "older than the retention", "more than an hour in the future", "the body is not JSON", "events is not an array",
        "events holds something that is not an object",
    }


def test_what_is_remembered_of_a_refused_record_holds_none_of_its_values() -> None:
    door = intake()
    span = {"traceId": trace_id(5), "spanId": span_id(6), "startTimeUnixNano": "GB29NWBK6016"}

    outcome = door.take(door.decode("traces", "json", orjson.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]})), "otlp")

    assert "GB29NWBK6016" in outcome.rejected[0][1]  # its sender is told
    assert "GB29" not in str(door.counters.rejected) + str(door.refused.reasons)
