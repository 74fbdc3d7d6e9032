"""Receivers, deliveries and attempts: where to tell, what to tell, and how it went.

A delivery starts `pending`. It ends `delivered`, `failed` (no attempt is left or can help) or `dropped` (not to be
sent to that receiver; `reason` says why).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal, get_args

from triage.domain.incident import Incident, Notice, NoticeType

Format = Literal["native", "alertmanager", "pagerduty", "slack", "teams"]
DeliveryState = Literal["pending", "delivered", "failed", "dropped"]
DELIVERY_STATES: Final[tuple[DeliveryState, ...]] = get_args(DeliveryState)
NOTICE_TYPES: Final[tuple[NoticeType, ...]] = (
    "incident.opened", "incident.escalated", "incident.acknowledged", "incident.resolved", "incident.reopened",
    "receiver.test",
)


@dataclass(slots=True)
class Filter:
    """What a receiver wants. An empty list wants all; with entries, one of them has to match.

    `partner` holds IDs or names; `api` holds `METHOD /route` or `/route`.
    """

    severity: list[str] = field(default_factory=list)
    partner: list[str] = field(default_factory=list)
    api: list[str] = field(default_factory=list)
    types: list[str] = field(default_factory=list)
    restricted: bool = False  # also incidents that only the security role may see


@dataclass(slots=True)
class Receiver:
    """Where to tell. URL and secret are credentials (a chat's URL is one by itself) and stay out of its `repr`."""

    id: str
    name: str
    url: str = field(repr=False)
    format: Format
    secret: str = field(repr=False)
    enabled: bool = True
    filter: Filter = field(default_factory=Filter)
    created_ns: int = 0
    disabled_reason: str = ""


@dataclass(slots=True)
class Attempt:
    """One try. `status` is the HTTP status, 0 when there was no answer; `error` is empty after a success."""

    at_ns: int
    status: int
    error: str
    seconds: float


@dataclass(slots=True)
class Delivery:
    """One notice for one receiver. Its ID follows from the incident, the notice and the receiver."""

    id: str
    receiver_id: str
    incident_id: str
    notice_id: str
    type: NoticeType
    state: DeliveryState
    created_ns: int
    webhook_id: str  # the same at every attempt, so that a receiver can tell a repetition
    next_at_ns: int = 0  # a pending one may be tried from here on
    tries: int = 0  # attempts since it was planned or replayed
    reason: str = ""  # why it was dropped or has failed
    attempts: list[Attempt] = field(default_factory=list)  # oldest first, the latest of them


@dataclass(frozen=True, slots=True)
class Message:
    """Everything that one attempt needs. `incident` is as it was when the notice was planned."""

    receiver: Receiver
    incident: Incident
    notice: Notice
    webhook_id: str
    at_ns: int  # of this attempt
