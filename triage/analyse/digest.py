"""One chunk of minutes digested: calls derived, failures grouped, both rolled up. Pure; runs in the analysis process."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from triage.analyse.events import Happened, call_events, first_minutes, log_events, origins_of, span_events
from triage.analyse.model import Assigned, GroupingModel
from triage.analyse.rollup import call_rollups, with_api
from triage.ports.rollups import ERRORS_SCHEMA

SAMPLES: Final = 5
_MESSAGE_CHARS: Final = 2_000


@dataclass(frozen=True, slots=True)
class Chunk:
    """What the store holds of a stretch of minutes: derived calls, failing spans, error logs, and who was there."""

    minutes: tuple[int, ...]  # to be rolled up
    calls: pa.Table  # from derive_calls
    error_spans: pa.Table
    error_logs: pa.Table
    presence: pa.Table  # service, version, time_ns of all spans and logs


@dataclass(slots=True)
class GroupSeen:
    """An error group as a chunk saw it."""

    id: str
    kind: str
    title: str
    evidence: list[str]
    template: str
    codes: list[str]
    service: str
    api: str
    exception_type: str
    first_seen_ns: int
    last_seen_ns: int
    count: int
    samples: list[str] = field(default_factory=list)
    parameters: list[str] = field(default_factory=list)
    neighbours: list[dict[str, Any]] = field(default_factory=list)


@dataclass(slots=True)
class Digest:
    """The chunk's roll-ups, the groups that it saw, the first minute of each (service, version), and the model as it is now."""

    calls: pa.Table
    errors: pa.Table
    groups: list[GroupSeen]
    versions: dict[tuple[str, str], int]
    model: dict[str, Any]
    records: int


def digest(chunk: Chunk, model: Mapping[str, Any], aliases: Mapping[str, str], services: Collection[str]) -> Digest:
    """`model` is the miner's state (empty at first), `aliases` map groups that people or the joiner merged: old ID -> ID."""
    minutes = pa.array(chunk.minutes, pa.int64())
    calls = with_api(chunk.calls)
    origins = origins_of(chunk.error_spans, chunk.error_logs)
    versions = first_minutes(chunk.presence)
    known = frozenset(services) | {service for service, _ in versions}
    happened = [
        *call_events(calls, origins, known), *log_events(chunk.error_logs, calls),
        *span_events(chunk.error_spans, chunk.error_logs, calls, origins),
    ]
    wanted = set(chunk.minutes)
    happened = [event for event in happened if event.minute in wanted]
    grouping = GroupingModel(model)
    assigned = grouping.assign([event.event for event in happened])
    ids = [_resolve(group_id, aliases) for group_id in assigned.groups]
    return Digest(
        calls=call_rollups(calls.filter(pc.is_in(calls.column("minute"), minutes))),
        errors=_error_rollups(happened, ids), groups=_groups(happened, assigned, ids, grouping),
        versions=versions, model=grouping.to_state(),
        records=len(chunk.calls) + len(chunk.error_spans) + len(chunk.error_logs),
    )


def _resolve(group_id: str, aliases: Mapping[str, str]) -> str:
    seen = set()
    while group_id in aliases and group_id not in seen:
        seen.add(group_id)
        group_id = aliases[group_id]
    return group_id


def _nameless(event: Happened) -> str:
    """A title for an error that brought neither code nor exception nor message."""
    what = str(event.event.status) if event.event.status else "An error"
    return f"{what} without a message on {event.api or event.service}"


def _error_rollups(happened: list[Happened], ids: list[str]) -> pa.Table:
    cells: dict[tuple[Any, ...], list[Any]] = {}
    for event, group_id in zip(happened, ids, strict=True):
        key = (event.minute, group_id, event.partner, event.api, event.service, event.outcome)
        cell = cells.setdefault(key, [0, event.trace_id])
        cell[0] += 1
        cell[1] = cell[1] or event.trace_id
    rows = [(*key, *cell) for key, cell in sorted(cells.items(), key=lambda item: item[0])]
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(ERRORS_SCHEMA)
    return pa.table([pa.array(list(c), f.type) for c, f in zip(columns, ERRORS_SCHEMA, strict=True)], schema=ERRORS_SCHEMA)


def _groups(happened: list[Happened], assigned: Assigned, ids: list[str], grouping: GroupingModel) -> list[GroupSeen]:
    groups: dict[str, GroupSeen] = {}
    for event, print_, group_id in zip(happened, assigned.prints, ids, strict=True):
        group = groups.get(group_id)
        if group is None:
            groups[group_id] = group = GroupSeen(
                id=group_id, kind=print_.kind, title=print_.title or _nameless(event), evidence=list(print_.evidence),
                template=(grouping.template(print_) or event.event.message or event.event.exception_message)[:_MESSAGE_CHARS],
                codes=list(event.event.codes), service=event.service, api=event.api,
                exception_type=event.event.exception_type, first_seen_ns=event.time_ns, last_seen_ns=event.time_ns, count=0,
                parameters=grouping.parameters(print_),
                neighbours=[{"id": n.id, "distance": round(n.distance, 3)} for n in assigned.neighbours.get(print_.id, ())],
            )
        group.count += 1
        group.first_seen_ns = min(group.first_seen_ns, event.time_ns)
        group.last_seen_ns = max(group.last_seen_ns, event.time_ns)
        if event.trace_id and event.trace_id not in group.samples and len(group.samples) < SAMPLES:
            group.samples.append(event.trace_id)
    return list(groups.values())
