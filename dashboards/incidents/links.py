"""Which incident a call belongs to.

First the incident that holds its trace; then, of those of its time, the one that is about what failed in it: the service where its
trace began to fail, or the error codes of a refused call; last the only one that fits by partner, API and time. What is not sure is none.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, Final

import pyarrow.compute as pc

from dashboards import gate
from dashboards.parts import Parts
from triage.analyse.events import GATEWAY, Origin, began, origins_of
from triage.domain.calls import FAULT_OUTCOMES
from triage.domain.incident import SEVERITIES, Incident
from triage.domain.windows import MINUTE_NS, NS
from triage.incidents import documents
from triage.ports.masked import arrow_schema

Row = dict[str, Any]
_CANDIDATES: Final = 30
_EDGE_NS: Final = 5 * MINUTE_NS  # a call so near to an incident's bounds still belongs to it
_FAULT_SIDES: Final = ("gateway", "bank", "external", "unknown")
_FAILED_SPAN: Final = 2


def api_of(row: Row) -> str:
    """'<METHOD> <route>', as roll-ups and tags name an API."""
    return f"{row['method']} {row['route']}"


class IncidentLinks:
    """Finds the incidents that some calls belong to. Looks up each API and partner once; lives as long as one request."""

    def __init__(self, parts: Parts, rows: Sequence[Row]) -> None:
        self._parts = parts
        self._rows = [row for row in rows if _may_belong(row)]
        times = [row["time_ns"] for row in self._rows]
        self._window = (min(times, default=0), max(times, default=0))
        self._by_tag: dict[str, list[Incident]] = {}
        self._codes: dict[str, frozenset[str]] = {}

    def incident_of(self, row: Row) -> Incident | None:
        """The incident that explains a call; None when there is none, or when it is not sure which."""
        if not _may_belong(row):
            return None
        near = list(self._candidates(row))
        if holding := [incident for incident in near if row["trace_id"] and row["trace_id"] in incident.trace_ids]:
            return self._final(_worst(holding))
        if row["outcome"] in ("ok", "unknown"):
            return None
        near = [incident for incident in near if _same_side(incident, row) and _same_time(incident, row)]
        if not near:
            return None
        return self._of_fault(row, near) if row["outcome"] in FAULT_OUTCOMES else self._of_refusal(row, near)

    def _of_fault(self, row: Row, near: list[Incident]) -> Incident | None:
        service, _ = began(row, self._origins.get(row["trace_id"]), self._services)
        fits = [incident for incident in near if _in_scope(incident, row)]
        same = [incident for incident in (fits if service == GATEWAY else near) if incident.services[:1] == [service]]
        if same:
            return self._final(_worst(same))
        unproven = service in ("", GATEWAY)  # no trace tells whether something behind the gateway failed
        return self._only(incident for incident in fits if unproven or not incident.services)

    def _of_refusal(self, row: Row, near: list[Incident]) -> Incident | None:
        fits = [incident for incident in near if _in_scope(incident, row)]
        codes = set(row["codes"].split())
        same = [incident for incident in fits if codes & self._codes_of(incident)]
        return self._final(_worst(same)) if same else self._only(fits)

    def _only(self, fits: Iterable[Incident]) -> Incident | None:
        finals = {final.id: final for final in map(self._final, fits)}
        return next(iter(finals.values())) if len(finals) == 1 else None

    @cached_property
    def _origins(self) -> dict[str, Origin]:
        """Trace -> where it began to fail, of all calls that failed by a fault."""
        traces = {row["trace_id"] for row in self._rows if row["outcome"] in FAULT_OUTCOMES and row["trace_id"]}
        if not traces:
            return {}
        spans = self._parts.records.by_trace("spans", traces)
        return origins_of(spans.filter(pc.equal(spans.column("status"), _FAILED_SPAN)), arrow_schema("logs").empty_table())

    @cached_property
    def _services(self) -> frozenset[str]:
        """The bank's own services."""
        known = self._parts.state.get("model", "services")
        return frozenset(known.body) if known else frozenset()

    def _codes_of(self, incident: Incident) -> frozenset[str]:
        if incident.id not in self._codes:
            groups = (self._parts.state.get("group", group) for group in incident.groups[:10])
            self._codes[incident.id] = frozenset(code for group in groups if group for code in group.body.get("codes", ()))
        return self._codes[incident.id]

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
        began_ns = min([int(body["first_seen_ns"]), *(int(episode["since_ns"]) for episode in body.get("earlier", ()))])
        return began_ns - _EDGE_NS <= last and (live or int(body["last_seen_ns"]) + _EDGE_NS >= first)

    def _final(self, incident: Incident) -> Incident:
        """A merged incident leads to the one that it was merged into."""
        if not incident.merged_into:
            return incident
        doc = self._parts.state.get("incident", incident.merged_into)
        return documents.read(doc) if doc and gate.visible(doc.tags) else incident


def as_then(incident: Incident, at_ns: int) -> Incident:
    """An incident that came back as it was in the earlier episode of that time; else as it is."""
    for episode in incident.earlier:
        if at_ns < incident.first_seen_ns - _EDGE_NS and episode.since_ns - _EDGE_NS <= at_ns <= episode.until_ns + _EDGE_NS:
            return replace(incident, state="resolved", first_seen_ns=episode.since_ns, last_seen_ns=episode.until_ns,
                           failed_calls=episode.failed_calls, customers=0)
    return incident


def _may_belong(row: Row) -> bool:
    """A call that failed, or was so slow that it may show an incident of latency."""
    return bool(row["outcome"] != "ok" or row["duration_ns"] >= NS)


def _worst(incidents: Iterable[Incident]) -> Incident:
    return min(incidents, key=lambda incident: (SEVERITIES.index(incident.severity), -incident.opened_ns))


def _same_side(incident: Incident, row: Row) -> bool:
    return (row["outcome"] in FAULT_OUTCOMES) == (incident.whose_side in _FAULT_SIDES)


def _same_time(incident: Incident, row: Row) -> bool:
    """Whether the call is of the present episode, or of one before."""
    times = [(episode.since_ns, episode.until_ns) for episode in incident.earlier]
    times.append((incident.first_seen_ns, max(incident.last_seen_ns, row["time_ns"] if incident.is_live() else 0)))
    return any(since - _EDGE_NS <= row["time_ns"] <= until + _EDGE_NS for since, until in times)


def _in_scope(incident: Incident, row: Row) -> bool:
    """Whether the call's API and partner are among those of the incident."""
    apis = {f"{api.method} {api.route}" for api in incident.apis}
    partners = {partner.id for partner in incident.partners}
    return (not apis or api_of(row) in apis) and (not partners or row["partner"] in partners)
