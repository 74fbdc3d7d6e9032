"""Generated records for the benchmarks of the stores: calls of five spans, spread over 30 days in the shape of working days.

Call number `n` has the same IDs and the same time whenever it is made, so that a benchmark knows what it can look for without
reading. A call is five spans, its witness, and for every fourth call a log record: 6.25 records a call. 120 partners, 60 APIs.
`embedded(records)` gives the folder of an embedded store that holds them; it is made once and kept in `.cache/kept`.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

sys.path.insert(0, str(Path(__file__).parents[2]))  # before this folder's neighbours of the same names

from triage.domain.columns import COLUMNS, Signal
from triage.domain.windows import DAY_NS, MINUTE_NS, from_rfc3339
from triage.ports.masked import MaskedRecords, arrow_schema
from triage.ports.records import RecordStore
from triage.store.embedded.records import EmbeddedRecordStore

Ints = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint64]

VERSION: Final = 2  # part of the folder's name: raised when other records come out
DAYS: Final = 30
START_NS: Final = from_rfc3339("2026-03-01T00:00:00Z")
END_NS: Final = START_NS + DAYS * DAY_NS
RECORDS_A_CALL: Final = 6.25
BATCH_CALLS: Final = 8_000
LEDGER_DAYS: Final = 396
CACHE: Final = Path(__file__).parents[2] / ".cache" / "kept"

ABSENT: Final = 1 << 40  # no call has such a number
CONSENTS: Final = 200_000  # each is used again and again, on any day
PARTNERS: Final = [f"tpp-{number:03d}" for number in range(120)]
_FAMILIES: Final = ("accounts", "balances", "transactions", "domestic-payments", "consents", "funds-confirmations")
APIS: Final = [  # method, route
    ("GET" if step < 6 else "POST", f"/open-banking/v4.0/{family}" + ("", "/{id}", "/{id}/details", "/{id}/status", "/{id}/history",
     "/{id}/limits", "", "/{id}/renewals", "/file", "/{id}/cancellations")[step]) for family in _FAMILIES for step in range(10)]
SERVICES: Final = ("api-gateway", "consent-service", "payments-service", "core-banking", "ledger-db")
_KINDS: Final = (2, 2, 2, 2, 3)
_FAILURES: Final = (  # status, outcome, code, exception
    (200, "ok", "", ""), (401, "partner_error", "invalid_client", ""), (403, "customer_error", "CONSENT_EXPIRED", ""),
    (503, "bank_error", "UK.OBIE.UnexpectedError", "LockWaitTimeout"))
_HEX: Final = np.frombuffer(b"0123456789abcdef", np.uint8)


def calls_in(records: int) -> int:
    """How many calls make so many records."""
    return int(records / RECORDS_A_CALL)


def times(calls: int, numbers: Ints) -> Ints:
    """When these calls of a data set of `calls` began, ns; they rise with the number."""
    minute = np.arange(DAYS * 1440)
    hour = minute % 1440 / 60
    weight = 0.3 + np.exp(-((hour - 10) / 3) ** 2) + 0.8 * np.exp(-((hour - 18) / 3) ** 2)
    total = np.concatenate([[0.0], np.cumsum(weight)])
    at = np.interp((numbers + 0.5) / calls * total[-1], total, np.arange(len(total)))
    return np.asarray(START_NS + (at * MINUTE_NS).astype(np.int64))


def words(numbers: Ints, salt: int) -> Words:
    """A well mixed 64-bit word for each number (SplitMix64); another salt gives other words."""
    mixed = numbers.astype(np.uint64) * np.uint64(64) + np.uint64(salt)
    with np.errstate(over="ignore"):
        mixed = (mixed + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(mixed ^ (mixed >> np.uint64(31)))


def ids(numbers: Ints) -> dict[str, pa.Array]:
    """The IDs of these calls by kind; `span_id` is that of the third span. A payment ID is empty where no payment was made."""
    consents = words(numbers, 9) % np.uint64(CONSENTS)
    return {
        "trace_id": _hex(words(numbers, 1), words(numbers, 2)), "span_id": _hex(words(numbers, 5)),
        "interaction_id": _uuid(words(numbers, 16), words(numbers, 17)), "request_id": _uuid(words(numbers, 18), words(numbers, 19)),
        "gateway_request_id": _hex(words(numbers, 20), words(numbers, 21)),
        "consent_id": _named("consent-", words(consents.astype(np.int64) + numbers // ABSENT * ABSENT, 22)),
        "payment_id": pc.if_else(pa.array(_is_payment(numbers)), _named("pay-", words(numbers, 23)), ""),
    }


def absent(count: int, seed: int = 0) -> dict[str, pa.Array]:
    """IDs of the same forms that no call has."""
    return ids(np.arange(count, dtype=np.int64) + ABSENT + seed * (1 << 30))


def batches(records: int, *, size: int = BATCH_CALLS) -> Iterator[MaskedRecords]:
    """All records, in order of time, some thousand calls a batch."""
    calls = calls_in(records)
    for first in range(0, calls, size):
        yield batch(calls, np.arange(first, min(first + size, calls), dtype=np.int64))


def batch(calls: int, numbers: Ints) -> MaskedRecords:
    """The records of some calls of a data set of `calls`."""
    at, known, apis = times(calls, numbers), ids(numbers), _api(numbers)
    failure = _failure(numbers)
    duration = 20_000_000 + (words(numbers, 12) % np.uint64(80_000_000)).astype(np.int64)
    facts = {
        "at": at, "duration": duration, "failure": failure, "api": apis,
        "method": _pick([method for method, _ in APIS], apis), "route": _pick([route for _, route in APIS], apis),
        "partner": _pick(PARTNERS, _partner(numbers)), "status": _of_failure(0, failure), "customer": _hex(words(numbers // 3, 13)),
    }
    spans = [_spans(numbers, place, facts, known) for place in range(len(SERVICES))]
    logged = np.flatnonzero(numbers % 4 == 0)
    return MaskedRecords.of_tables(pa.concat_tables(spans), _logs(numbers, logged, facts, known), _calls(numbers, facts, known))


def fill(store: RecordStore, records: int, *, size: int = BATCH_CALLS) -> float:
    """Append all of them as a running service would: with its housekeeping, receipts settled. Returns the seconds that it took."""
    began = time.perf_counter()
    for number, part in enumerate(batches(records, size=size)):
        store.append(part)
        if number % 50 == 49:
            store.tend(part.calls.column("time_ns")[0].as_py(), ledger_days=LEDGER_DAYS)
        if number % 100 == 99:
            print(f"  {(number + 1) * size / calls_in(records):.0%}, {time.perf_counter() - began:,.0f} s", flush=True)
    for _ in range(DAYS):  # as it is some hours later
        store.tend(END_NS + DAY_NS, ledger_days=LEDGER_DAYS)
    while receipts := store.receipts():
        store.settle([receipt.receipt_id for receipt in receipts])
    return time.perf_counter() - began


def embedded(records: int, cache: Path = CACHE) -> Path:
    """The folder of an embedded store that holds them; made where it is not there yet. Copy it before changing it."""
    folder = cache / f"embedded-{records}-v{VERSION}"
    if folder.exists():
        return folder
    making = folder.with_name(folder.name + ".new")
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir(parents=True)
    store = EmbeddedRecordStore(making, memory_mib=512)
    try:
        seconds = fill(store, records)
    finally:
        store.close()
    making.rename(folder)
    print(f"made {records:,} records in {seconds:,.0f} s, {records / seconds:,.0f} records/s")
    return folder


def _partner(numbers: Ints) -> Ints:
    """Few partners make most calls."""
    share = words(numbers, 10).astype(np.float64) / 2.0**64
    return np.asarray((len(PARTNERS) * share**3).astype(np.int64))


def _api(numbers: Ints) -> Ints:
    share = words(numbers, 11).astype(np.float64) / 2.0**64
    return np.asarray((len(APIS) * share**2).astype(np.int64)) * 7 % len(APIS)


def _is_payment(numbers: Ints) -> npt.NDArray[np.bool_]:
    payments = np.array(["domestic-payments" in route for _, route in APIS])
    return np.asarray(payments[_api(numbers)])


def _failure(numbers: Ints) -> Ints:
    """Place in `_FAILURES`: two of a hundred calls fail."""
    roll = (words(numbers, 14) % np.uint64(300)).astype(np.int64)
    return np.where(roll < 6, 1 + roll % 3, 0)


def _of_failure(field: int, failure: Ints) -> pa.Array:
    return _pick([entry[field] for entry in _FAILURES], failure)


def _spans(numbers: Ints, place: int, facts: dict[str, Any], known: dict[str, pa.Array]) -> pa.Table:
    error = facts["failure"] == 3
    exception = error & (place == len(SERVICES) - 2)
    columns: dict[str, Any] = {
        "trace_id": known["trace_id"], "span_id": _hex(words(numbers, 3 + place)),
        "parent_id": _hex(words(numbers, 2 + place)) if place else "",
        "name": pc.binary_join_element_wise(facts["method"], facts["route"], " ") if place in (0, 2) else f"operation-{place}",
        "kind": _KINDS[place], "time_ns": facts["at"] + place * 2_000_000,
        "duration_ns": facts["duration"] - place * 4_000_000, "status": np.where(error & (place > 1), 2, 0),
        "service": SERVICES[place], "instance": f"{SERVICES[place]}-1", "version": "4.7.0", "environment": "production",
        "http_status": facts["status"] if place < 4 else 0, "attributes": _attributes(place, facts, known),
        "exception_type": pc.if_else(pa.array(exception), "LockWaitTimeout", ""),
        "exception_message": pc.if_else(pa.array(exception), "ORA-00054: resource busy and acquire with NOWAIT specified", ""),
    }
    return _table("spans", len(numbers), columns)


def _attributes(place: int, facts: dict[str, Any], known: dict[str, pa.Array]) -> Any:
    if place == len(SERVICES) - 1:
        return '{"db.system":"oracle","db.operation.name":"SELECT","db.collection.name":"ACCOUNT"}'
    status = facts["status"].cast(pa.string())
    if place:
        host = f"{SERVICES[place]}.payments.svc.cluster.local"
        return _joined(f'{{"server.address":"{host}","http.response.status_code":', status, "}")
    return _joined(
        '{"http.request.method":"', facts["method"], '","http.route":"', facts["route"], '","url.path":"', facts["route"],
        '","http.response.status_code":', status, ',"http.request.header.x-consumer-username":"', facts["partner"],
        '","http.request.header.x-fapi-interaction-id":"', known["interaction_id"], '","enduser.pseudo.id":"', facts["customer"],
        '","openbanking.consent.id":"', known["consent_id"], '"}')


def _calls(numbers: Ints, facts: dict[str, Any], known: dict[str, pa.Array]) -> pa.Table:
    root = _hex(words(numbers, 3))
    aliases = {name: known[name] for name in (
        "trace_id", "interaction_id", "request_id", "gateway_request_id", "consent_id", "payment_id")}
    return _table("calls", len(numbers), aliases | {
        "witness_id": _joined(known["trace_id"], root), "witness": "span", "time_ns": facts["at"], "duration_ns": facts["duration"],
        "partner": facts["partner"], "method": facts["method"], "route": facts["route"], "status": facts["status"],
        "outcome": _of_failure(1, facts["failure"]), "codes": _of_failure(2, facts["failure"]), "span_id": root,
        "customer": facts["customer"], "customer_present": numbers % 2 == 0, "service": SERVICES[2],
        "upstream_status": facts["status"], "responder": "upstream", "gateway_ms": 2,
        "bytes_in": (words(numbers, 24) % np.uint64(900)).astype(np.int64),
        "bytes_out": (words(numbers, 25) % np.uint64(9000)).astype(np.int64),
        "source": "otlp", "instance": _pick(["gw-1", "gw-2", "gw-3"], numbers % 3), "version": "4.7.0", "environment": "production",
        "sampled": np.ones(len(numbers), bool),
    })


def _logs(numbers: Ints, rows: Ints, facts: dict[str, Any], known: dict[str, pa.Array]) -> pa.Table:
    picked, take = numbers[rows], pa.array(rows)
    amount = pa.array((words(picked, 26) % np.uint64(90)).astype(np.int64)).cast(pa.string())
    return _table("logs", len(rows), {
        "log_id": _hex(words(picked, 27)), "time_ns": facts["at"][rows] + 9_000_000, "trace_id": known["trace_id"].take(take),
        "span_id": known["span_id"].take(take), "severity": np.where(facts["failure"][rows] == 3, 17, 9),
        "body": _joined("request of ", facts["partner"].take(take), " accepted in ", amount, " ms"), "service": SERVICES[2],
        "instance": f"{SERVICES[2]}-1", "version": "4.7.0", "environment": "production",
        "attributes": '{"code.function":"accept","thread.name":"worker-4"}',
    })


def _table(signal: Signal, rows: int, columns: dict[str, Any]) -> pa.Table:
    """A table with the signal's schema; a single value stands for all rows, and what is not named is empty or 0."""
    zero = {"str": "", "int": 0, "bool": False}
    schema = arrow_schema(signal)
    return pa.table([_column(columns.get(name, zero[kind]), rows, schema.field(name).type)
                     for name, kind in COLUMNS[signal].items()], schema=schema)


def _column(value: Any, rows: int, kind: pa.DataType) -> pa.Array:
    if isinstance(value, (pa.Array, pa.ChunkedArray)):
        return value.cast(kind)
    if isinstance(value, np.ndarray):
        return pa.array(value, type=kind)
    return pa.repeat(pa.scalar(value, type=kind), rows)


def _pick(values: Sequence[Any], places: Any) -> pa.Array:
    return pa.array(list(values)).take(pa.array(places))


def _joined(*parts: Any) -> pa.Array:
    return pc.binary_join_element_wise(*parts, "")


def _hex(*parts: Words) -> pa.Array:
    """16 hex letters of each word, side by side."""
    data = np.concatenate([_letters(part) for part in parts], axis=1)
    return _texts(data)


def _uuid(high: Words, low: Words) -> pa.Array:
    letters = np.concatenate([_letters(high), _letters(low)], axis=1)
    letters[:, 12], letters[:, 16] = ord("4"), ord("8")
    dashed = np.insert(letters, [8, 12, 16, 20], ord("-"), axis=1)
    return _texts(dashed)


def _named(prefix: str, part: Words) -> pa.Array:
    return _joined(prefix, _hex(part))


def _letters(part: Words) -> npt.NDArray[np.uint8]:
    octets = part.astype(">u8").view(np.uint8).reshape(len(part), 8)
    return np.asarray(_HEX[np.stack([octets >> 4, octets & 15], axis=2).reshape(len(part), 16)])


def _texts(letters: npt.NDArray[np.uint8]) -> pa.Array:
    rows, width = letters.shape
    offsets = np.arange(rows + 1, dtype=np.int32) * np.int32(width)
    return pa.Array.from_buffers(
        pa.string(), rows, [None, pa.py_buffer(offsets.tobytes()), pa.py_buffer(np.ascontiguousarray(letters).tobytes())])


if __name__ == "__main__":
    print(embedded(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000))
