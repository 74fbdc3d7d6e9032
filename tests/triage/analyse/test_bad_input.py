"""Data as they come in real life: skewed, late, with holes, broken links and a rush after an outage. None of it is an incident.

An hour of ordinary simulated traffic is spoilt in one way each and played through the analysis as the service does it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from bench.arrow_store import ArrowStore
from bench.catalogue_play import directory_of, slices

from triage.analyse.run import RunSettings, analyse_minutes
from triage.domain.incident import Incident
from triage.domain.windows import MINUTE_NS, NS
from triage.flow import analyse_once
from triage.incidents import documents
from triage.incidents.fold import FoldSettings
from triage.ports.masked import MaskedRecords
from triage.ports.records import RecordStore
from triage.simulator import faults as make
from triage.simulator.bank import small_bank
from triage.simulator.catalogue import BEGIN_NS, Scenario, at
from triage.simulator.fault_types import Fault
from triage.store.memory import MemoryStateStore

Slice = tuple[int, MaskedRecords]
Spoil = Callable[[list[Slice]], list[Slice]]
BANK = small_bank(1.5)
FROM_NS = at(42)
"""Where most of the spoiling begins; 40 minutes before it are as they should be."""


def traffic(*faults: Fault) -> list[Slice]:
    """An hour, the first 40 minutes in one slice and then one every 30 s."""
    scenario = Scenario("bad-input", 5, 1.0, faults, (), (), BANK, BEGIN_NS)
    return list(slices(scenario, scenario.seed, directory_of(scenario), None))


@pytest.fixture(scope="module")
def ordinary() -> list[Slice]:
    return traffic()


@pytest.fixture(scope="module")
def faulty() -> list[Slice]:
    return traffic(make.upstream_timeout(BANK, at(44), at(54), 0.8))


def incidents(played: list[Slice], every: int = 4) -> list[Incident]:
    """What the analysis opens; it runs every so many slices."""
    records, state = ArrowStore(), MemoryStateStore()
    for number, (at_ns, batch) in enumerate(played):
        records.append(batch)
        if number % every == 0 or number == len(played) - 1:
            analyse_once(cast(RecordStore, records), state, at_ns, partial(analyse_minutes, settings=RunSettings()), FoldSettings())
    return [documents.read(document) for document in state.select(documents.KIND, limit=100).items]


def changed(played: list[Slice], change: Callable[[str, pa.Table], pa.Table]) -> list[Slice]:
    """Every table of every slice changed."""
    return [
        (at_ns, MaskedRecords.of_tables(*(change(signal, batch.table(signal)) for signal in ("spans", "logs", "calls"))))
        for at_ns, batch in played
    ]


def skewed(played: list[Slice]) -> list[Slice]:
    """The clocks of two services are minutes and seconds off."""
    def change(signal: str, table: pa.Table) -> pa.Table:
        if signal == "calls":
            return table
        service = np.array(table.column("service").to_pylist(), object)
        off = np.where(service == "core-banking", 7 * MINUTE_NS, np.where(service == "consent-service", -40 * NS, 0))
        return table.set_column(table.column_names.index("time_ns"), "time_ns", pa.array(table.column("time_ns").to_numpy() + off))

    return changed(played, change)


def late(played: list[Slice]) -> list[Slice]:
    """A fifth of what comes arrives up to a quarter of an hour late, in any order."""
    dice = np.random.default_rng(3)
    waiting: list[tuple[int, pa.Table, pa.Table, pa.Table]] = []
    out: list[Slice] = []
    for at_ns, batch in played:
        now, then = [], []
        for signal in ("spans", "logs", "calls"):
            table = batch.table(cast(Any, signal))
            behind = dice.random(len(table)) < (0.2 if at_ns > FROM_NS else 0)
            now.append([table.filter(pa.array(~behind))])
            then.append(table.filter(pa.array(behind)))
        due = [one for one in waiting if one[0] <= at_ns]
        waiting = [one for one in waiting if one[0] > at_ns]
        for one in reversed(due):
            for place in range(3):
                now[place].append(one[place + 1])
        waiting.append((at_ns + int(dice.integers(1, 30)) * 30 * NS, *then))
        out.append((at_ns, MaskedRecords.of_tables(*(pa.concat_tables(parts).combine_chunks() for parts in now))))
    return out


def with_a_gap(played: list[Slice]) -> list[Slice]:
    """Nothing at all was collected for eight minutes."""
    return [(at_ns, batch) for at_ns, batch in played if not FROM_NS < at_ns <= FROM_NS + 8 * MINUTE_NS]


def without_spans_for_a_while(played: list[Slice]) -> list[Slice]:
    """The collector of spans was away for eight minutes, the gateways' lines still came."""
    def change(signal: str, table: pa.Table) -> pa.Table:
        time = table.column("time_ns").to_numpy()
        lost = (time > FROM_NS) & (time <= FROM_NS + 8 * MINUTE_NS)
        if signal == "calls":
            lost &= pc.equal(table.column("witness"), "span").to_numpy(zero_copy_only=False)
        return table.filter(pa.array(~lost)) if signal != "logs" else table

    return changed(played, change)


def rootless(played: list[Slice]) -> list[Slice]:
    """The gateway's spans never arrive."""
    def change(signal: str, table: pa.Table) -> pa.Table:
        if signal == "logs":
            return table
        column, bad = ("parent_id", "") if signal == "spans" else ("witness", "span")
        return table.filter(pc.not_equal(table.column(column), bad))

    return changed(played, change)


def in_circles(played: list[Slice]) -> list[Slice]:
    """Spans name a span below themselves as their parent, or themselves."""
    def change(signal: str, table: pa.Table) -> pa.Table:
        if signal != "spans":
            return table
        ids, parents = (np.array(table.column(name).to_pylist(), object) for name in ("span_id", "parent_id"))
        trace = table.column("trace_id").to_pylist()
        last = {each: row for row, each in enumerate(trace)}
        for row, each in enumerate(trace):
            if int(each[:2], 16) < 64:
                parents[row] = ids[row] if int(each[2:4], 16) < 64 else ids[last[each]]
        return table.set_column(table.column_names.index("parent_id"), "parent_id", pa.array(parents, pa.string()))

    return changed(played, change)


def renamed(played: list[Slice]) -> list[Slice]:
    """The gateway begins to say another ID for the busiest partner, which the directory does not know."""
    def change(signal: str, table: pa.Table) -> pa.Table:
        if signal != "calls":
            return table
        mine = pc.and_(pc.equal(table.column("partner"), "brightledger"), pc.greater(table.column("time_ns"), FROM_NS))
        new = pc.if_else(mine, "brightledger-limited", table.column("partner"))
        return table.set_column(table.column_names.index("partner"), "partner", new)

    return changed(played, change)


def in_a_rush(played: list[Slice]) -> list[Slice]:
    """What was collected in ten minutes of an outage arrives at once, and in the wrong order."""
    held = [one for one in played if FROM_NS < one[0] <= FROM_NS + 10 * MINUTE_NS]
    rest = [one for one in played if one not in held]
    place = next(n for n, (at_ns, _) in enumerate(rest) if at_ns > FROM_NS + 10 * MINUTE_NS)
    now = rest[place][0]
    return [*rest[:place], *((now, batch) for _, batch in reversed(held)), *rest[place:]]


def twice(played: list[Slice]) -> Iterator[Slice]:
    """Every slice again with the next one."""
    for (at_ns, batch), (later_ns, _) in zip(played, [*played[1:], played[-1]], strict=True):
        yield at_ns, batch
        yield later_ns, batch


@pytest.mark.parametrize("spoil", [
    skewed, late, with_a_gap, without_spans_for_a_while, rootless, in_circles, renamed, in_a_rush,
], ids=lambda spoil: spoil.__name__)
def test_bad_input_is_no_incident(ordinary: list[Slice], spoil: Spoil) -> None:
    assert [f"{i.kind} {i.title}" for i in incidents(spoil(ordinary))] == []


@pytest.mark.slow
@pytest.mark.parametrize("spoil", [skewed, late, in_circles, in_a_rush], ids=lambda spoil: spoil.__name__)
def test_a_fault_in_bad_input_is_still_one_incident(faulty: list[Slice], spoil: Spoil) -> None:
    found = incidents(spoil(faulty))

    assert [(i.kind, i.whose_side, i.services[0]) for i in found] == [("errors", "bank", "core-banking")]
