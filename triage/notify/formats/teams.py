"""An adaptive card for a Microsoft Teams workflow. The URL is the secret."""

from __future__ import annotations

import re
from typing import Final

from triage.domain.incident import Json, Severity
from triage.domain.notice import Message
from triage.notify.formats.words import facts, headline, link

_COLOURS: Final[dict[Severity, str]] = {
    "critical": "attention", "high": "attention", "medium": "warning", "low": "default",
}
_MARKDOWN: Final = re.compile(r"([\\\[\]*_`])")


def render(message: Message, base_url: str) -> Json:
    """A card with the headline, the summary, the facts and a button that opens the incident."""
    incident = message.incident
    resolved = message.notice.type == "incident.resolved"
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.2",
        "body": [
            {
                "type": "TextBlock", "text": _escape(headline(message)), "weight": "bolder", "size": "medium",
                "wrap": True, "style": "heading", "color": "good" if resolved else _COLOURS[incident.severity],
            },
            {"type": "TextBlock", "text": _escape(incident.summary), "wrap": True},
            {
                "type": "FactSet",
                "facts": [{"title": name, "value": _escape(value)} for name, value in facts(incident)],
            },
            {
                "type": "TextBlock", "text": _escape(message.notice.reason), "wrap": True, "size": "small",
                "isSubtle": True,
            },
        ],
        "actions": [
            {"type": "Action.OpenUrl", "title": "Open the incident", "url": link(message, base_url)}
        ],
        "msteams": {"width": "full"},
    }
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}
    return {"type": "message", "attachments": [attachment]}


def _escape(text: str) -> str:
    """A card's text is Markdown: what is in an error message must not become a link or a heading."""
    return _MARKDOWN.sub(r"\\\1", text)
