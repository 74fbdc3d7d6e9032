"""Find the literal words that vary: which masked messages are one template.

Every masked message is a *node*. For each of its words the rest of the message is a *slot*; nodes that differ in that
one word share the slot. A slot opens, and its nodes become one template with `<*>` there, when it has seen so many
different words that they cannot be a small set of states, or a masked value beside a word. How many are needed follows
from the place alone: two for `key=value` and for a quoted word, several in running text, more at the start, where the
word mostly names what happened.

Only the set of nodes counts, never their order or number, and evidence only grows. So the same messages give the same
templates in any order, and a join is never taken back. The idea of reading constant and variable words from the
variety of words in one place is that of IPLoM and Brain; the slots, thresholds and union of nodes are this module's own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from triage.analyse.masking_tokens import STAR

NEED_VALUE = 2
NEED_WORD = 6
NEED_FIRST = 10
NEED_BARE = 12
"""Distinct words that open a slot: in `key=value` or quotes; in running text; as the first word; with one word beside."""
KNOWN_WEIGHT = 2
MAX_SLOTS = 48
"""Words of one message that may be found to vary; a longer message varies in its first ones or not at all."""
MAX_TAIL_WORDS = 5
FULL_GROUP = 64
"""Nodes of one template that are kept; what joins later is assigned and adds no evidence."""

_QUOTES = frozenset("\"'`")
_FAULT = re.compile(r"[A-Za-z0-9_.$]*(?:Exception|Error|Failure|Fault|Timeout)")
_FAULT_KEYS = frozenset({"error", "err", "code", "reason", "cause", "exception", "fault", "type", "error_code", "errorcode"})
_IDENTIFIER = re.compile(r"(?=.*[a-z])(?:\w+(?:[.\-$_]\w+)+|[a-z]+[A-Z]\w*)")


class Slot(NamedTuple):
    """One place of one node: the key of the rest, the words needed to open it, the template if it opens."""

    key: int
    need: int
    opened: tuple[str, ...]
    starred: bool
    word: str = ""


@dataclass
class SlotIndex:
    """Nodes, the slots they share, and the union of nodes into templates. `limit` bounds the number of nodes."""

    limit: int
    tokens: list[tuple[str, ...]] = field(default_factory=list)
    _node: dict[tuple[str, ...], int] = field(default_factory=dict)
    _parent: list[int] = field(default_factory=list)
    _size: list[int] = field(default_factory=list)
    _closed: dict[int, list[int]] = field(default_factory=dict)
    _starred: set[int] = field(default_factory=set)
    _open: dict[int, int] = field(default_factory=dict)
    _waiting: dict[int, list[Slot]] = field(default_factory=dict)
    _values: set[str] = field(default_factory=set)
    _words: dict[int, set[str]] = field(default_factory=dict)

    def find(self, node: int) -> int:
        """The node that stands for the template of `node`."""
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
        slots = list(slots_of(tokens))
        home = next((self._open[slot.key] for slot in slots if slot.key in self._open), None)
        if home is not None and self._size[self.find(home)] >= FULL_GROUP:
            return home
        if len(self.tokens) >= self.limit:
            return home
        node = self._add(tokens)
        for slot in slots:
            self._see(slot, node)
        return node

    def union(self, one: int, other: int) -> None:
        """Make the templates of two nodes one; the older node stands for both."""
        a, b = sorted((self.find(one), self.find(other)))
        if a != b:
            self._parent[b] = a
            self._size[a] += self._size[b]

    def _add(self, tokens: tuple[str, ...]) -> int:
        node = len(self.tokens)
        self.tokens.append(tokens)
        self._node[tokens] = node
        self._parent.append(node)
        self._size.append(1)
        return node

    def _see(self, slot: Slot, node: int) -> None:
        home = self._open.get(slot.key)
        if home is not None:
            self.union(home, node)
            self._learn_words(slot.key, [slot])
            return
        members = self._closed.setdefault(slot.key, [])
        members.append(node)
        if slot.starred:
            self._starred.add(slot.key)
        waiting = self._waiting.setdefault(slot.key, [])
        waiting.append(slot)
        if len(members) >= slot.need or (len(members) >= 2 and slot.key in self._starred):
            self._open_slot(slot)

    def settle(self) -> None:
        """Open the slots whose words were found to be values elsewhere."""
        while True:
            ready = [slots[0] for slots in self._waiting.values() if len(slots) > 1 and self._familiar(slots)]
            if not ready:
                return
            for slot in ready:
                if slot.key in self._closed:
                    self._open_slot(slot)

    def _learn_words(self, key, slots):
        words = self._words.setdefault(key, set())
        words.update(each.word for each in slots if not each.starred and each.word)
        if len(words) >= NEED_WORD:
            self._values |= words

    def _familiar(self, slots: list[Slot]) -> bool:
        known = sum(slot.word in self._values for slot in slots)
        return len(slots) + KNOWN_WEIGHT * known >= slots[0].need

    def _open_slot(self, slot: Slot) -> None:
        members = self._closed.pop(slot.key)
        waiting = self._waiting.pop(slot.key)
        self._learn_words(slot.key, waiting)
        self._starred.discard(slot.key)
        self._open[slot.key] = members[0]
        for member in members[1:]:
            self.union(members[0], member)
        template = self.insert(slot.opened)
        if template is not None:
            self.union(members[0], template)


def is_word(token: str) -> bool:
    """Whether a token is literal text of at least two letters or digits, not a value, space or punctuation."""
    return token != STAR and len(token) > 1 and token[0].isalnum()


def slots_of(tokens: tuple[str, ...]) -> Iterator[Slot]:
    """Every place of a node whose word may vary, and the two wider places: many names at once, and an open end."""
    words = sum(map(is_word, tokens))
    text = "".join(tokens)
    at, found, names = 0, 0, []
    for i, token in enumerate(tokens):
        start, at = at, at + len(token)
        starred = token == STAR
        if not starred and not token[0].isalnum():
            continue
        need = _need(tokens, i, words - is_word(token))
        if need == 0 or found >= MAX_SLOTS or (not starred and _FAULT.fullmatch(token)):
            continue
        found += 1
        if i and _IDENTIFIER.fullmatch(token):
            names.append(i)
        yield Slot(hash((text[:start], text[at:])), need, (*tokens[:i], STAR, *tokens[i + 1 :]), starred, token)
    if len(names) != 1 and words - len(names) > 1:
        opened = tuple(STAR if i in names else token for i, token in enumerate(tokens))
        yield Slot(hash((opened, "names")), NEED_WORD, opened, not names)
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


def _open_end(tokens: tuple[str, ...]) -> Iterator[Slot]:
    """`name:anything` to the end of the message, when what follows the colon stands right beside it."""
    words = 0
    for i, token in enumerate(tokens[:-1]):
        if token == ":" and words > 1 and tokens[i + 1] not in (" ", STAR):
            rest = tokens[i + 1 :]
            if sum(map(is_word, rest)) <= MAX_TAIL_WORDS:
                yield Slot(hash((tokens[: i + 1], ":")), NEED_WORD, (*tokens[: i + 1], STAR), rest == (STAR,))
            return
        words += is_word(token)
