"""The grouping model: mined templates, fingerprints, and scikit-learn's joining of templates that say the same in other words.

Only groups that rest on a message are joined: codes and exceptions are stronger evidence than wording. A joined group keeps the
oldest ID, so that nothing is ever renumbered. What people taught outweighs all of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from triage.analyse.grouping.assignment import Assignment
from triage.analyse.grouping.fingerprint import ErrorEvent, Fingerprint
from triage.analyse.grouping.joining import JoinItem, Neighbour, TemplateJoiner
from triage.analyse.grouping.taught import Placed, Taught
from triage.analyse.grouping.templates import Template


@dataclass(frozen=True, slots=True)
class Assigned:
    """Of each event its fingerprint and its place, in order; and the nearest other groups of the fingerprints looked at."""

    prints: list[Fingerprint]
    places: list[Placed]
    neighbours: Mapping[str, tuple[Neighbour, ...]]

    @property
    def groups(self) -> list[str]:
        """Of each event the ID of its group."""
        return [place.group for place in self.places]


class GroupingModel:
    """What grouping has learned. `state` is what `to_state` gave, or empty at first."""

    def __init__(self, state: Mapping[str, Any], taught: Taught | None = None) -> None:
        taught = taught or Taught()
        self._known = Assignment(state, taught)
        self._joiner = TemplateJoiner.from_state(state["joiner"]) if "joiner" in state else TemplateJoiner()
        self._never = taught.never_join()

    def assign(self, events: Sequence[ErrorEvent]) -> Assigned:
        """Group a batch of events; their messages teach the model."""
        prints = self._known.read(events)
        fresh = {p.id: p for p in prints if p.kind == "message" and p.id not in self._known.group_of}
        neighbours: Mapping[str, tuple[Neighbour, ...]] = {}
        if fresh:
            items = [JoinItem(p.id, self._known.miner.text(p.template_id), p.kind, p.scope) for p in fresh.values()]
            joined = self._joiner.join(items, never_join=self._never)
            neighbours = {id_: tuple(Neighbour(self._known.group_of.get(n.id, n.id), n.distance) for n in near)
                          for id_, near in joined.neighbours.items()}
            self._known.settle({id_: joined.canonical.get(id_, id_) for id_ in fresh}, {p.id: p.scope for p in fresh.values()})
        return Assigned(prints, self._known.places(events, prints), neighbours)

    @property
    def moved(self) -> Mapping[str, str]:
        """Groups that turned out to be another one: old -> new."""
        return self._known.moved

    def templates(self, prints: Iterable[Fingerprint]) -> dict[str, Template]:
        """The templates of fingerprints that rest on one, by their IDs."""
        return self._known.miner.described(print_.template_id for print_ in prints if print_.template_id)

    def to_state(self) -> dict[str, Any]:
        """Plain JSON types; a restart changes nothing."""
        return {**self._known.to_state(), "joiner": self._joiner.to_state()}
