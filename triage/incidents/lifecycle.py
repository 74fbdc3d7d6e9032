"""What people do to incidents: acknowledge, assign, snooze, resolve, reopen, comment, merge, split. Each leaves a trace."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from triage.domain.incident import Action, Incident, Notice, NoticeType, TimelineEntry
from triage.domain.windows import HOUR_NS
from triage.errors import Conflict, NotAllowed
from triage.incidents import documents
from triage.ports.state import StateStore


@dataclass(frozen=True, slots=True)
class Request:
    """One action on one incident. `version` is what the actor saw; it is stale when another person has acted since."""

    action: Action
    version: int
    actor: str
    reason: str = ""
    assignee: str = ""
    until_ns: int = 0
    text: str = ""
    into: str = ""
    groups: Sequence[str] = ()


def act(state: StateStore, incident_id: str, request: Request, now_ns: int) -> Incident:
    """Apply the action and return the incident. Raises KeyError, Conflict, NotAllowed."""
    incident = documents.get(state, incident_id)
    if incident is None:
        raise KeyError(incident_id)
    if not incident.acted_version <= request.version <= incident.version:
        raise Conflict(documents.KIND, incident_id, request.version, incident.version)
    new = replace(incident, timeline=list(incident.timeline), notices=list(incident.notices), groups=list(incident.groups))
    if incident.merged_into and request.action not in ("comment", "reopen"):
        raise NotAllowed(f"{incident_id} was merged into {incident.merged_into}; act on that one")
    _ACTIONS[request.action](state, new, request, now_ns)
    new.acted_version = incident.version + 1
    return documents.write(state, new)


def _acknowledge(state: StateStore, incident: Incident, request: Request, now_ns: int) -> None:
    if incident.state not in ("open", "snoozed"):
        raise NotAllowed(f"it is {incident.state} already; reopen it first" if incident.state == "resolved"
                         else "it is acknowledged already")
    incident.state = "acknowledged"
    incident.assignee = incident.assignee or request.actor
    _log(incident, request, now_ns, "acknowledged")
    _tell(incident, "incident.acknowledged", now_ns, f"acknowledged by {request.actor}")


def _assign(state: StateStore, incident: Incident, request: Request, now_ns: int) -> None:
    before, incident.assignee = incident.assignee, request.assignee
    _log(incident, request, now_ns, "assigned", f"{before or 'nobody'} -> {request.assignee or 'nobody'}")


def _snooze(state: StateStore, incident: Incident, request: Request, now_ns: int) -> None:
    if incident.state == "resolved":
        raise NotAllowed("it is resolved; there is nothing to snooze")
    if not now_ns < request.until_ns <= now_ns + 30 * 24 * HOUR_NS:
        raise NotAllowed("the end of a snooze must be in the future, at most 30 days ahead")
    incident.state, incident.snoozed_until_ns = "snoozed", request.until_ns
    _log(incident, request, now_ns, "snoozed")


def _resolve(state: StateStore, incident: Incident, request: Request, now_ns: int) -> None:
    if incident.state == "resolved":
        raise NotAllowed("it is resolved already")
    incident.state, incident.resolved_ns = "resolved", now_ns
    _log(incident, request, now_ns, "resolved")
    _tell(incident, "incident.resolved", now_ns, request.reason or f"resolved by {request.actor}")


def _reopen(state: StateStore, incident: Incident, request: Request, now_ns: int) -> None:
    if incident.state == "open":
        raise NotAllowed("it is open already")
    was, incident.state, incident.resolved_ns, incident.merged_into = incident.state, "open", 0, ""
    if was == "acknowledged" and incident.assignee == request.actor:
        incident.assignee = ""  # who takes it back does not own it any more
    _log(incident, request, now_ns, "reopened", f"was {was}")
    if was == "resolved":
        _tell(incident, "incident.reopened", now_ns, request.reason or f"reopened by {request.actor}")


def _comment(state: StateStore, incident: Incident, request: Request, now_ns: int) -> None:
    if not request.text.strip():
        raise NotAllowed("the comment is empty")
    _log(incident, request, now_ns, "commented", request.text.strip()[:4000])


def _merge(state: StateStore, incident: Incident, request: Request, now_ns: int) -> None:
    target = documents.get(state, request.into)
    if target is None or target.id == incident.id:
        raise NotAllowed(f"there is no other incident {request.into!r} to merge into")
    if target.merged_into:
        raise NotAllowed(f"{target.id} was merged into {target.merged_into} itself")
    grown = replace(
        target, groups=list(dict.fromkeys([*target.groups, *incident.groups])), timeline=list(target.timeline),
        trace_ids=list(dict.fromkeys([*target.trace_ids, *incident.trace_ids]))[:20],
        first_seen_ns=min(target.first_seen_ns, incident.first_seen_ns),
    )
    _log(grown, request, now_ns, "merged", f"{incident.id} was merged into this one")
    documents.write(state, grown)
    incident.state, incident.resolved_ns, incident.merged_into = "resolved", now_ns, target.id
    _log(incident, request, now_ns, "merged", f"into {target.id}")


def _split(state: StateStore, incident: Incident, request: Request, now_ns: int) -> None:
    leaving = [group for group in incident.groups if group in set(request.groups)]
    if not leaving or len(leaving) == len(incident.groups):
        raise NotAllowed("name some of its groups, not all and not none")
    incident.groups = [group for group in incident.groups if group not in set(leaving)]
    twin = replace(
        incident, id=f"INC-{documents.next_number(state)}", key=f"{incident.kind}|{leaving[0]}", groups=leaving, version=0,
        timeline=[], notices=[], assignee="", split_from=incident.id,
    )
    _log(twin, request, now_ns, "split", f"from {incident.id}")
    documents.write(state, twin)
    _log(incident, request, now_ns, "split", f"{len(leaving)} groups became {twin.id}")


_ACTIONS: Final[dict[Action, Callable[[StateStore, Incident, Request, int], None]]] = {
    "acknowledge": _acknowledge, "assign": _assign, "snooze": _snooze, "resolve": _resolve, "reopen": _reopen,
    "comment": _comment, "merge": _merge, "split": _split,
}


def _log(incident: Incident, request: Request, now_ns: int, action: str, detail: str = "") -> None:
    incident.timeline.append(TimelineEntry(now_ns, request.actor, action, request.reason, detail))


def _tell(incident: Incident, type_: NoticeType, now_ns: int, reason: str) -> None:
    incident.notices.append(Notice(f"{incident.id}-{len(incident.notices) + 1}", type_, now_ns, reason))
