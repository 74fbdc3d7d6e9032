"""Keep masked messages and join those that are one template: the evidence of `slots`, collected.

Only the set of nodes counts, never their order or number, and evidence only grows. So the same messages give the same
templates in any order, and a join is never taken back.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from itertools import chain
from typing import Final

from triage.analyse.grouping.crowds import Crowds
from triage.analyse.grouping.masking_tokens import STAR
from triage.analyse.grouping.slots import NEED_PAIR, NEED_WORD, Slot, slots_of

KNOWN_WEIGHT: Final = 2
"""A word that is a value elsewhere counts for this many more."""
FULL_GROUP: Final = 64
"""Nodes of one template that are kept; what joins later is assigned and adds no evidence."""
MAX_VALUES: Final = 10_000

_STARS: Final = f"{STAR} {STAR}"
_RUN_OF_STARS = re.compile(r"<\*>(?: <\*>)+")


@dataclass(slots=True)
class _Place:
    """A slot that two nodes or more share; `home` is a node of its template once it is open, before that -1."""

    need: int
    opened: tuple[str, ...]
    pair: bool
    nodes: list[int] = field(default_factory=list)
    words: set[str] = field(default_factory=set)
    home: int = -1


class SlotIndex:
    """Nodes, the slots they share, and the union of nodes into templates; `limit` bounds the number of nodes."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.tokens: list[tuple[str, ...]] = []
        self._node: dict[tuple[str, ...], int] = {}
        self._parent: list[int] = []
        self._size: list[int] = []
        self._text: list[tuple[int, str]] = []
        self._alone: dict[int, int] = {}
        self._places: dict[int, _Place] = {}
        self._closed: dict[int, None] = {}
        self._values: set[str] = set()
        self._judged = (0, 0)
        self._crowds = Crowds()

    def find(self, node: int) -> int:
        """The node that stands for the template of `node`: its oldest."""
        parent = self._parent
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    def insert(self, tokens: tuple[str, ...], general: bool = False) -> int | None:
        """The node of `tokens`, made if it is new; a node of its template if that is full; None if there is no room.

        A `general` node is the text of a template, and is made even if that is full.
        """
        known = self._node.get(tokens)
        if known is not None:
            return known
        home = self._crowds.home(tokens)
        slots, read = slots_of(tokens), list[Slot]()
        if home is None and (place := self._open_place(slots, read)) is not None:
            home = place.home
            if self._size[self.find(home)] >= FULL_GROUP:
                self._crowds.remember(place.opened, home)
        full = home is not None and self._size[self.find(home)] >= FULL_GROUP and not general
        if full or len(self.tokens) >= self.limit:
            return home
        return self._insert(tokens, home, chain(read, slots))

    def union(self, one: int, other: int) -> None:
        """Make the templates of two nodes one."""
        a, b = sorted((self.find(one), self.find(other)))
        if a != b:
            self._parent[b] = a
            self._size[a] += self._size[b]
            self._text[a] = min(self._text[a], self._text[b])

    def text(self, node: int) -> str:
        """The text of the template of `node`: that of its node with the least literal text; runs of `<*>` are one."""
        return self._text[self.find(node)][1]

    def own_text(self, node: int) -> str:
        """The text of one node, whatever it was joined to."""
        return one_star("".join(self.tokens[node]))

    def settle(self) -> None:
        """Judge again what more messages, or more words known as values, may have decided."""
        while self._judged != (state := (len(self.tokens), len(self._values))):
            self._judged = state
            for key in [key for key in self._closed if self._opens(self._places[key])]:
                if key in self._closed:
                    self._open(key)

    def _insert(self, tokens: tuple[str, ...], home: int | None, slots: Iterable[Slot]) -> int:
        node = self._add(tokens)
        if home is not None:
            self.union(home, node)
        for slot in slots:
            self._see(slot, node)
        for pattern, covered in self._crowds.add(self.tokens, node):
            self._join(covered, pattern)
        return node

    def _add(self, tokens: tuple[str, ...]) -> int:
        node = len(self.tokens)
        self.tokens.append(tokens)
        self._node[tokens] = node
        self._parent.append(node)
        self._size.append(1)
        self._text.append((sum(len(token) for token in tokens if token != STAR), self.own_text(node)))
        return node

    def _open_place(self, slots: Iterable[Slot], read: list[Slot]) -> _Place | None:
        """The first open place among the slots; those that were looked at are put into `read`."""
        for slot in slots:
            read.append(slot)
            place = self._places.get(slot.key)
            if place is not None and place.home >= 0:
                return place
        return None

    def _see(self, slot: Slot, node: int) -> None:
        place = self._places.get(slot.key)
        if place is None:
            first = self._alone.setdefault(slot.key, node)
            if first == node:
                return
            place = self._share(slot, self._alone.pop(slot.key))
        place.words.add(slot.word)
        if place.home >= 0:
            self.union(place.home, node)
            self._learn_values(place)
            return
        place.nodes.append(node)
        if self._opens(place):
            self._open(slot.key)

    def _share(self, slot: Slot, first: int) -> _Place:
        """The place of a slot that its second node reaches."""
        place = self._places[slot.key] = _Place(
            slot.need, slot.template(self.tokens[first]), slot.opened is None and len(slot.places) == 2, [first]
        )
        place.words.update(each.word for each in slots_of(self.tokens[first]) if each.key == slot.key)
        self._closed[slot.key] = None
        return place

    def _opens(self, place: _Place) -> bool:
        if STAR in place.words:
            return len(place.words) > 1
        if place.pair:
            return _both_vary(place.words) or (_STARS in place.words and self._knows_one(place.words))
        return len(place.words) + KNOWN_WEIGHT * len(place.words & self._values) >= place.need

    def _knows_one(self, pairs: AbstractSet[str]) -> bool:
        return any(self._values.issuperset(pair.split(" ")) for pair in pairs)

    def _open(self, key: int) -> None:
        place = self._places[key]
        self._closed.pop(key, None)
        place.home = place.nodes[0]
        self._join(place.nodes, place.opened)
        place.nodes = []
        self._learn_values(place)

    def _join(self, nodes: list[int], opened: tuple[str, ...]) -> None:
        """Make `nodes` one template, whose text is that of a new node `opened`."""
        template = self.insert(opened, general=True)
        self._unite(nodes if template is None else [*nodes, template])

    def _unite(self, nodes: Sequence[int]) -> None:
        for node in nodes[1:]:
            self.union(nodes[0], node)

    def _learn_values(self, place: _Place) -> None:
        """Words of a place with many of them are values wherever they stand; single words only, not longer ends."""
        if len(place.words) - (STAR in place.words) >= NEED_WORD and len(self._values) < MAX_VALUES:
            self._values.update(word for word in place.words if word != STAR and " " not in word)
        if len(place.words) > FULL_GROUP:
            place.words = set(sorted(place.words)[:NEED_WORD]) | (place.words & {STAR})


def one_star(text: str) -> str:
    """Runs of `<*>` as one."""
    return _RUN_OF_STARS.sub(STAR, text)


def _both_vary(pairs: AbstractSet[str]) -> bool:
    """Whether each place of a pair has seen enough words for itself; else one of them is a state."""
    if len(pairs) < NEED_PAIR:
        return False
    return min(len(set(column)) for column in zip(*(pair.split(" ") for pair in pairs), strict=True)) >= NEED_WORD
