"""Deliveries and told notices as documents; nothing else in this room maps them.

A notice is kept once, with the incident as it was, so that every attempt to every receiver tells the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from triage.domain.codec import from_body, to_body
from triage.domain.incident import Incident, Notice
from triage.domain.notice import Delivery
from triage.errors import Conflict
from triage.ports.state import Document, StateStore

DELIVERY: Final = "delivery"
NOTICE: Final = "notice"
PAGE: Final = 500


@dataclass(slots=True)
class Told:
    """A notice and the incident as it was when the notice was planned."""

    incident: Incident
    notice: Notice


def tags_of(delivery: Delivery) -> list[str]:
    """What a delivery can be selected by."""
    return [f"receiver:{delivery.receiver_id}", f"incident:{delivery.incident_id}", f"state:{delivery.state}"]


def put_delivery(state: StateStore, delivery: Delivery, version: int | None) -> Document:
    """Write a delivery by compare-and-set; `version=None` for a new one. Raises Conflict."""
    return state.put(
        DELIVERY, delivery.id, to_body(delivery), version=version, sort=delivery.created_ns, tags=tags_of(delivery),
    )


def put_once(state: StateStore, delivery: Delivery) -> bool:
    """Write a new delivery unless it is there already; whether it was new."""
    try:
        put_delivery(state, delivery, None)
    except Conflict:
        return False
    return True


def read_delivery(document: Document) -> Delivery:
    """The delivery that a document holds."""
    return from_body(Delivery, document.body)


def pending(state: StateStore) -> Iterator[Document]:
    """Every pending delivery, newest first."""
    cursor: str | None = None
    while True:
        page = state.select(DELIVERY, [["state:pending"]], limit=PAGE, cursor=cursor)
        yield from page.items
        if page.next is None:
            return
        cursor = page.next


def keep_told(state: StateStore, told: Told, now_ns: int) -> None:
    """Keep what a notice tells; the first version of it stays."""
    doc_id = _told_id(told.incident.id, told.notice.id)
    try:
        state.put(NOTICE, doc_id, to_body(told), version=None, sort=now_ns, tags=[f"incident:{told.incident.id}"])
    except Conflict:
        return


def read_told(state: StateStore, delivery: Delivery) -> Told | None:
    """What a delivery has to tell, or None when it is no longer kept."""
    document = state.get(NOTICE, _told_id(delivery.incident_id, delivery.notice_id))
    return from_body(Told, document.body) if document else None


def _told_id(incident_id: str, notice_id: str) -> str:
    return f"{incident_id}.{notice_id}"
