"""A leader among several `triage work`: whoever holds the lease works, the others wait for it to run out."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Final

from triage.domain.windows import NS
from triage.errors import Conflict
from triage.ports.state import StateStore

SECONDS: Final = 60


@dataclass(slots=True)
class Lease:
    """One process's view of a named lease. A holder that was paused finds it taken, and its late writes fail on compare-and-set."""

    state: StateStore
    name: str
    holder: str = field(default_factory=lambda: secrets.token_hex(8))

    def hold(self, now_ns: int) -> bool:
        """Take or renew the lease for SECONDS; whether it is ours now. Raises StoreUnavailable."""
        document = self.state.get("lease", self.name)
        if document and document.body["holder"] != self.holder and document.body["until_ns"] > now_ns:
            return False
        body = {"holder": self.holder, "until_ns": now_ns + SECONDS * NS}
        try:
            self.state.put("lease", self.name, body, version=document.version if document else None)
        except Conflict:
            return False
        return True

    def release(self) -> None:
        """Give it back, so that another need not wait."""
        document = self.state.get("lease", self.name)
        if document and document.body["holder"] == self.holder:
            try:
                self.state.delete("lease", self.name, version=document.version)
            except Conflict:
                return  # somebody else has it already
