"""Incidents as documents: how they are tagged, numbered, read and written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from triage.domain.codec import from_body, to_body
from triage.domain.incident import Incident
from triage.errors import Conflict
from triage.ports.state import Document, StateStore

KIND: Final = "incident"
_MOST_TAGS: Final = 2_500


def read(document: Document) -> Incident:
    """The incident of a document, with the document's version."""
    return replace(from_body(Incident, document.body), version=document.version)


def get(state: StateStore, incident_id: str) -> Incident | None:
    """The incident, or None."""
    document = state.get(KIND, incident_id)
    return read(document) if document else None


def write(state: StateStore, incident: Incident) -> Incident:
    """Compare-and-set by the incident's version (0: it must not exist). Raises Conflict."""
    document = state.put(
        KIND, incident.id, to_body(incident), version=incident.version or None, sort=incident.opened_ns, tags=tags(incident)
    )
    return replace(incident, version=document.version)


def live(state: StateStore) -> Iterator[Incident]:
    """Every incident that is not resolved."""
    yield from _all(state, [["live:yes"]])


def every(state: StateStore) -> Iterator[Incident]:
    """All incidents, the newest first."""
    yield from _all(state, [])


def recent(state: StateStore, most: int) -> list[Incident]:
    """The newest resolved incidents."""
    page = state.select(KIND, [["state:resolved"]], limit=most)
    return [read(document) for document in page.items]


def _all(state: StateStore, where: list[list[str]]) -> Iterator[Incident]:
    cursor = None
    while True:
        page = state.select(KIND, where, limit=200, cursor=cursor)
        yield from (read(document) for document in page.items)
        cursor = page.next
        if cursor is None:
            return


def tags(incident: Incident) -> list[str]:
    """What an incident can be selected by."""
    return [
        f"state:{incident.state}", f"severity:{incident.severity}", f"side:{incident.whose_side}", f"kind:{incident.kind}",
        f"live:{'yes' if incident.is_live() else 'no'}", f"restricted:{'yes' if incident.restricted else 'no'}",
        *(["split:yes"] if incident.split_from else []),
        *(["unsent:yes"] if any(not notice.sent for notice in incident.notices) else []),
        *([f"assignee:{incident.assignee}"] if incident.assignee else []),
        *(f"group:{group}" for group in incident.groups), *(f"api:{api.method} {api.route}".strip() for api in incident.apis),
        *(f"partner:{impact.id}" for impact in incident.partners),
    ][:_MOST_TAGS]


def next_number(state: StateStore) -> int:
    """The next n of INC-<n>. Several writers get different numbers."""
    while True:
        document = state.get("counter", KIND)
        number = int(document.body["last"]) + 1 if document else 1
        try:
            state.put("counter", KIND, {"last": number}, version=document.version if document else None)
        except Conflict:
            continue
        return number
