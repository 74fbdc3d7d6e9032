"""Calls as pages and scripts see them: witnesses become calls here, and failed calls find their incident."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from dashboards import gate
from dashboards.pages import CallRow
from dashboards.parts import Parts
from triage.calls.join import derive_calls
from triage.domain.calls import FAULT_OUTCOMES
from triage.domain.incident import SEVERITIES, Incident
from triage.domain.windows import MINUTE_NS, NS, rfc3339
from triage.incidents import documents
from triage.ports.records import RecordStore

Row = dict[str, Any]
_CANDIDATES: Final = 30
_EDGE_NS: Final = 5 * MINUTE_NS  # a call so near to an incident's bounds still belongs to it


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


def api_of(row: Row) -> str:
    """'<METHOD> <route>', as roll-ups and tags name an API."""
    return f"{row['method']} {row['route']}"


class IncidentLinks:
    """Finds the incidents that some calls belong to. Looks up each API and partner once; lives as long as one request."""

    def __init__(self, parts: Parts, rows: Sequence[Row]) -> None:
        self._parts = parts
        times = [row["time_ns"] for row in rows if _may_belong(row)]
        self._window = (min(times, default=0), max(times, default=0))
        self._by_tag: dict[str, list[Incident]] = {}

    def incident_of(self, row: Row) -> Incident | None:
        """The most severe incident that explains a call, or None."""
        if not _may_belong(row):
            return None
        fits = [incident for incident in self._candidates(row) if _explains(incident, row)]
        fits.sort(key=lambda i: (row["trace_id"] not in i.trace_ids, SEVERITIES.index(i.severity), -i.opened_ns))
        return self._final(fits[0]) if fits else None

    def _candidates(self, row: Row) -> Iterable[Incident]:
        seen: dict[str, Incident] = {}
        for tag in (f"api:{api_of(row)}", f"partner:{row['partner']}"):
            if tag not in self._by_tag:
                page = self._parts.state.select("incident", [(tag,)], limit=_CANDIDATES)
                self._by_tag[tag] = [documents.read(doc) for doc in page.items
                                     if gate.visible(doc.tags) and self._in_time(doc.body)]
            seen.update((incident.id, incident) for incident in self._by_tag[tag])
        return seen.values()

    def _in_time(self, body: Row) -> bool:
        """Whether an incident's time touches that of the calls; asked before its document is read in full."""
        first, last = self._window
        live: bool = body["state"] != "resolved"
        return int(body["first_seen_ns"]) - _EDGE_NS <= last and (live or int(body["last_seen_ns"]) + _EDGE_NS >= first)

    def _final(self, incident: Incident) -> Incident:
        """A merged incident leads to the one that it was merged into."""
        if not incident.merged_into:
            return incident
        doc = self._parts.state.get("incident", incident.merged_into)
        return documents.read(doc) if doc and gate.visible(doc.tags) else incident


def _may_belong(row: Row) -> bool:
    """A call that failed, or was so slow that it may show an incident of latency."""
    return bool(row["outcome"] != "ok" or row["duration_ns"] >= NS)


def _explains(incident: Incident, row: Row) -> bool:
    if row["trace_id"] and row["trace_id"] in incident.trace_ids:
        return True
    if row["outcome"] in ("ok", "unknown"):
        return False
    late = row["time_ns"] > incident.last_seen_ns + _EDGE_NS and not incident.is_live()
    if row["time_ns"] < incident.first_seen_ns - _EDGE_NS or late:
        return False
    if (row["outcome"] in FAULT_OUTCOMES) != (incident.whose_side in ("gateway", "bank", "external", "unknown")):
        return False
    apis = {f"{api.method} {api.route}" for api in incident.apis}
    partners = {partner.id for partner in incident.partners}
    return (not apis or api_of(row) in apis) and (not partners or row["partner"] in partners)


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
