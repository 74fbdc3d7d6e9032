"""Incidents as the JSON of the public interface, the same for pages, scripts and webhooks.

Fields may be added, never renamed.
"""

from __future__ import annotations

from dataclasses import asdict

from triage.domain.incident import Incident, Json
from triage.domain.windows import MINUTE_NS, rfc3339


def summary_json(incident: Incident, base_url: str) -> Json:
    """An item of `GET /api/v1/incidents`. Times RFC 3339 UTC; `base_url` is the console's, without a final slash."""
    return {
        "id": incident.id,
        "title": incident.title,
        "state": incident.state,
        "severity": incident.severity,
        "kind": incident.kind,
        "scope": incident.scope,
        "whose_side": incident.whose_side,
        "first_seen": rfc3339(incident.first_seen_ns),
        "last_seen": rfc3339(incident.last_seen_ns),
        "opened": rfc3339(incident.opened_ns),
        "resolved": _time_or_none(incident.resolved_ns),
        "snoozed_until": _time_or_none(incident.snoozed_until_ns),
        "failed_calls": incident.failed_calls,
        "total_calls": incident.total_calls,
        "customers": incident.customers,
        "partners": [asdict(partner) for partner in incident.partners],
        "apis": [asdict(api) for api in incident.apis],
        "services": list(incident.services),
        "instances": list(incident.instances),
        "suspects": [asdict(suspect) for suspect in incident.suspects],
        "groups": list(incident.groups),
        "trace_ids": list(incident.trace_ids),
        "assignee": incident.assignee or None,
        "merged_into": incident.merged_into or None,
        "restricted": incident.restricted,
        "backfilled": incident.backfilled,
        "version": incident.version,
        "url": incident_url(incident.id, base_url),
    }


def detail_json(incident: Incident, base_url: str) -> Json:
    """The answer of `GET /api/v1/incidents/<id>`: the item and what its page shows besides."""
    return {
        **summary_json(incident, base_url),
        "summary": incident.summary,
        "timeline": [
            {
                "at": rfc3339(entry.at_ns), "actor": entry.actor, "action": entry.action, "reason": entry.reason,
                "detail": entry.detail,
            }
            for entry in incident.timeline
        ],
        "series": [
            {"at": rfc3339(point.minute * MINUTE_NS), "calls": point.calls, "failed": point.failed}
            for point in incident.series
        ],
        "comparison": [asdict(comparison) for comparison in incident.comparison],
        "similar": list(incident.similar),
        "earlier": [
            {
                "since": rfc3339(episode.since_ns), "until": rfc3339(episode.until_ns), "failed_calls": episode.failed_calls,
                "partners": episode.partners, "cause": episode.cause,
            }
            for episode in incident.earlier
        ],
        "notices": [
            {
                "id": notice.id, "type": notice.type, "at": rfc3339(notice.at_ns), "reason": notice.reason,
                "sent": notice.sent,
            }
            for notice in incident.notices
        ],
    }


def incident_url(incident_id: str, base_url: str) -> str:
    """The address of an incident's page."""
    return f"{base_url}/incidents/{incident_id}"


def _time_or_none(time_ns: int) -> str | None:
    return rfc3339(time_ns) if time_ns else None
