"""An event of PagerDuty's Events API v2. The receiver's secret is the routing key."""

from __future__ import annotations

from typing import Final

from triage.domain.incident import Json, NoticeType, Severity
from triage.domain.notice import Message
from triage.domain.windows import rfc3339
from triage.notify.formats.words import facts, headline, link
from triage.notify.plan import clip

MAX_SUMMARY: Final = 1_024
_ACTIONS: Final[dict[NoticeType, str]] = {
    "incident.opened": "trigger",
    "incident.escalated": "trigger",
    "incident.acknowledged": "acknowledge",
    "incident.resolved": "resolve",
    "incident.reopened": "trigger",
    "receiver.test": "trigger",
}
_SEVERITIES: Final[dict[Severity, str]] = {"critical": "critical", "high": "error", "medium": "warning", "low": "info"}


def render(message: Message, base_url: str) -> Json:
    """All events of an incident share its `dedup_key`, so that they are one PagerDuty alert."""
    incident = message.incident
    url = link(message, base_url)
    return {
        "routing_key": message.receiver.secret,
        "event_action": _ACTIONS[message.notice.type],
        "dedup_key": f"gateway-triage/{incident.id}",
        "client": "Gateway Triage",
        "client_url": url,
        "links": [{"href": url, "text": f"{incident.id} in Gateway Triage"}],
        "payload": {
            "summary": clip(headline(message), MAX_SUMMARY),
            "source": incident.services[0] if incident.services else "api-gateway",
            "severity": _SEVERITIES[incident.severity],
            "timestamp": rfc3339(message.notice.at_ns),
            "component": incident.services[0] if incident.services else "api-gateway",
            "group": incident.scope,
            "class": incident.kind,
            "custom_details": {
                "Summary": incident.summary, "Reason": message.notice.reason, **dict(facts(incident)),
            },
        },
    }
