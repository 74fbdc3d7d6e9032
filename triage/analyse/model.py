"""The grouping model: mined templates, fingerprints, and scikit-learn's joining of templates that say the same in other words.

Only groups that rest on a message are joined: codes and exceptions are stronger evidence than wording. A joined group keeps the
oldest ID, so that nothing is ever renumbered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from triage.analyse.fingerprint import ErrorEvent, Fingerprint, fingerprints
from triage.analyse.joining import JoinItem, Neighbour, TemplateJoiner
from triage.analyse.templates import TemplateMiner


@dataclass(frozen=True, slots=True)
class Assigned:
    """Of each event its fingerprint and its group's ID, in order; and the nearest other groups of those looked at."""

    prints: list[Fingerprint]
    groups: list[str]
    neighbours: Mapping[str, tuple[Neighbour, ...]]


class GroupingModel:
    """What grouping has learned. `state` is what `to_state` gave, or empty at first."""

    def __init__(self, state: Mapping[str, Any]) -> None:
        self._miner = TemplateMiner.from_state(state["miner"]) if "miner" in state else TemplateMiner()
        self._joiner = TemplateJoiner.from_state(state["joiner"]) if "joiner" in state else TemplateJoiner()
        self._canonical: dict[str, str] = dict(state.get("canonical", {}))

    def assign(self, events: Sequence[ErrorEvent]) -> Assigned:
        """Group a batch of events; their messages teach the model."""
        prints = fingerprints(events, self._miner)
        fresh = {p.id: p for p in prints if p.kind == "message" and p.id not in self._canonical}
        neighbours: Mapping[str, tuple[Neighbour, ...]] = {}
        if fresh:
            joined = self._joiner.join(JoinItem(p.id, self._miner.text(p.template_id), p.kind, p.scope) for p in fresh.values())
            neighbours = joined.neighbours
            for group_id in fresh:  # what was given out before stays: groups are never renumbered
                self._canonical[group_id] = self._canonical.get(joined.canonical[group_id], joined.canonical[group_id])
        return Assigned(prints, [self._canonical.get(p.id, p.id) for p in prints], neighbours)

    def template(self, fingerprint: Fingerprint) -> str:
        """The template of a fingerprint's message, `<*>` where it varies; '' where none was used."""
        return self._miner.text(fingerprint.template_id) if fingerprint.template_id else ""

    def parameters(self, fingerprint: Fingerprint) -> list[str]:
        """The commonest values of each varying place, in words."""
        if not fingerprint.template_id:
            return []
        places = self._miner.template(fingerprint.template_id).parameters
        return [", ".join(f"{value} ({count:,})" for value, count in place[:5]) for place in places if place]

    def to_state(self) -> dict[str, Any]:
        """Plain JSON types; a restart changes nothing."""
        return {"miner": self._miner.to_state(), "joiner": self._joiner.to_state(), "canonical": self._canonical}
