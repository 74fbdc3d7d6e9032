"""Events to groups with what was learned so far: the part of the grouping model that needs no scikit-learn.

A group keeps its ID whatever the machine learns. When two templates turn out to be one, their groups become one: the older keeps
its ID, and `moved` leads from the other to it, unless people taught something about that one, whose name then stays.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from triage.analyse.grouping.fingerprint import ErrorEvent, Fingerprint, current_id, fingerprints
from triage.analyse.grouping.floods import flooded
from triage.analyse.grouping.taught import Placed, Taught
from triage.analyse.grouping.templates import TemplateMiner

MOST_KNOWN: Final = 50_000
"""Fingerprints that are remembered; the oldest are forgotten, and get their group again from their ID."""


@dataclass(frozen=True, slots=True)
class Known:
    """A fingerprint that rests on a template."""

    basis: tuple[str, ...]
    template_id: str


def current_group(group: str, taught: Taught, moved: Mapping[str, str]) -> str:
    """The group that stands for `group` after people's merges and the machine's moves."""
    way = {group}
    while (following := taught.resolve(moved.get(group, group))) not in way:
        way.add(following)
        group = following
    return group


class Assignment:
    """What is known of fingerprints: `group_of` their group, `home` the one that each was joined to, `moved` old group -> new."""

    def __init__(self, state: Mapping[str, Any], taught: Taught) -> None:
        self.miner = TemplateMiner.from_state(state["miner"]) if "miner" in state else TemplateMiner()
        self.group_of: dict[str, str] = dict(state.get("canonical", {}))
        self.home: dict[str, str] = dict(state.get("home", {}))
        self.moved: dict[str, str] = dict(state.get("moved", {}))
        self._known = {row[0]: Known(tuple(row[1]), row[2]) for row in state.get("known", ())}
        self._per_scope = Counter(dict(state.get("scopes", {})))
        self.taught = taught

    def read(self, events: Sequence[ErrorEvent]) -> list[Fingerprint]:
        """The fingerprints of a batch; its messages teach the miner, and a flood among them gets its group."""
        prints = fingerprints(events, self.miner)
        self._follow_templates()
        self._known |= {p.id: Known(p.basis, p.template_id) for p in prints if p.template_id}
        self.group_of |= flooded(prints, self.group_of, self._per_scope)
        return prints

    def settle(self, joined: Mapping[str, str], scopes: Mapping[str, str]) -> None:
        """Give new fingerprints their groups. `joined`: fingerprint -> the one that it says the same as (or itself)."""
        for id_, home in joined.items():
            self.home[id_] = home
            self.group_of[id_] = self.group_of.get(home, home)
            self._per_scope[scopes[id_]] += id_ == home
        for table in (self.group_of, self.home, self._known, self.moved):
            for id_ in list(table)[: max(len(table) - MOST_KNOWN, 0)]:
                del table[id_]

    def places(self, events: Sequence[ErrorEvent], prints: Sequence[Fingerprint]) -> list[Placed]:
        """Where each event belongs, in order."""
        made: dict[tuple[ErrorEvent, str], Placed] = {}
        found = []
        for event, print_ in zip(events, prints, strict=True):
            place = made.get((event, print_.id))
            if place is None:
                group = self.group_of.get(print_.id, print_.id)
                place = self.taught.place(event, print_, group, self.home.get(print_.id, print_.id))
                place = made[event, print_.id] = replace(place, group=current_group(place.group, self.taught, self.moved))
            found.append(place)
        return found

    def to_state(self) -> dict[str, Any]:
        """Plain JSON types."""
        known = [[id_, list(each.basis), each.template_id] for id_, each in self._known.items()]
        return {"miner": self.miner.to_state(), "canonical": self.group_of, "home": self.home, "moved": self.moved, "known": known,
                "scopes": dict(self._per_scope)}

    def _follow_templates(self) -> None:
        """Fingerprints whose template was joined to an older one lead to the fingerprint of that one."""
        stale = [(id_, each) for id_, each in self._known.items() if self.miner.resolve(each.template_id) != each.template_id]
        for id_, each in stale:
            new_id = current_id(each.basis, each.template_id, self.miner)
            del self._known[id_]
            self._known.setdefault(new_id, Known(each.basis, self.miner.resolve(each.template_id)))
            old, new = self.group_of.get(id_, id_), self.group_of.get(new_id)
            if new is None or old == new:
                self.group_of[new_id] = old
            elif self.taught.touched(old) and not self.taught.touched(new):
                self._move(new, old)
            else:
                self._move(old, new)

    def _move(self, old: str, new: str) -> None:
        """From now on the errors of one group are of another."""
        self.moved[old] = new
        self.moved.pop(new, None)
        for id_, group in self.group_of.items():
            if group == old:
                self.group_of[id_] = new
