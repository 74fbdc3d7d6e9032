"""Who may send records. Asked at every request, so it remembers its answers for a moment, and for as long as the store is away:
a sender that was allowed goes on being allowed then, and its batches reach the spool."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Final

from triage.accounts.accounts import Accounts
from triage.domain.windows import NS
from triage.errors import StoreUnavailable

_FRESH_NS: Final = NS
_AWAY_NS: Final = 5 * NS  # before the store is asked again, which may take long
_MOST: Final = 10_000  # answers


class IngestGate:
    """Open until an ingest token exists (on loopback only; the service refuses to listen elsewhere). Threads may share it."""

    def __init__(self, accounts: Accounts, clock: Callable[[], int]) -> None:
        self._accounts, self._clock = accounts, clock
        self._answers: dict[bytes, tuple[str | None, int]] = {}  # by hash of the header: the answer, and until when it is fresh

    def refusal(self, header: str) -> str | None:
        """None when ingest is allowed with this Authorization header, else the reason. Raises StoreUnavailable for one that was
        not seen before the store went away."""
        key, now = sha256(header.encode("utf-8", "replace")).digest(), self._clock()
        known = self._answers.get(key)
        if known and now < known[1] <= now + _AWAY_NS:
            return known[0]
        try:
            answer, fresh = self._ask(header, now), _FRESH_NS
        except StoreUnavailable:
            if known is None:
                raise
            answer, fresh = known[0], _AWAY_NS
        if len(self._answers) >= _MOST:
            self._answers.clear()
        self._answers[key] = (answer, now + fresh)
        return answer

    def _ask(self, header: str, now_ns: int) -> str | None:
        token = header.removeprefix("Bearer ").strip()
        if token:
            principal = self._accounts.verify_token(token, now_ns)
            if principal is not None and principal.role in ("ingest", "administrator"):
                return None
            return "the token is unknown, revoked or not for ingest; make one with `triage token create --role ingest`"
        if not self._accounts.has_tokens("ingest"):
            return None
        return "an ingest token is needed: send `Authorization: Bearer <token>`"
