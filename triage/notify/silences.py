"""Silences: which one covers an incident at a time.

A silence with several fields covers what meets them all. A partner or an API of a silence has to be the only one that an incident
touches: a silence for one partner must not hide that others suffer too.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from triage.domain.incident import Incident
from triage.ports.state import StateStore

SILENCE: Final = "silence"
_PAGE: Final = 200


@dataclass(frozen=True, slots=True)
class Silence:
    """Times in ns of the wall clock; an empty field covers everything."""

    id: str
    at_ns: int
    until_ns: int
    reason: str = ""
    partner: str = ""
    api: str = ""
    service: str = ""
    by: str = ""

    def covers(self, incident: Incident, at_ns: int) -> bool:
        """Whether notices of the incident are held back at this time."""
        return self.at_ns <= at_ns < self.until_ns and all((
            not self.service or self.service in incident.services,
            not self.partner or _all_are(self.partner, [{p.id, p.name} for p in incident.partners]),
            not self.api or _all_are(self.api, [{a.route, f"{a.method} {a.route}"} for a in incident.apis]),
        ))


def silences_since(state: StateStore, since_ns: int) -> list[Silence]:
    """Every silence that ended after this time, or has not ended."""
    found: list[Silence] = []
    cursor: str | None = None
    while True:
        page = state.select(SILENCE, limit=_PAGE, cursor=cursor)  # those that end last come first
        for document in page.items:
            if document.sort <= since_ns:
                return found
            body = document.body
            scope = {name: str(body["scope"].get(name) or "") for name in ("partner", "api", "service")}
            found.append(Silence(str(body["id"]), body["at_ns"], body["until_ns"], str(body.get("reason") or ""), **scope,
                                 by=str(body.get("by") or "")))
        cursor = page.next
        if cursor is None:
            return found


def covering(silences: Iterable[Silence], incident: Incident, at_ns: int) -> Silence | None:
    """Of those that cover the incident at this time the one that ends last."""
    return max((s for s in silences if s.covers(incident, at_ns)), key=lambda s: s.until_ns, default=None)


def _all_are(name: str, known: list[set[str]]) -> bool:
    return bool(known) and all(name in names for names in known)
