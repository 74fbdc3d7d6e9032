"""The product's own body, as Standard Webhooks 1.0.0 wants it: type, timestamp, data; under 20 kB."""

from __future__ import annotations

from typing import Final

import orjson

from triage.domain.incident import Json
from triage.domain.incident_json import summary_json
from triage.domain.notice import Message
from triage.domain.windows import rfc3339
from triage.notify.formats.words import link

MAX_BYTES: Final = 20_000
# In the order in which they are given up when a body is too long.
_LISTS: Final = ("groups", "instances", "trace_ids", "suspects", "services", "apis", "partners")


def render(message: Message, base_url: str) -> Json:
    """The fields of `GET /api/v1/incidents`, the summary, and why this is told."""
    data = summary_json(message.incident, base_url)
    data["url"] = link(message, base_url)
    data["summary"] = message.incident.summary
    data["reason"] = message.notice.reason
    body: Json = {"type": message.notice.type, "timestamp": rfc3339(message.notice.at_ns), "data": data}
    for name in _LISTS:
        while len(orjson.dumps(body)) >= MAX_BYTES and data[name]:
            data["truncated"] = True
            data[name] = data[name][: len(data[name]) // 2]
    return body
