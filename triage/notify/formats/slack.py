"""A message for Slack's incoming webhooks, which other chats understand too. The URL is the secret."""

from __future__ import annotations

from typing import Final

from triage.domain.incident import Json, Severity
from triage.domain.notice import Message
from triage.notify.formats.words import facts, headline, link

_RESOLVED_COLOUR: Final = "#2e7d32"
_COLOURS: Final[dict[Severity, str]] = {
    "critical": "#b3261e", "high": "#d9640f", "medium": "#b58900", "low": "#5f6b7a",
}
_SHORT: Final = 40  # characters; a shorter value shares its line with another


def render(message: Message, base_url: str) -> Json:
    """The headline with a coloured attachment of facts."""
    incident = message.incident
    resolved = message.notice.type == "incident.resolved"
    line = _escape(headline(message))
    return {
        "text": line,
        "attachments": [
            {
                "color": _RESOLVED_COLOUR if resolved else _COLOURS[incident.severity],
                "title": _escape(incident.title),
                "title_link": link(message, base_url),
                "text": _escape(incident.summary),
                "fallback": line,
                "fields": [
                    {"title": name, "value": _escape(value), "short": len(value) <= _SHORT}
                    for name, value in facts(incident)
                ],
                "footer": _escape(f"Gateway Triage: {message.notice.reason}"),
                "mrkdwn_in": [],
            }
        ],
    }


def _escape(text: str) -> str:
    """Slack's three control characters; without them nobody can slip a link or a mention into a message."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
