"""The words that all messages for people share."""

from __future__ import annotations

from typing import Final

from triage.domain.incident import Incident, NoticeType
from triage.domain.incident_json import incident_url
from triage.domain.notice import Message
from triage.domain.windows import NS, rfc3339

VERBS: Final[dict[NoticeType, str]] = {
    "incident.opened": "New incident",
    "incident.escalated": "Escalated",
    "incident.acknowledged": "Acknowledged",
    "incident.resolved": "Resolved",
    "incident.reopened": "Reopened",
    "receiver.test": "Test",
}
MAX_NAMED: Final = 3


def headline(message: Message) -> str:
    """One line: what happened to which incident."""
    incident = message.incident
    return f"{VERBS[message.notice.type]}: {incident.title} ({incident.id}, {incident.severity})"


def link(message: Message, base_url: str) -> str:
    """Where the message leads: to the incident's page; from a test to the receivers."""
    if message.notice.type == "receiver.test":
        return f"{base_url}/receivers"
    return incident_url(message.incident.id, base_url)


def facts(incident: Incident) -> list[tuple[str, str]]:
    """What a person on call wants to know first, as names and values; what is not known is left out."""
    rows = [
        ("Failing calls", _share(incident.failed_calls, incident.total_calls)),
        ("Customers", f"{incident.customers:,}" if incident.customers else ""),
        ("Partners", _some([partner.name for partner in incident.partners])),
        ("APIs", _some([f"{api.method} {api.route}" for api in incident.apis])),
        ("Services", _some(incident.services)),
        ("Likely cause", _suspect(incident)),
        ("Since", _minute(incident.first_seen_ns)),
        ("Trace", incident.trace_ids[0] if incident.trace_ids else ""),
    ]
    return [(name, value) for name, value in rows if value]


def _share(failed: int, total: int) -> str:
    if not total:
        return f"{failed:,}" if failed else ""
    share = 100 * failed / total
    return f"{failed:,} of {total:,} ({share:.{1 if share < 1 else 0}f} %)"


def _some(names: list[str]) -> str:
    rest = len(names) - MAX_NAMED
    return ", ".join(names[:MAX_NAMED]) + (f" and {rest} more" if rest > 0 else "")


def _suspect(incident: Incident) -> str:
    if not incident.suspects:
        return ""
    first = incident.suspects[0]
    return f"{first.name} ({first.why[0]})" if first.why else first.name


def _minute(time_ns: int) -> str:
    return rfc3339(time_ns - time_ns % NS)[:16].replace("T", " ") + " UTC"
