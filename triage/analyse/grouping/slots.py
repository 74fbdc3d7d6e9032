"""The places of a masked message in which literal words may vary.

Every masked message is a *node*. For each of its words the rest of the message is a *slot*; nodes that differ in that
one word share the slot. A slot opens, and its nodes become one template with `<*>` there, when it has seen so many
different words that they cannot be a small set of states, or a masked value beside a word, or words that are values
elsewhere. How many are needed follows from the place alone: two for `key=value`, few for a quoted word, several in
running text, more at the start, where the word mostly names what happened. Wider slots hold what varies together.

Reading constant and variable words from the variety of words in one place is the idea of IPLoM and Brain; the slots,
what they need, and the union of nodes in `slot_index` are this package's own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Final, NamedTuple

from triage.analyse.grouping.masking_tokens import FAULT_WORD, STAR

NEED_VALUE: Final = 2
NEED_QUOTED: Final = 3
NEED_WORD: Final = 5
NEED_FIRST: Final = 8
NEED_BARE: Final = 12
NEED_FAULT: Final = 12
"""Distinct words that open a slot: in `key=value`; in quotes; in running text; as the first word; with one word beside;
and for words that name a fault or an operation."""
NEED_PAIR: Final = 10
"""Distinct pairs that open two places at once; each place must have seen `NEED_WORD` words as well. If the pair of two
`<*>` is there, one pair of words that are values elsewhere is enough."""
MIN_PAIRED: Final = 3
MAX_PAIRED: Final = 10
"""Words of a message in which pairs are looked at: more than the one, at most the other."""
MAX_SLOTS: Final = 48
"""Words of one message that may be found to vary; a longer message varies in its first ones or not at all."""
MAX_TAIL_WORDS: Final = 5

_COLON = frozenset(":")
_QUOTES = frozenset("\"'`")
_FAULT_KEYS = frozenset({"error", "err", "code", "reason", "cause", "exception", "fault", "type", "error_code", "errorcode"})
_IDENTIFIER = re.compile(r"(?=[\w.\-$]*[a-z])(?:\w+(?:[.\-$]\w+)+|[a-z]+[A-Z]\w*|[a-z0-9]+_\w+)")


class Slot(NamedTuple):
    """One place of one node: the key of the rest, the distinct words that open it, the positions that vary, what stands
    there now; and `opened`, the template that it would be, where positions alone don't say."""

    key: int
    need: int
    places: tuple[int, ...]
    word: str
    opened: tuple[str, ...] | None = None

    def template(self, tokens: tuple[str, ...]) -> tuple[str, ...]:
        """The tokens of the template when the slot of a node with these tokens opens."""
        if self.opened is not None:
            return self.opened
        return tuple(STAR if i in self.places else token for i, token in enumerate(tokens))


def slots_of(tokens: tuple[str, ...]) -> Iterator[Slot]:
    """Every place of a node whose word may vary, and the wider places: values, names, pairs, lists, an open end."""
    words = sum(map(is_word, tokens))
    text = "".join(tokens)
    at = 0
    single: list[tuple[int, int, int]] = []
    for i, token in enumerate(tokens):
        start, at = at, at + len(token)
        if token != STAR and not token[0].isalnum():
            continue
        need = _need(tokens, i, words - is_word(token))
        if not need or len(single) >= MAX_SLOTS:
            continue
        single.append((i, start, at))
        fault = FAULT_WORD.fullmatch(token) is not None
        yield Slot(hash((text[:start], text[at:], fault)), max(need, NEED_FAULT) if fault else need, (i,), token)
    yield from _marked(tokens, [i for i, _, _ in single], words)
    if words + tokens.count(STAR) > MIN_PAIRED:
        yield from _pairs(tokens, text, single)
    yield from _lists(tokens)
    if STAR in tokens:
        yield from (Slot(hash((tokens, kind)), NEED_WORD, (), STAR) for kind in ("values", "names", "lists"))
    yield from _open_end(tokens)


def is_word(token: str) -> bool:
    """Whether a token is literal text of at least two letters or digits, not a value, space or punctuation."""
    return token != STAR and len(token) > 1 and token[0].isalnum()


def _need(tokens: tuple[str, ...], i: int, others: int) -> int:
    """Distinct words that open the slot at `i` when `others` literal words stand beside it; 0 if it never opens."""
    if others == 0:
        return 0
    if given := _value_need(tokens, i):
        return given
    if i == 0:
        return NEED_FIRST if others > 1 else 0
    return NEED_WORD if others > 1 else NEED_BARE


def _value_need(tokens: tuple[str, ...], i: int) -> int:
    """Distinct words needed where the writer marked a value: after `key=` or between quotes; elsewhere 0."""
    before = tokens[i - 1] if i else ""
    if before == "=" and i > 1 and tokens[i - 2].lower() not in _FAULT_KEYS:
        return NEED_VALUE
    return NEED_QUOTED if before in _QUOTES and tokens[i + 1 : i + 2] == (before,) else 0


def _marked(tokens: tuple[str, ...], single: Sequence[int], words: int) -> Iterator[Slot]:
    """All values that the writer marked (`k=v`, quoted) at once, and all identifiers (`a.b`, `aB`, `a_b`) at once."""
    literal = [i for i in single if tokens[i] != STAR]
    values = [i for i in literal if _value_need(tokens, i)]
    names = [i for i in literal if i and _IDENTIFIER.fullmatch(tokens[i]) and not FAULT_WORD.fullmatch(tokens[i])]
    if len(values) > 1:
        yield _wide(tokens, tuple(values), "values", max(_value_need(tokens, i) for i in single))
    if len(names) > 1 and words - len(names) > 1:
        yield _wide(tokens, tuple(names), "names", NEED_WORD)


def _wide(tokens: tuple[str, ...], places: tuple[int, ...], kind: str, need: int) -> Slot:
    opened = tuple(STAR if i in places else token for i, token in enumerate(tokens))
    return Slot(hash((opened, kind)), need, places, " ".join(tokens[i] for i in places), opened)


def _pairs(tokens: tuple[str, ...], text: str, single: Sequence[tuple[int, int, int]]) -> Iterator[Slot]:
    """Every two words at once, in a message of few words, for messages in which both are new each time."""
    words = [spot for spot in single if spot[0] and is_word(tokens[spot[0]]) and not FAULT_WORD.fullmatch(tokens[spot[0]])]
    stars = [spot for spot in single if spot[0] and tokens[spot[0]] == STAR]
    for able in (words, stars):
        for (i, start, end), (j, begin, after) in combinations(able if len(able) <= MAX_PAIRED else (), 2):
            key = hash((text[:start], text[end:begin], text[after:]))
            yield Slot(key, NEED_PAIR, (i, j), f"{tokens[i]} {tokens[j]}")


def _lists(tokens: tuple[str, ...]) -> Iterator[Slot]:
    """All runs of single words with commas between them, each as one place: a list has any length."""
    opened: list[str] = []
    lists: list[str] = []
    i = 0
    while i < len(tokens):
        end = _list_end(tokens, i)
        if end > i + 1:
            lists.append("".join(tokens[i:end]))
            opened.append(STAR)
        else:
            opened.append(tokens[i])
        i = max(end, i + 1)
    if lists and sum(map(is_word, opened)) > 1:
        yield Slot(hash((tuple(opened), "lists")), NEED_WORD, (), " ".join(lists), tuple(opened))


def _list_end(tokens: tuple[str, ...], start: int) -> int:
    """Where the list that starts at `start` ends; `start` itself if there is no item."""
    end = start
    at = start
    while at < len(tokens) and (tokens[at] == STAR or tokens[at][0].isalnum()):
        end = at + 1
        at = end + 1 if tokens[end : end + 1] == (",",) else len(tokens)
        at += tokens[at : at + 1] == (" ",)
    return end


def _open_end(tokens: tuple[str, ...]) -> Iterator[Slot]:
    """`name:anything` to the end of the message, when what follows the colon stands right beside it."""
    words = 0
    for i, token in enumerate(tokens[:-1]):
        if token in _COLON and words > 1 and tokens[i + 1] != " ":
            rest = tokens[i + 1 :]
            if sum(map(is_word, rest)) <= MAX_TAIL_WORDS:
                opened = (*tokens[: i + 1], STAR)
                yield Slot(hash((opened, "end")), NEED_WORD, (), "".join(rest), opened)
            return
        words += is_word(token)
