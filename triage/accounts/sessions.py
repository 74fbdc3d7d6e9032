"""Sessions of signed-in users as documents, so that signing out, here or everywhere, ends them for good.

The cookie holds a random secret; the document's ID is its SHA-256, so what is stored signs nobody in.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Final

from triage.accounts.accounts import Accounts, Principal
from triage.accounts.tokens import digest
from triage.domain.codec import from_body, to_body
from triage.domain.windows import HOUR_NS
from triage.errors import Conflict
from triage.ports.state import Document, StateStore

SESSION: Final = "session"
LIFETIME_NS: Final = 12 * HOUR_NS
SECRET_BYTES: Final = 32
PAGE: Final = 200


@dataclass(slots=True)
class Session:
    """A signed-in user."""

    user: str
    created_ns: int
    expires_ns: int


class Sessions:
    """Opens, checks and ends sessions."""

    def __init__(self, state: StateStore, accounts: Accounts) -> None:
        self._state, self._accounts = state, accounts

    def open(self, principal: Principal, now_ns: int) -> str:
        """Start a session; the secret for the cookie."""
        secret = secrets.token_urlsafe(SECRET_BYTES)
        session = Session(principal.name, now_ns, now_ns + LIFETIME_NS)
        tags = [f"user:{session.user}"]
        self._state.put(SESSION, digest(secret), to_body(session), version=None, sort=session.expires_ns, tags=tags)
        return secret

    def verify(self, secret: str, now_ns: int) -> Principal | None:
        """Whose session this is, with today's role; None when it is over or its user is gone or disabled."""
        document = self._state.get(SESSION, digest(secret))
        if document is None:
            return None
        session = from_body(Session, document.body)
        return self._accounts.find_user(session.user) if now_ns < session.expires_ns else None

    def end(self, secret: str) -> None:
        """Sign out."""
        document = self._state.get(SESSION, digest(secret))
        if document:
            self._delete(document)

    def end_all(self, user: str) -> int:
        """Sign a user out everywhere; how many sessions that were."""
        return sum(self._delete(document) for document in self._select([[f"user:{user}"]]))

    def purge(self, now_ns: int) -> int:
        """Forget sessions that are over; how many."""
        return self._state.purge(SESSION, now_ns + 1)

    def _select(self, where: list[list[str]]) -> list[Document]:
        found: list[Document] = []
        cursor: str | None = None
        while True:
            page = self._state.select(SESSION, where, limit=PAGE, cursor=cursor)
            found += page.items
            if page.next is None:
                return found
            cursor = page.next

    def _delete(self, document: Document) -> bool:
        try:
            self._state.delete(SESSION, document.doc_id, version=document.version)
        except Conflict:
            return False  # somebody else ended it
        return True
