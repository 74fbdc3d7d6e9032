"""Find the literal words that vary: which masked messages are one template.

Every masked message is a *node*. For each of its words the rest of the message is a *slot*; nodes that differ in that
one word share the slot. A slot opens, and its nodes become one template with `<*>` there, when it has seen so many
different words that they cannot be a small set of states, or a masked value beside a word, or words that are values
elsewhere. How many are needed follows from the place alone: two for `key=value` and for a quoted word, several in
running text, more at the start, where the word mostly names what happened.

Only the set of nodes counts, never their order or number, and evidence only grows. So the same messages give the same
templates in any order, and a join is never taken back. Reading constant and variable words from the variety of words
in one place is the idea of IPLoM and Brain; slots, thresholds and the union of nodes are this module's own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from triage.analyse.crowds import Crowds
from triage.analyse.masking_tokens import STAR

NEED_VALUE = 2
NEED_WORD = 5
NEED_FIRST = 10
NEED_BARE = 12
"""Distinct words that open a slot: in `key=value` or quotes; in running text; as the first word; with one word beside."""
KNOWN_WEIGHT = 2
"""A word that is a value elsewhere counts for this many more."""
MAX_SLOTS = 48
"""Words of one message that may be found to vary; a longer message varies in its first ones or not at all."""
MAX_TAIL_WORDS = 5
FULL_GROUP = 64
"""Nodes of one template that are kept; what joins later is assigned and adds no evidence."""
MAX_VALUES = 10_000

_RUN_OF_STARS = re.compile(r"<\*>(?: <\*>)+")
_QUOTES = frozenset("\"'`")
_NEVER_A_VALUE = re.compile(
    r"[A-Za-z0-9_.$]*(?:Exception|Error|Failure|Fault|Timeout)|GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS"
)
"""What names the fault or the operation: two messages that differ in it are not one template."""
_FAULT_KEYS = frozenset(
    {"error", "err", "code", "reason", "cause", "exception", "fault", "type", "error_code", "errorcode"}
)
_IDENTIFIER = re.compile(r"(?=[\w.\-$]*[a-z])(?:\w+(?:[.\-$]\w+)+|[a-z]+[A-Z]\w*|[a-z0-9]+_\w+)")


class Slot(NamedTuple):
    """One place of one node: the key of the rest, the distinct words that open it, the template then, the word here."""

    key: int
    need: int
    opened: tuple[str, ...]
    word: str


@dataclass(slots=True)
class _Place:
    """A slot that two nodes or more share; `home` is a node of its template once it is open, before that -1."""

    need: int
    opened: tuple[str, ...]
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
        self._closed: set[int] = set()
        self._values: set[str] = set()
        self._crowds = Crowds()

    def find(self, node: int) -> int:
        """The node that stands for the template of `node`: its oldest."""
        parent = self._parent
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    def insert(self, tokens: tuple[str, ...]) -> int | None:
        """The node of `tokens`, made if it is new; a node of its template if that is full; None if there is no room."""
        known = self._node.get(tokens)
        if known is not None:
            return known
        home = self._crowds.home(tokens)
        if home is None:
            home = self._home(slots_of(tokens))
        if home is not None and self._size[self.find(home)] >= FULL_GROUP:
            return home
        if len(self.tokens) >= self.limit:
            return home
        node = self._add(tokens)
        if home is not None:
            self.union(home, node)
        for slot in slots_of(tokens):
            self._see(slot, node)
        for pattern, covered in self._crowds.add(self.tokens, node):
            self._join(covered, pattern)
        return node

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
        return _RUN_OF_STARS.sub(STAR, "".join(self.tokens[node]))

    def settle(self) -> None:
        """Open the slots whose words have meanwhile been found to be values elsewhere."""
        ready = [key for key in self._closed if self._opens(self._places[key])]
        while ready:
            for key in ready:
                if key in self._closed:
                    self._open(key)
            ready = [key for key in self._closed if self._opens(self._places[key])]

    def _add(self, tokens: tuple[str, ...]) -> int:
        node = len(self.tokens)
        self.tokens.append(tokens)
        self._node[tokens] = node
        self._parent.append(node)
        self._size.append(1)
        self._text.append((sum(len(token) for token in tokens if token != STAR), self.own_text(node)))
        return node

    def _home(self, slots: Iterable[Slot]) -> int | None:
        for slot in slots:
            place = self._places.get(slot.key)
            if place is not None and place.home >= 0:
                return place.home
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
        place = self._places[slot.key] = _Place(slot.need, slot.opened, [first])
        place.words.update(each.word for each in slots_of(self.tokens[first]) if each.key == slot.key)
        self._closed.add(slot.key)
        return place

    def _opens(self, place: _Place) -> bool:
        if STAR in place.words:
            return len(place.words) > 1
        return len(place.words) + KNOWN_WEIGHT * len(place.words & self._values) >= place.need

    def _open(self, key: int) -> None:
        place = self._places[key]
        self._closed.discard(key)
        place.home = place.nodes[0]
        self._join(place.nodes, place.opened)
        place.nodes = []
        self._learn_values(place)

    def _join(self, nodes: list[int], opened: tuple[str, ...]) -> None:
        """Make `nodes` one template, whose text is that of a new node `opened`."""
        template = self.insert(opened)
        for node in nodes if template is None else [*nodes, template]:
            self.union(nodes[0], node)

    def _learn_values(self, place: _Place) -> None:
        """Words of a place with many of them are values wherever they stand; single words only, not longer ends."""
        if NEED_WORD <= len(place.words) - (STAR in place.words) and len(self._values) < MAX_VALUES:
            self._values.update(word for word in place.words if word != STAR and " " not in word)
        if len(place.words) > FULL_GROUP:
            place.words = set(sorted(place.words)[:NEED_WORD]) | (place.words & {STAR})


def is_word(token: str) -> bool:
    """Whether a token is literal text of at least two letters or digits, not a value, space or punctuation."""
    return token != STAR and len(token) > 1 and token[0].isalnum()


def slots_of(tokens: tuple[str, ...]) -> Iterator[Slot]:
    """Every place of a node whose word may vary, and the two wider places: several names at once, and an open end."""
    words = sum(map(is_word, tokens))
    text = "".join(tokens)
    at, found = 0, 0
    for i, token in enumerate(tokens):
        start, at = at, at + len(token)
        if token != STAR and (not token[0].isalnum() or _NEVER_A_VALUE.fullmatch(token)):
            continue
        need = _need(tokens, i, words - is_word(token))
        if need and found < MAX_SLOTS:
            found += 1
            yield Slot(hash((text[:start], text[at:])), need, (*tokens[:i], STAR, *tokens[i + 1 :]), token)
    yield from _names(tokens, words)
    yield from _open_end(tokens)


def _need(tokens: tuple[str, ...], i: int, others: int) -> int:
    """Distinct words that open the slot at `i` when `others` literal words stand beside it; 0 if it never opens."""
    before = tokens[i - 1] if i else ""
    after = tokens[i + 1] if i + 1 < len(tokens) else ""
    if others == 0:
        return 0
    if before == "=" and i > 1 and tokens[i - 2].lower() not in _FAULT_KEYS:
        return NEED_VALUE
    if before in _QUOTES and before == after:
        return NEED_VALUE
    if i == 0:
        return NEED_FIRST if others > 1 else 0
    return NEED_WORD if others > 1 else NEED_BARE


def _names(tokens: tuple[str, ...], words: int) -> Iterator[Slot]:
    """All identifiers (`a.b.C`, `camelCase`, `snake_case`) at once, for messages in which two of them vary together."""
    names = {
        i
        for i, token in enumerate(tokens)
        if i and _IDENTIFIER.fullmatch(token) and not _NEVER_A_VALUE.fullmatch(token)
    }
    if len(names) != 1 and words - len(names) > 1:
        opened = tuple(STAR if i in names else token for i, token in enumerate(tokens))
        word = " ".join(tokens[i] for i in sorted(names)) if names else STAR
        yield Slot(hash((opened, "names")), NEED_WORD, opened, word)


def _open_end(tokens: tuple[str, ...]) -> Iterator[Slot]:
    """`name:anything` to the end of the message, when what follows the colon stands right beside it."""
    words = 0
    for i, token in enumerate(tokens[:-1]):
        if token == ":" and words > 1 and tokens[i + 1] != " ":
            rest = tokens[i + 1 :]
            if sum(map(is_word, rest)) <= MAX_TAIL_WORDS:
                opened = (*tokens[: i + 1], STAR)
                yield Slot(hash((opened, "end")), NEED_WORD, opened, "".join(rest))
            return
        words += is_word(token)
