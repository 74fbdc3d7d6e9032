"""Any history of appends (new, duplicate, late), roll-ups, pins, expiries and restarts leaves a store as it leaves the plain-Python
model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import pyarrow as pa
import pytest
from builders import DAY, T0, Row, call, log, masked, span, span_id, trace_id, uuid
from contracts.record_checks import ALWAYS
from elasticsearch import Elasticsearch
from examples import examples
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from triage.analyse.rollup import call_rollups, customer_rollups, hours_of, united_customers, with_api
from triage.domain.columns import COLUMNS, SIGNALS, Signal
from triage.domain.windows import MINUTE_NS, Window, day_of
from triage.ports.records import RecordStore
from triage.store.elastic.records import ElasticRecordStore
from triage.store.embedded.records import EmbeddedRecordStore
from triage.store.memory import MemoryRecords, MemoryRecordStore

Open = Callable[[], RecordStore]
Step = tuple[str, Any]

TRACES: Final = [1, 2, 3]
TIMES: Final = [T0, T0 + 1, T0 + DAY, T0 + 2 * DAY]
MINUTES: Final = sorted({time_ns // MINUTE_NS for time_ns in TIMES})
DAYS: Final = sorted({day_of(time_ns) for time_ns in TIMES})
POOL: Final[dict[Signal, list[Row]]] = {
    "spans": [span(n, trace_id=trace_id(t), time_ns=TIMES[(n + t) % 4]) for t in TRACES for n in (1, 2)],
    "logs": [log(n, trace_id=trace_id(n % 3) if n % 3 else "", time_ns=TIMES[n % 4]) for n in range(1, 6)],
    "calls": [call(n, customer=f"c{n % 3}", trace_id=trace_id(1 + n % 3), consent_id=uuid(n % 2), time_ns=TIMES[n % 4])
              for n in range(1, 6)],
}
IDS: Final = [*map(trace_id, TRACES), *map(span_id, (1, 2)), *map(uuid, range(6))]

CHOICES = st.fixed_dictionaries({signal: st.lists(st.sampled_from(rows), max_size=5) for signal, rows in POOL.items()})
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), CHOICES),
        st.tuples(st.just("append"), CHOICES),
        st.tuples(st.just("roll up"), st.sets(st.sampled_from(MINUTES), min_size=1)),
        st.tuples(st.just("drop roll-ups"), st.sampled_from(MINUTES)),
        st.tuples(st.just("pin"), st.sampled_from(TRACES)),
        st.tuples(st.just("pin a witness"), st.integers(1, 6)),
        st.tuples(st.just("drop"), st.tuples(st.sampled_from(SIGNALS), st.sampled_from(DAYS))),
        st.tuples(st.just("reopen"), st.none()),
    ),
    min_size=2, max_size=10,
)


def act(store: RecordStore, step: Step, reopen: Open) -> tuple[RecordStore, object]:
    """One step on one store: the store to go on with, and what it answered."""
    what, argument = step
    if what == "append":
        appended = store.append(masked(**argument))
        return store, (appended.kept, appended.duplicate)
    if what == "roll up":
        return store, roll_up(store, argument)
    if what == "drop roll-ups":
        return store, store.drop_rollups(argument)
    if what == "pin":
        store.pin([trace_id(argument)])
        return store, None
    if what == "pin a witness":
        store.pin((), [span_id(argument)])
        return store, None
    if what == "drop":
        store.settle_reads()
        return store, store.drop_day(*argument)
    store.close()
    return reopen(), None


def roll_up(store: RecordStore, minutes: set[int]) -> None:
    """Compute the roll-ups of these minutes again from their records, as the analysis does."""
    store.settle_reads()
    calls = with_api(store.scan("calls", ALWAYS, list(COLUMNS["calls"])))
    mine = calls.filter(pa.array([minute in minutes for minute in calls.column("minute").to_pylist()], pa.bool_()))
    store.replace_rollups("calls", minutes, call_rollups(mine))
    hours = hours_of(minutes)
    before = store.rollups("customers", Window(hours[0] * MINUTE_NS, (hours[-1] + 1) * MINUTE_NS))
    before = before.filter(pa.array([minute in hours for minute in before.column("minute").to_pylist()], pa.bool_()))
    store.replace_rollups("customers", hours, united_customers(before, customer_rollups(mine)))


def seen(store: RecordStore) -> dict[str, object]:
    """All that can be asked of a store, in a form that can be compared.

    Not the days that can be dropped: one whose records are all pinned may still be among them.
    """
    store.settle_reads()
    counts = store.counts()
    view: dict[str, object] = {"counts": (counts.kept, counts.oldest_ns, counts.newest_ns)}
    for signal in SIGNALS:
        rows = store.scan(signal, Window(T0 + 1, T0 + 2 * DAY), list(COLUMNS[signal])).to_pylist()
        view[f"scan {signal}"] = sorted(map(repr, rows))
        view[f"search {signal}"] = pages(store, signal)
        view[f"trace {signal}"] = store.by_trace(signal, [trace_id(1), trace_id(3)]).to_pylist()
    for kind in ("calls", "customers"):
        view[f"roll-ups {kind}"] = sorted(map(repr, store.rollups(kind, ALWAYS).to_pylist()))  # type: ignore[arg-type]
    for value in IDS:
        view[f"find {value}"] = found = store.find(value)
        view[f"last seen {value}"] = None if found else store.last_seen(value)
    return view


def pages(store: RecordStore, signal: Signal) -> list[Row]:
    """All records, by pages of two."""
    rows: list[Row] = []
    cursor = None
    while True:
        page = store.search(signal, (), ALWAYS, 2, cursor)
        rows += page.rows.to_pylist()
        if (cursor := page.next) is None:
            return rows


def compare(steps: list[Step], open_store: Open) -> None:
    """Play the steps on the model and on the store."""
    data = MemoryRecords()
    model: RecordStore = MemoryRecordStore(data)
    store = open_store()
    try:
        for step in steps:
            model, expected = act(model, step, lambda: MemoryRecordStore(data))
            store, answer = act(store, step, open_store)
            assert answer == expected, step
        assert seen(store) == seen(model)
    finally:
        store.close()


@examples(25)
@given(STEPS)
def test_embedded(steps: list[Step]) -> None:
    with TemporaryDirectory() as folder:
        compare(steps, lambda: EmbeddedRecordStore(Path(folder)))


@pytest.mark.elastic
@examples(12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
def test_elastic(elastic_client: Elasticsearch, elastic_prefix: str, steps: list[Step]) -> None:
    with empty_again(elastic_client, elastic_prefix):
        compare(steps, lambda: ElasticRecordStore(elastic_client, elastic_prefix))


@contextmanager
def empty_again(client: Elasticsearch, prefix: str) -> Iterator[None]:
    """Delete the indices afterwards."""
    try:
        yield
    finally:
        if indices := list(client.indices.get_alias(index=f"{prefix}-*").body):
            client.indices.delete(index=indices)
