"""Incidents read for lists and pages: selection by tags with what the reader may see, rows, verdicts, counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from dashboards import gate
from dashboards.pages import IncidentRow
from dashboards.parts import Parts
from dashboards.svg import spark
from dashboards.words import count, plural, share, side_words, span_of_time
from triage.domain.incident import SEVERITIES, Incident
from triage.domain.windows import MINUTE_NS
from triage.incidents import documents

Where = list[tuple[str, ...]]
_SPARK_MINUTES: Final = 120
QUIET_NS: Final = 3 * MINUTE_NS
"""A live incident without a failure for longer is said to be quiet."""
RESTRICTED_TAG: Final = "restricted:yes"


@dataclass(frozen=True, slots=True)
class Found:
    """A page of incidents and the cursor of the next."""

    items: list[Incident]
    next: str | None


def select_incidents(
    parts: Parts, where: Where, *, limit: int, cursor: str | None = None, since_ns: int = 0,
) -> Found:
    """Incidents that the reader may see, newest first. `since_ns`: only those opened or still failing at or after it."""
    items: list[Incident] = []
    at = cursor
    while True:
        page = parts.state.select("incident", where, limit=limit - len(items), cursor=at)
        for doc in page.items:
            if gate.visible(doc.tags):
                incident = documents.read(doc)
                if max(incident.last_seen_ns, incident.opened_ns) >= since_ns:
                    items.append(incident)
        at = page.next
        if at is None or len(items) >= limit:
            return Found(items, at)


def worst_first(parts: Parts, where: Where, *, limit: int, cursor: str | None = None) -> Found:
    """The same by severity, newest first within each: what an on-call engineer has to look at first stands on top."""
    start, _, inner = (cursor or "").partition(":")
    items: list[Incident] = []
    for severity in SEVERITIES[SEVERITIES.index(start) if start in SEVERITIES else 0:]:
        found = select_incidents(parts, [*where, (f"severity:{severity}",)], limit=limit - len(items), cursor=inner or None)
        items += found.items
        if found.next or len(items) >= limit:
            following = f"{severity}:{found.next}" if found.next else _after(severity)
            return Found(items, following)
        inner = ""
    return Found(items, None)


def _after(severity: str) -> str | None:
    place = SEVERITIES.index(severity) + 1
    return f"{SEVERITIES[place]}:" if place < len(SEVERITIES) else None


def count_incidents(parts: Parts, where: Where) -> int:
    """How many of them the reader may see."""
    total = parts.state.count("incident", where)
    if total and not gate.may("restricted"):
        total -= parts.state.count("incident", [*where, (RESTRICTED_TAG,)])
    return total


def get_incident(parts: Parts, incident_id: str) -> Incident:
    """The incident. Raises KeyError when there is none that the reader may see."""
    doc = parts.state.get("incident", incident_id)
    if doc is None or not gate.visible(doc.tags):
        raise KeyError(f"incident {incident_id}")
    return documents.read(doc)


def incident_row(incident: Incident, now_ns: int) -> IncidentRow:
    """An incident as a row of the list."""
    end = failing_until(incident, now_ns)
    series = incident.series[-_SPARK_MINUTES:]
    values = [point.failed if incident.kind != "traffic_drop" else point.calls for point in series]
    return IncidentRow(
        incident=incident, sub=_sub(incident), spark=spark(values, f"failed calls by minute, at most {max(values, default=0)}"),
        failed_note=f"{share(incident.failed_calls, incident.total_calls)} of calls" if incident.total_calls else "",
        lasted=f"quiet for {span_of_time(now_ns - end)}" if is_quiet(incident, now_ns) else span_of_time(end - incident.first_seen_ns),
    )


def is_quiet(incident: Incident, now_ns: int) -> bool:
    """Whether a live incident has not failed for more than QUIET_NS."""
    return incident.is_live() and now_ns - incident.last_seen_ns > QUIET_NS


def failing_until(incident: Incident, now_ns: int) -> int:
    """Its last failure, or now while it goes on."""
    goes_on = incident.is_live() and not is_quiet(incident, now_ns)
    return max(now_ns, incident.last_seen_ns) if goes_on else incident.last_seen_ns


def _sub(incident: Incident) -> str:
    parts = []
    if incident.apis:
        first = f"{incident.apis[0].method} {incident.apis[0].route}"
        more = len(incident.apis) - 1
        parts.append(first + (f" and {plural(more, 'more API')}" if more else ""))
    elif incident.services:
        parts.append(", ".join(incident.services[:3]))
    parts.append(side_words(incident.whose_side))
    if incident.suspects and incident.suspects[0].kind == "change":
        parts.append(f"began with {incident.suspects[0].name}")
    if incident.restricted:
        parts.append("restricted to security")
    if incident.backfilled and not incident.is_live():
        parts.append("found after it was over")
    return " · ".join(parts)


def headline(counts: dict[str, int]) -> str:
    """'3 open · 1 snoozed'."""
    words = [f"{count(counts[state])} {state}" for state in ("open", "acknowledged", "snoozed") if counts.get(state)]
    return " · ".join(words) or "nothing open"


def touched(parts: Parts, prefix: str, where: Where, limit: int) -> dict[str, list[str]]:
    """What the newest incidents touch, by their tags alone: partner or API -> IDs of incidents. `prefix`: partner, api."""
    found: dict[str, list[str]] = {}
    start = f"{prefix}:"
    for doc in parts.state.select("incident", where, limit=limit).items:
        if gate.visible(doc.tags):
            for tag in doc.tags:
                if tag.startswith(start):
                    found.setdefault(tag[len(start):], []).append(doc.doc_id)
    return found
