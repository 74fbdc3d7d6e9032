"""In: an incident with a notice, and receivers. Out: one delivery for each receiver, dropped ones with a reason."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from triage.domain.incident import Incident, Notice, Suspect
from triage.domain.notice import Delivery, Filter, Receiver

# A message names the worst of each list, so that it stays readable and under the size limits of receivers.
MAX_LISTED: Final = 20
MAX_TRACES: Final = 10
MAX_SUSPECTS: Final = 5
MAX_REASONS: Final = 5
MAX_TEXT: Final = 300
MAX_SUMMARY: Final = 1_000


def plan(
    incident: Incident, notice: Notice, receivers: Iterable[Receiver], now_ns: int, *, silenced: str = "",
) -> list[Delivery]:
    """One delivery for each receiver; those that do not want the notice are `dropped` and say why.

    `silenced`: why nobody is to be told of it any more.
    """
    return [_delivery(incident, notice, receiver, now_ns, silenced) for receiver in receivers]


def _delivery(incident: Incident, notice: Notice, receiver: Receiver, now_ns: int, silenced: str) -> Delivery:
    token = delivery_token(incident.id, notice.id, receiver.id)
    reason = refusal(receiver, incident, notice) or silenced
    return Delivery(
        id=f"dlv_{token}", receiver_id=receiver.id, incident_id=incident.id, notice_id=notice.id, type=notice.type,
        state="dropped" if reason else "pending", created_ns=now_ns, webhook_id=f"msg_{token}", next_at_ns=now_ns,
        reason=reason,
    )


def delivery_token(incident_id: str, notice_id: str, receiver_id: str) -> str:
    """What names a delivery: the same whenever it is planned again, so that a repetition is not a second message."""
    return hashlib.sha256(f"{incident_id}\0{notice_id}\0{receiver_id}".encode()).hexdigest()[:24]


def refusal(receiver: Receiver, incident: Incident, notice: Notice) -> str:
    """Why this receiver is not told, in words for its log; empty when it is."""
    if not receiver.enabled:
        return f"the receiver is disabled{because(receiver.disabled_reason)}"
    wanted = receiver.filter
    if incident.restricted and not wanted.restricted:
        return "the incident is restricted and the receiver does not take restricted ones"
    if wanted.types and notice.type not in wanted.types:
        return f"the receiver does not want {notice.type}"
    if wanted.severity and incident.severity not in wanted.severity:
        return f"the receiver does not want severity {incident.severity}"
    if wanted.partner and not _touches_partner(wanted, incident):
        return "none of the receiver's partners is affected"
    if wanted.api and not _touches_api(wanted, incident):
        return "none of the receiver's APIs is affected"
    return ""


def snapshot(incident: Incident) -> Incident:
    """The incident as messages show it: lists cut to the worst entries, texts to a length, no curve and no history."""
    return replace(
        incident,
        title=clip(incident.title), summary=clip(incident.summary, MAX_SUMMARY), scope=clip(incident.scope),
        partners=incident.partners[:MAX_LISTED], apis=incident.apis[:MAX_LISTED],
        services=incident.services[:MAX_LISTED], instances=incident.instances[:MAX_LISTED],
        suspects=[_short(suspect) for suspect in incident.suspects[:MAX_SUSPECTS]],
        groups=incident.groups[:MAX_LISTED], trace_ids=incident.trace_ids[:MAX_TRACES],
        comparison=[], series=[], timeline=[], notices=[], similar=[],
    )


def clip(text: str, limit: int = MAX_TEXT) -> str:
    """The text, with an ellipsis at its end when it is longer than `limit` characters."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _short(suspect: Suspect) -> Suspect:
    return replace(
        suspect, name=clip(suspect.name), why=[clip(reason) for reason in suspect.why[:MAX_REASONS]],
        why_not=[clip(reason) for reason in suspect.why_not[:MAX_REASONS]],
    )


def _touches_partner(wanted: Filter, incident: Incident) -> bool:
    return any(partner.id in wanted.partner or partner.name in wanted.partner for partner in incident.partners)


def _touches_api(wanted: Filter, incident: Incident) -> bool:
    return any(api.route in wanted.api or f"{api.method} {api.route}" in wanted.api for api in incident.apis)


def because(reason: str) -> str:
    """A reason as the end of a sentence; nothing when there is none."""
    return f": {reason}" if reason else ""
