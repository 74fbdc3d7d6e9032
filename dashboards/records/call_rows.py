"""Calls as pages and scripts see them: witnesses become calls here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dashboards.incidents.links import IncidentLinks
from dashboards.pages import CallRow
from dashboards.parts import Parts
from triage.calls.join import derive_calls
from triage.domain.incident import Incident
from triage.domain.windows import rfc3339
from triage.ports.records import RecordStore

Row = dict[str, Any]


def calls_of(witnesses: pa.Table) -> list[Row]:
    """Witnesses -> calls, newest first; each a dict of `CALL_COLUMNS` and `call_id`."""
    rows: list[Row] = derive_calls(witnesses).to_pylist()
    rows.sort(key=lambda row: (-row["time_ns"], row["call_id"]))
    return rows


def with_twins(records: RecordStore, witnesses: pa.Table) -> pa.Table:
    """These witnesses and the others of their traces, in order of time."""
    traces = {trace_id for trace_id in witnesses.column("trace_id").to_pylist() if trace_id}
    if not traces:
        return witnesses.sort_by("time_ns")
    others = records.by_trace("calls", traces)
    fresh = pc.invert(pc.is_in(others.column("witness_id"), witnesses.column("witness_id").combine_chunks()))
    return pa.concat_tables([witnesses, others.filter(fresh)]).sort_by("time_ns")


def call_rows(parts: Parts, rows: Sequence[Row]) -> tuple[CallRow, ...]:
    """Calls as rows of a page."""
    links = IncidentLinks(parts, rows)
    names = {partner: parts.partner_name(partner) for partner in {row["partner"] for row in rows}}
    return tuple(_call_row(row, names[row["partner"]], links.incident_of(row)) for row in rows)


def _call_row(row: Row, partner_name: str, incident: Incident | None) -> CallRow:
    return CallRow(
        call_id=row["call_id"], time_ns=row["time_ns"], partner=row["partner"], partner_name=partner_name,
        method=row["method"], route=row["route"], status=row["status"], outcome=row["outcome"],
        duration_ns=row["duration_ns"], service=row["service"], codes=row["codes"], message=row["message"],
        trace_id=row["trace_id"], incident_id=incident.id if incident else "", source=row["source"],
    )


def call_json(row: CallRow) -> dict[str, Any]:
    """A call in the JSON of lookups, traces and `/api/v1/calls`."""
    return {
        "call_id": row.call_id, "at": rfc3339(row.time_ns), "partner": row.partner, "partner_name": row.partner_name,
        "api": f"{row.method} {row.route}", "status": row.status, "outcome": row.outcome,
        "duration_ms": round(row.duration_ns / 1e6, 3), "trace_id": row.trace_id or None,
        "incident_id": row.incident_id or None, "service": row.service or None, "codes": row.codes.split(),
        "source": row.source,
    }
