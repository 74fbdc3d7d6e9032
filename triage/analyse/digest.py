"""One chunk of minutes digested: calls derived, failures grouped, both rolled up. Pure; runs in the analysis process."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from triage.analyse.abnormal_use.usage import use_rollups
from triage.analyse.events import Happened, error_events, first_minutes
from triage.analyse.grouping.group_seen import GroupSeen, groups_seen, taken_by_rules
from triage.analyse.grouping.model import GroupingModel
from triage.analyse.grouping.taught import Taught
from triage.analyse.rollup import call_rollups, customer_rollups, united_customers, with_api
from triage.ports.rollups import ERRORS_SCHEMA

MOST_AT_ONCE: Final = 50_000
"""Events that are grouped together."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """What the store holds of a stretch of minutes and of those beside it: derived calls, failing spans, error logs, who was there."""

    minutes: tuple[int, ...]  # to be rolled up
    calls: pa.Table  # from derive_calls
    error_spans: pa.Table
    error_logs: pa.Table
    presence: pa.Table  # rows of PRESENCE_SCHEMA
    customers: pa.Table  # roll-ups that the store holds of the touched hours


@dataclass(slots=True)
class Digest:
    """The chunk's roll-ups, the groups that it saw, the first minute of each (service, version), and the model as it is now.

    `moved`: groups that turned out to be another one; `taken`: group -> the rule that took errors from it, and where they went.
    """

    calls: pa.Table
    errors: pa.Table
    customers: pa.Table
    use: pa.Table
    groups: list[GroupSeen]
    versions: dict[tuple[str, str], int]
    model: dict[str, Any]
    call_records: int  # of the chunk's own minutes
    moved: dict[str, str] = field(default_factory=dict)
    taken: dict[str, tuple[str, str]] = field(default_factory=dict)


def digest(chunk: Chunk, model: Mapping[str, Any], taught: Taught, services: Collection[str]) -> Digest:
    """`model` is the state of the grouping (empty at first), `taught` what people said about groups."""
    minutes = pa.array(chunk.minutes, pa.int64())
    calls = with_api(chunk.calls)
    versions = first_minutes(chunk.presence)
    known = frozenset(services) | {service for service, _ in versions}
    happened = error_events(chunk.minutes, calls, chunk.error_spans, chunk.error_logs, known)
    grouping = GroupingModel(model, taught)
    found = _grouped(happened, grouping, taught.book.version)
    mine = calls.filter(pc.is_in(calls.column("minute"), minutes))
    return Digest(
        calls=call_rollups(mine), customers=united_customers(chunk.customers, customer_rollups(mine)),
        errors=_error_rollups(found.cells), use=use_rollups(mine), groups=list(found.groups.values()),
        versions=versions, model=grouping.to_state(),
        call_records=len(mine), moved=dict(grouping.moved), taken=found.taken,
    )


@dataclass(slots=True)
class _Found:
    """What the events of a chunk add up to. `cells`: keys of the roll-up -> count and a trace."""

    cells: dict[tuple[Any, ...], list[Any]] = field(default_factory=dict)
    groups: dict[str, GroupSeen] = field(default_factory=dict)
    taken: dict[str, tuple[str, str]] = field(default_factory=dict)


def _grouped(happened: Iterator[Happened], grouping: GroupingModel, version: int) -> _Found:
    """Group the events, MOST_AT_ONCE at a time, so that memory does not grow with a flood of them."""
    found = _Found()
    while batch := list(islice(happened, MOST_AT_ONCE)):
        assigned = grouping.assign([event.event for event in batch])
        for seen in groups_seen(batch, assigned, grouping, version):
            known = found.groups.get(seen.id)
            found.groups[seen.id] = seen if known is None else known.with_more(seen)
        found.taken |= taken_by_rules(assigned.places)
        for event, group_id in zip(batch, assigned.groups, strict=True):
            key = (event.minute, group_id, event.partner, event.api, event.service, event.outcome)
            cell = found.cells.setdefault(key, [0, event.trace_id])
            cell[0] += 1
            cell[1] = cell[1] or event.trace_id
    return found


def _error_rollups(cells: Mapping[tuple[Any, ...], list[Any]]) -> pa.Table:
    """Rows of `ERRORS_SCHEMA`."""
    rows = [(*key, *cell) for key, cell in sorted(cells.items(), key=lambda item: item[0])]
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(ERRORS_SCHEMA)
    return pa.table([pa.array(list(c), f.type) for c, f in zip(columns, ERRORS_SCHEMA, strict=True)], schema=ERRORS_SCHEMA)
