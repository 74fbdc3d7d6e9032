"""Findings and the incidents that are there -> what changes: opened, updated, escalated, reopened, resolved.

An incident takes a finding that shares an error group with it, or has the same key, and is near it in time. What ended more than an
hour before it was found opens as resolved and tells nobody. An incident resolves by itself after a quiet time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Final

from triage.domain.finding import Finding
from triage.domain.incident import SEVERITIES, Episode, Incident, Notice, NoticeType, TimelineEntry
from triage.domain.windows import HOUR_NS, MINUTE_NS, rfc3339
from triage.errors import Conflict
from triage.incidents import documents
from triage.ports.state import StateStore

ANALYSIS: Final = "analysis"
REGRESSION_NS: Final = 6 * HOUR_NS
"""A problem that comes back within this time after its incident was resolved reopens it, as a regression."""
BACKFILL_NS: Final = HOUR_NS
ONE_PARTNER: Final = "|partner:"
CLAIM: Final = "incident_claim"
CLAIM_NS: Final = 5 * MINUTE_NS
"""A claim without an incident is void after this time: the worker that made it has died."""
_MOST_TRACES: Final = 20
_RECENT: Final = 200
_MOST_TIMELINE: Final = 500
_OF_EPISODE: Final = ("partners", "apis", "services", "instances", "suspects", "comparison", "series", "trace_ids")
_MOST_EARLIER: Final = 20
_EDGE_NS: Final = 5 * MINUTE_NS


@dataclass(frozen=True, slots=True)
class FoldSettings:
    """How long is quiet, minutes."""

    resolve_minutes: int = 30


def fold_findings(findings: Iterable[Finding], state: StateStore, now_ns: int, settings: FoldSettings) -> list[Incident]:
    """Apply one run's findings. Returns the incidents that changed. A document that a person changed meanwhile is taken up by
    the next run."""
    live = list(documents.live(state))
    resolved = documents.recent(state, _RECENT)
    at_home, homeless = _housed((_until(finding, now_ns) for finding in findings), live, resolved)
    changed: list[Incident] = []
    for incident in [*live, *resolved]:
        if incident.id in at_home:
            changed += _write(state, _update(incident, at_home[incident.id], now_ns, settings))
    for finding in homeless:
        if (incident_id := _claimed(finding, state, now_ns)) is not None:
            changed += _write(state, _open(incident_id, finding, now_ns, settings, resolved))
    for incident in live:
        if incident.id not in at_home and (quiet := _quieted(incident, now_ns, settings)) is not None:
            changed += _write(state, quiet)
    return changed


def _until(finding: Finding, now_ns: int) -> Finding:
    """Its last minute may still be running: nothing is known of what comes after now."""
    return replace(finding, until_ns=max(min(finding.until_ns, now_ns), finding.since_ns))


def _housed(
    findings: Iterable[Finding], live: Sequence[Incident], resolved: Sequence[Incident],
) -> tuple[dict[str, Finding], list[Finding]]:
    """Incident -> its finding, and the findings that no incident is about. What people merged stays together."""
    incidents = {incident.id: incident for incident in [*live, *resolved]}
    at_home: dict[str, Finding] = {}
    strangers: list[Finding] = []
    apart = frozenset(incident.key for incident in incidents.values() if incident.split_from)
    for found in findings:
        finding = found
        if any(_is_history(finding, incident) for incident in incidents.values()):
            continue
        home = _by_key(finding, live) or _by_key(finding, resolved, REGRESSION_NS)
        if home is not None and home.merged_into:
            home = incidents.get(home.merged_into)
        if home is None:
            strangers.append(finding)
            continue
        there = at_home.get(home.id)
        if there is not None:
            finding = _both(finding, there, home)
        at_home[home.id] = finding
    homeless: list[Finding] = []
    for finding in strangers:
        free = [incident for incident in incidents.values() if incident.id not in at_home and not incident.merged_into]
        home = next((i for i in free if i.kind == finding.kind and _near(finding, i) and _alike(finding, i, apart)), None)
        if home is None:
            homeless.append(finding)
        else:
            at_home[home.id] = finding
    return at_home, homeless


def _is_history(finding: Finding, incident: Incident) -> bool:
    """Whether it tells of a time of the incident that is over: its present numbers must not be mixed with those."""
    return finding.key == incident.key and finding.until_ns < incident.first_seen_ns and any(
        finding.since_ns <= episode.until_ns + _EDGE_NS and finding.until_ns >= episode.since_ns - _EDGE_NS
        for episode in incident.earlier
    )


def _both(one: Finding, other: Finding, home: Incident) -> Finding:
    """Two findings of one incident. Of one that was resolved, the later is a new episode, and its numbers stand alone."""
    if home.state == "resolved" and one.key == other.key and not home.merged_into:
        return max(one, other, key=lambda finding: finding.until_ns)
    return _joined(one, other) if one.key == home.key else _joined(other, one)


def _joined(one: Finding, other: Finding) -> Finding:
    """Two findings of one incident as one."""
    return replace(
        one, since_ns=min(one.since_ns, other.since_ns), until_ns=max(one.until_ns, other.until_ns),
        failed_calls=one.failed_calls + other.failed_calls, total_calls=max(one.total_calls, other.total_calls),
        customers=max(one.customers, other.customers), severity=min(one.severity, other.severity, key=SEVERITIES.index),
        partners=[*one.partners, *(p for p in other.partners if p.id not in {q.id for q in one.partners})],
        apis=[*one.apis, *(a for a in other.apis if (a.method, a.route) not in {(b.method, b.route) for b in one.apis})],
        services=list(dict.fromkeys([*one.services, *other.services])), groups=list(dict.fromkeys([*one.groups, *other.groups])),
        trace_ids=list(dict.fromkeys([*one.trace_ids, *other.trace_ids]))[:_MOST_TRACES], suspects=[*one.suspects, *other.suspects],
    )


def _write(state: StateStore, incident: Incident) -> list[Incident]:
    try:
        return [documents.write(state, incident)]
    except Conflict:
        return []


def _by_key(finding: Finding, incidents: Iterable[Incident], within_ns: int = HOUR_NS) -> Incident | None:
    """The incident near in time that is about the same thing."""
    return next((i for i in incidents if i.key == finding.key and _near(finding, i, within_ns)), None)


def _near(finding: Finding, incident: Incident, within_ns: int = HOUR_NS) -> bool:
    return finding.since_ns <= incident.last_seen_ns + within_ns and finding.until_ns >= incident.first_seen_ns - within_ns


def _alike(finding: Finding, incident: Incident, apart: frozenset[str]) -> bool:
    """Whether a finding of another key is about the same: slowness by its APIs, else by error groups. What people split stays split."""
    if finding.key in apart or incident.key in apart:
        return False
    if finding.kind == "latency":
        mine, theirs = ({(api.method, api.route) for api in one.apis} for one in (finding, incident))
        return len(mine & theirs) * 2 >= min(len(mine), len(theirs)) > 0
    return _shares_groups(finding, incident)


def _shares_groups(finding: Finding, incident: Incident) -> bool:
    """Two partners may be refused for the same reason, and that stays two problems."""
    if ONE_PARTNER in finding.key or ONE_PARTNER in incident.key:
        return False
    shared = len(set(finding.groups) & set(incident.groups))
    if finding.services[:1] == incident.services[:1]:
        return shared * 2 >= min(len(finding.groups), len(incident.groups)) > 0
    return shared * 2 >= max(len(finding.groups), len(incident.groups)) > 0  # one stray group does not join two services


def _claimed(finding: Finding, state: StateStore, now_ns: int) -> str | None:
    """The ID for a new incident, or None if another worker is opening, or has just opened, one about the same thing: lists lag
    behind, single documents do not. That one is taken up by the next run."""
    doc_id = blake2b(finding.key.encode("utf-8", "replace"), digest_size=16).hexdigest()
    claim = state.get(CLAIM, doc_id)
    if claim is not None:
        there, recent = documents.get(state, claim.body["incident"]), now_ns - CLAIM_NS
        if there is None and claim.body["at_ns"] > recent:
            return None
        if there is not None and _near(finding, there) and (there.is_live() or there.opened_ns > recent):
            return None
    incident_id = f"INC-{documents.next_number(state)}"
    try:
        state.put(CLAIM, doc_id, {"incident": incident_id, "at_ns": now_ns}, version=claim.version if claim else None)
    except Conflict:
        return None
    return incident_id


def _open(incident_id: str, finding: Finding, now_ns: int, settings: FoldSettings, resolved: Iterable[Incident]) -> Incident:
    over = now_ns - finding.until_ns > settings.resolve_minutes * MINUTE_NS
    back_filled = now_ns - finding.until_ns > BACKFILL_NS
    incident = _filled(Incident(
        id=incident_id, key=finding.key, title=finding.title, state="open", severity=finding.severity,
        kind=finding.kind, whose_side=finding.whose_side, summary=finding.summary, scope=finding.scope,
        first_seen_ns=finding.since_ns, last_seen_ns=finding.until_ns, opened_ns=now_ns, restricted=finding.restricted,
        similar=[i.id for i in resolved if i.last_seen_ns < finding.since_ns and set(i.groups) & set(finding.groups)][:5],
    ), finding)
    incident.timeline.append(TimelineEntry(finding.since_ns, ANALYSIS, "first_failure"))
    incident.timeline.append(TimelineEntry(now_ns, ANALYSIS, "opened", _why(finding)))
    if back_filled:
        incident.state, incident.backfilled, incident.resolved_ns = "resolved", True, finding.until_ns
        incident.timeline.append(TimelineEntry(now_ns, ANALYSIS, "resolved", _backfilled(incident)))
        return incident
    _tell(incident, "incident.opened", now_ns, _why(finding))
    if over:
        _resolve(incident, now_ns, settings)
    return incident


def _update(incident: Incident, finding: Finding, now_ns: int, settings: FoldSettings) -> Incident:
    new = _filled(replace(
        incident, timeline=list(incident.timeline), notices=list(incident.notices), title=finding.title, kind=finding.kind,
        summary=finding.summary, scope=finding.scope, whose_side=finding.whose_side,
        first_seen_ns=min(incident.first_seen_ns, finding.since_ns), last_seen_ns=max(incident.last_seen_ns, finding.until_ns),
        groups=list(dict.fromkeys([*finding.groups, *incident.groups])),
    ), finding)
    if incident.state == "resolved":
        return _regress(new, incident, finding, now_ns, settings)
    if SEVERITIES.index(finding.severity) < SEVERITIES.index(incident.severity):
        new.severity = finding.severity
        reason = f"severity raised from {incident.severity} to {finding.severity}: {finding.scope}"
        new.timeline.append(TimelineEntry(now_ns, ANALYSIS, "escalated", reason))
        _tell(new, "incident.escalated", now_ns, reason)
    if new.state == "snoozed" and now_ns >= new.snoozed_until_ns:
        new.state = "open"
        new.timeline.append(TimelineEntry(now_ns, ANALYSIS, "unsnoozed", "its time is over and calls still fail"))
        _tell(new, "incident.reopened", now_ns, "snooze is over and calls still fail")
    return _quieted(new, now_ns, settings) or new


def _regress(new: Incident, old: Incident, finding: Finding, now_ns: int, settings: FoldSettings) -> Incident:
    """Failures after the resolution reopen the incident; failures before it only complete its picture."""
    over = now_ns - finding.until_ns > settings.resolve_minutes * MINUTE_NS
    if over or finding.until_ns // MINUTE_NS <= max(old.resolved_ns, old.last_seen_ns) // MINUTE_NS:
        return _ended_later(new)
    if finding.since_ns > old.last_seen_ns:
        new = _again(new, old, finding)
    new.state, new.severity, new.resolved_ns = "open", finding.severity, 0
    reason = f"regression: failures again after it was resolved at {_minute(old.resolved_ns)} UTC"
    new.timeline.append(TimelineEntry(now_ns, ANALYSIS, "reopened", reason))
    _tell(new, "incident.reopened", now_ns, reason)
    return new


def _ended_later(incident: Incident) -> Incident:
    """One that is over did not end before its last failure, whenever that came in."""
    if incident.resolved_ns < incident.last_seen_ns:
        incident.resolved_ns = incident.last_seen_ns
        incident.timeline = [
            replace(entry, reason=_backfilled(incident)) if incident.backfilled and entry.action == "resolved"
            and entry.actor == ANALYSIS else entry for entry in incident.timeline
        ]
    return incident


def _backfilled(incident: Incident) -> str:
    return f"it had ended at {rfc3339(incident.last_seen_ns)}, over 1 h before it was found; nobody was told"


def _again(new: Incident, old: Incident, finding: Finding) -> Incident:
    """With the numbers of the present episode alone; those of the one before become history."""
    before = Episode(old.first_seen_ns, old.last_seen_ns, old.failed_calls, len(old.partners), old.suspects[0].name if old.suspects else "")
    told = f"{before.failed_calls:,} failed calls of {before.partners} partners" if before.failed_calls else "no failed calls"
    cause = f", most likely cause {before.cause}" if before.cause else ""
    span = f"{_minute(before.since_ns)} to {_minute(before.until_ns)} UTC"
    new.timeline.append(TimelineEntry(old.last_seen_ns, ANALYSIS, "earlier_episode", f"{span}: {told}{cause}"))
    again = replace(new, first_seen_ns=finding.since_ns, earlier=[*old.earlier, before][-_MOST_EARLIER:])
    for name in _OF_EPISODE:
        setattr(again, name, list(getattr(finding, name)))
    return again


def _minute(at_ns: int) -> str:
    """'2026-01-31 18:04': for people."""
    return rfc3339(at_ns)[:16].replace("T", " ")


def _quieted(incident: Incident, now_ns: int, settings: FoldSettings) -> Incident | None:
    """The incident resolved, when its quiet time is over; else None."""
    if now_ns - incident.last_seen_ns <= settings.resolve_minutes * MINUTE_NS or not incident.is_live():
        return None
    new = replace(incident, timeline=list(incident.timeline), notices=list(incident.notices))
    _resolve(new, now_ns, settings)
    return new


def _resolve(incident: Incident, now_ns: int, settings: FoldSettings) -> None:
    reason = f"no failure for {settings.resolve_minutes} min; the last one was at {rfc3339(incident.last_seen_ns)}"
    incident.state, incident.resolved_ns = "resolved", now_ns
    incident.timeline.append(TimelineEntry(now_ns, ANALYSIS, "resolved", reason))
    _tell(incident, "incident.resolved", now_ns, reason)


def _filled(incident: Incident, finding: Finding) -> Incident:
    """The finding's numbers and lists; it was measured over the whole time of the incident."""
    for name in _OF_EPISODE:
        setattr(incident, name, getattr(finding, name) or getattr(incident, name))
    if not incident.groups:
        incident.groups = list(finding.groups)
    incident.failed_calls, incident.total_calls = finding.failed_calls, finding.total_calls
    incident.customers = finding.customers
    del incident.timeline[_MOST_TIMELINE:]
    return incident


def _why(finding: Finding) -> str:
    words = {
        "new_group": "an error that was never seen before", "growing_group": "an error far more frequent than usual",
        "series_anomaly": "a series left its usual range", "abnormal_use": "abnormal use by a partner",
        "regressed_group": "an error that came back", "endpoint_down": "an endpoint does not answer",
    }
    return "; ".join(words[kind] for kind in finding.kinds)


def _tell(incident: Incident, type_: NoticeType, now_ns: int, reason: str) -> None:
    incident.notices.append(Notice(f"{incident.id}-{len(incident.notices) + 1}", type_, now_ns, reason))
