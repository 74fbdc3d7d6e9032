"""Recognise a crowd: very many masked messages of one shape in which several words vary at once.

Slots find words that vary one at a time. When user and host are both new in every message, no two messages share a
slot. Then the words of one shape are counted by place: those that most messages have are the template.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from triage.analyse.grouping.masking_tokens import FAULT_WORD, STAR

FIRST_LOOK: Final = 128
"""Different messages of one shape before it is looked at, and again each time their number has doubled."""
COMMON_SHARE: Final = 0.1
"""A word that a smaller share of the shape's messages has in its place is a value."""
MIN_MEMBERS: Final = 32
MIN_WORDS: Final = 2
MAX_PATTERNS: Final = 8


@dataclass(slots=True)
class _Shape:
    nodes: list[int] = field(default_factory=list)
    look_at: int = FIRST_LOOK
    patterns: list[tuple[tuple[str, ...], int]] = field(default_factory=list)


class Crowds:
    """Messages by shape: number of tokens, first token, and what is no word, in place."""

    def __init__(self) -> None:
        self._shapes: dict[int, _Shape] = {}

    def home(self, tokens: tuple[str, ...]) -> int | None:
        """A node of the crowd's template that covers `tokens`."""
        shape = self._shapes.get(_shape_of(tokens))
        if shape is None:
            return None
        for pattern, node in shape.patterns:
            if all(a in (b, STAR) for a, b in zip(pattern, tokens, strict=True)):
                return node
        return None

    def remember(self, pattern: tuple[str, ...], node: int) -> None:
        """Let `home` answer for a template that is known and full: one comparison in place of all its slots."""
        shape = self._shapes.setdefault(_shape_of(pattern), _Shape())
        if len(shape.patterns) < MAX_PATTERNS and STAR not in pattern[:1] and _words(pattern) >= MIN_WORDS:
            shape.patterns.append((pattern, node))

    def add(self, tokens: Sequence[tuple[str, ...]], node: int) -> list[tuple[tuple[str, ...], list[int]]]:
        """Count a node; `tokens` holds those of all nodes. Returns new templates, each with the nodes that it covers."""
        shape = self._shapes.setdefault(_shape_of(tokens[node]), _Shape())
        shape.nodes.append(node)
        if len(shape.nodes) < shape.look_at:
            return []
        shape.look_at *= 2
        rows = [tokens[each] for each in shape.nodes]
        enough = COMMON_SHARE * len(rows)
        common = [{word for word, n in Counter(column).items() if n >= enough} for column in zip(*rows, strict=True)]
        found: dict[tuple[str, ...], list[int]] = {}
        for each, row in zip(shape.nodes, rows, strict=True):
            pattern = tuple(
                word if word in keep or FAULT_WORD.fullmatch(word) else STAR for word, keep in zip(row, common, strict=True)
            )
            found.setdefault(pattern, []).append(each)
        good = [(p, nodes) for p, nodes in found.items() if len(nodes) >= MIN_MEMBERS and _words(p) >= MIN_WORDS]
        good = sorted(good, key=lambda item: -len(item[1]))[: MAX_PATTERNS - len(shape.patterns)]
        shape.patterns += [(pattern, nodes[0]) for pattern, nodes in good]
        return good


def _shape_of(tokens: tuple[str, ...]) -> int:
    return hash((tokens[:1], tuple("" if token[0].isalnum() or token == STAR else token for token in tokens)))


def _words(pattern: tuple[str, ...]) -> int:
    return sum(len(token) > 1 and token[0].isalnum() for token in pattern)
