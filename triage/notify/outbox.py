"""From the notices that incidents hold to deliveries, at least once and never doubled.

An incident's document holds its notices, since there are no transactions over documents. Each run writes what is to be
told, then one delivery a receiver under an ID that follows from incident, notice and receiver, and only then marks the
notice as sent. A process that is killed in between leaves no mark; the next run meets these documents and goes on.
Notices that a silence covers stay unsent until it ends; then those of a problem that is over are told to nobody.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from triage.domain.codec import from_body
from triage.domain.incident import Incident
from triage.domain.notice import Receiver
from triage.domain.windows import DAY_NS
from triage.errors import Conflict
from triage.notify.ledger import Told, keep_told, put_once
from triage.notify.plan import plan, snapshot
from triage.notify.receivers import all_receivers
from triage.notify.silences import Silence, covering, silences_since
from triage.ports.state import Document, StateStore

INCIDENT: Final = "incident"
UNSENT_TAG: Final = "unsent:yes"
PAGE: Final = 100
MARK_TRIES: Final = 5
LONGEST_SILENCE_NS: Final = 8 * DAY_NS
"""How long an ended silence is remembered as the reason that nobody was told."""
_BEGINNINGS: Final = ("incident.opened", "incident.reopened")
_SILENCED: Final = "a silence held it back until the problem was over"


@dataclass(slots=True)
class PlanRun:
    """What one run did. `deliveries` are new ones to send, `dropped` new ones that their receiver does not want, `held`
    notices that wait for the end of a silence."""

    notices: int = 0
    deliveries: int = 0
    dropped: int = 0
    held: int = 0


@dataclass(frozen=True, slots=True)
class _Whom:
    """Who is to be told, and what is silenced."""

    receivers: list[Receiver]
    silences: list[Silence]


def plan_deliveries(state: StateStore, now_ns: int) -> PlanRun:
    """Plan deliveries for every notice that is not sent yet. It can be run again after any failure."""
    run = PlanRun()
    whom: _Whom | None = None
    cursor: str | None = None
    while True:
        page = state.select(INCIDENT, [[UNSENT_TAG]], limit=PAGE, cursor=cursor)
        if page.items and whom is None:
            whom = _Whom(all_receivers(state), silences_since(state, now_ns - LONGEST_SILENCE_NS))
        for document in page.items:
            _plan_incident(state, document, whom or _Whom([], []), now_ns, run)
        if page.next is None:
            return run
        cursor = page.next


def _plan_incident(state: StateStore, document: Document, whom: _Whom, now_ns: int, run: PlanRun) -> None:
    incident = from_body(Incident, document.body)
    incident.version = document.version
    shown = snapshot(incident)
    unsent = [notice for notice in incident.notices if not notice.sent]
    if covering(whom.silences, incident, now_ns):
        run.held += len(unsent)
        return
    untold = not incident.is_live() and any(
        notice.type in _BEGINNINGS and covering(whom.silences, incident, notice.at_ns) for notice in unsent)
    for notice in unsent:
        keep_told(state, Told(shown, notice), now_ns)
        # The run's count makes creation times differ, so that notices of one run keep their order at a receiver.
        order = run.deliveries + run.dropped
        for delivery in plan(incident, notice, whom.receivers, now_ns + order, silenced=_SILENCED if untold else ""):
            if put_once(state, delivery):
                run.dropped += delivery.state == "dropped"
                run.deliveries += delivery.state == "pending"
    _mark_sent(state, document, {notice.id for notice in unsent})
    run.notices += len(unsent)


def _mark_sent(state: StateStore, document: Document, notice_ids: set[str]) -> None:
    """Mark these notices as sent, on top of what others wrote in between. Failing that, the next run does it."""
    current: Document | None = document
    for _ in range(MARK_TRIES):
        if current is None:
            return
        body = current.body
        body["notices"] = [_marked(notice, notice_ids) for notice in body["notices"]]
        tags = [tag for tag in current.tags if tag != UNSENT_TAG]
        if not all(notice["sent"] for notice in body["notices"]):
            tags.append(UNSENT_TAG)
        try:
            state.put(INCIDENT, current.doc_id, body, version=current.version, sort=current.sort, tags=tags)
        except Conflict:
            current = state.get(INCIDENT, document.doc_id)
        else:
            return


def _marked(notice: dict[str, Any], notice_ids: set[str]) -> dict[str, Any]:
    return {**notice, "sent": True} if notice["id"] in notice_ids else notice
