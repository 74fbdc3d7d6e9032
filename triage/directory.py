"""The partner directory and the API catalogue: from what gateways say to the names that people use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from triage.config import ApiEntry, PartnerEntry


@dataclass(frozen=True, slots=True)
class Directory:
    """Look-ups by every alias of a partner."""

    partners: Sequence[PartnerEntry] = ()
    apis: Sequence[ApiEntry] = ()
    _ids: dict[str, str] = field(default_factory=dict)
    _names: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, partners: Sequence[PartnerEntry], apis: Sequence[ApiEntry]) -> Directory:
        """From the entries of the settings."""
        ids = {alias: entry.id for entry in partners for alias in (entry.id, *entry.aliases)}
        return cls(partners, apis, ids, {entry.id: entry.name for entry in partners})

    def aliases(self) -> dict[str, str]:
        """Every alias -> the ID behind it, where the two differ."""
        return {alias: partner_id for alias, partner_id in self._ids.items() if alias != partner_id}

    def partner_name(self, partner_id: str) -> str:
        """The name for people."""
        return self._names.get(partner_id, partner_id)
