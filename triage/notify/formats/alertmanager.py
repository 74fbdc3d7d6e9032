"""The webhook body of Prometheus Alertmanager, version 4: one incident is one alert, in a group of its own."""

from __future__ import annotations

import hashlib
from typing import Final

from triage.domain.incident import Incident, Json
from triage.domain.notice import Message
from triage.domain.windows import rfc3339
from triage.notify.formats.words import headline, link

NEVER: Final = "0001-01-01T00:00:00Z"  # Go's zero time: the alert has no end yet


def render(message: Message, base_url: str) -> Json:
    """`groupKey` and `fingerprint` follow from the incident's ID alone: labels may change while an incident lives."""
    incident = message.incident
    resolved = message.notice.type == "incident.resolved"
    status = "resolved" if resolved else "firing"
    labels, annotations = _labels(incident), _annotations(message)
    url = link(message, base_url)
    alert = {
        "status": status,
        "labels": labels,
        "annotations": annotations,
        "startsAt": rfc3339(incident.first_seen_ns),
        "endsAt": rfc3339(incident.resolved_ns or message.notice.at_ns) if resolved else NEVER,
        "generatorURL": url,
        "fingerprint": hashlib.sha256(incident.id.encode()).hexdigest()[:16],
    }
    return {
        "version": "4",
        "groupKey": f'{{}}:{{incident="{incident.id}"}}',
        "truncatedAlerts": 0,
        "status": status,
        "receiver": message.receiver.name,
        "groupLabels": {"incident": incident.id},
        "commonLabels": labels,
        "commonAnnotations": annotations,
        "externalURL": base_url,
        "notification_reason": message.notice.type,
        "alerts": [alert],
    }


def _labels(incident: Incident) -> dict[str, str]:
    labels = {
        "alertname": "GatewayTriageIncident",
        "incident": incident.id,
        "severity": incident.severity,
        "kind": incident.kind,
        "whose_side": incident.whose_side,
        "service": incident.services[0] if incident.services else "",
        "api": f"{incident.apis[0].method} {incident.apis[0].route}" if incident.apis else "",
        "partner_id": incident.partners[0].id if incident.partners else "",
    }
    return {name: value for name, value in labels.items() if value}


def _annotations(message: Message) -> dict[str, str]:
    return {
        "summary": headline(message),
        "description": message.incident.summary,
        "scope": message.incident.scope,
        "reason": message.notice.reason,
    }
