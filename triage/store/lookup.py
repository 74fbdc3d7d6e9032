"""How what carries an ID becomes the answer of `RecordStore.find`, the same on every adapter."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from triage.domain.columns import ALIAS_COLUMNS, Signal
from triage.ports.records import Found


def carried(signal: Signal, row: Mapping[str, Any], value: str) -> Iterable[Found]:
    """What a record says about an ID: each kind of ID under which it carries `value`."""
    trace, time_ns = row["trace_id"], row["time_ns"]
    if signal == "calls":
        witness = row["witness_id"]
        kinds = [kind for column, kind in ALIAS_COLUMNS.items() if row[column] == value]
        kinds += ["witness_id"] if witness == value else []
        kinds += ["span_id"] if row["span_id"] == value else []
        return [Found(kind, value, trace, witness, time_ns) for kind in kinds]
    columns = ("trace_id", "span_id") if signal == "spans" else ("trace_id",)
    return [Found(column, value, trace, "", time_ns) for column in columns if row[column] == value]


def merged(found: Iterable[Found], limit: int) -> list[Found]:
    """One answer a kind, trace and witness, newest first. Spans and logs only speak where no witness does."""
    newest: dict[tuple[str, str, str], Found] = {}
    for item in found:
        key = (item.kind, item.trace_id, item.witness_id)
        if key not in newest or newest[key].time_ns < item.time_ns:
            newest[key] = item
    witnessed = {(kind, trace) for kind, trace, witness in newest if witness}
    told = [item for item in newest.values() if item.witness_id or (item.kind, item.trace_id) not in witnessed]
    return newest_first(told)[:limit]


def newest_first(found: Iterable[Found]) -> list[Found]:
    """In the order of every answer."""
    return sorted(found, key=lambda item: (-item.time_ns, item.kind, item.witness_id, item.trace_id, item.value))
