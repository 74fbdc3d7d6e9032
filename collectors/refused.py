"""The IDs of records that were refused at the door, so that a look-up can say so, whichever process asks and after a restart.

They are kept as hashes in state documents, spread over 256 of them by their first two letters; each holds the latest few hundred.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Final

from triage.errors import Conflict
from triage.ports.state import StateStore

KIND: Final = "refused"
_A_DOCUMENT: Final = 400
_ATTEMPTS: Final = 5
_MOST_IDS: Final = 8  # of one entry
_LOOKED_AT: Final = 20_000
_ID: Final = re.compile(
    r"(?<![0-9a-f])(?:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9a-f]{32})(?![0-9a-f])", re.IGNORECASE)


@dataclass(slots=True)
class RefusedIds:
    """What this process refused lately. Bounded; thread-safe."""

    most: int = 100_000
    reasons: dict[str, str] = field(default_factory=dict)
    fresh: dict[str, str] = field(default_factory=dict)  # not written to the book yet
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, value: str, reason: str) -> None:
        """Remember an ID; the oldest is forgotten beyond the bound."""
        if not value:
            return
        with self.lock:
            for known in (self.reasons, self.fresh):
                known[value] = reason
                if len(known) > self.most:
                    known.pop(next(iter(known)))

    def get(self, value: str) -> str | None:
        """The reason, where it is known."""
        return self.reasons.get(value)

    def take(self) -> dict[str, str]:
        """What was noted since the last time."""
        with self.lock:
            fresh, self.fresh = self.fresh, {}
            return fresh


@dataclass(frozen=True, slots=True)
class RefusedBook:
    """The lasting half. Several processes may write."""

    state: StateStore

    def write(self, refused: Mapping[str, str]) -> None:
        """Add IDs with their reasons. Raises StoreUnavailable; then some may be written."""
        by_document: dict[str, dict[str, str]] = {}
        for value, reason in refused.items():
            hashed = _hash(value)
            by_document.setdefault(hashed[:2], {})[hashed] = reason
        for doc_id, added in by_document.items():
            self._add(doc_id, added)

    def reason(self, value: str) -> str | None:
        """Why a record with this ID was refused; None where nothing is known. Raises StoreUnavailable."""
        hashed = _hash(value)
        doc = self.state.get(KIND, hashed[:2])
        return doc.body["ids"].get(hashed) if doc else None

    def _add(self, doc_id: str, added: dict[str, str]) -> None:
        for left in reversed(range(_ATTEMPTS)):
            doc = self.state.get(KIND, doc_id)
            known = doc.body["ids"] if doc else {}
            both = {hashed: reason for hashed, reason in known.items() if hashed not in added} | added
            try:
                self.state.put(KIND, doc_id, {"ids": dict(list(both.items())[-_A_DOCUMENT:])}, version=doc.version if doc else None)
                return
            except Conflict:
                if not left:
                    raise


def ids_in(entry: Any) -> tuple[str, ...]:
    """The IDs in an entry that cannot be read: UUIDs and 32 hex letters, as they are kept (lower case)."""
    return tuple(dict.fromkeys(found.lower() for found in _ID.findall(str(entry)[:_LOOKED_AT])))[:_MOST_IDS]


def _hash(value: str) -> str:
    return blake2b(value.encode("utf-8", "replace"), digest_size=8).hexdigest()
