"""Texts in which nothing but digits differs (`payment 17 accepted in 9 ms`) are looked at once: what is done with the first is done
with all that follow.

The tests of `suspects` take every ASCII digit for every other, so a text and its shape (every digit a zero) get the same marks. A
shape is remembered when it has no mark, or when all there is to mask in it are plain numbers after the word for their owner. Any
other text is looked at for itself, and nothing of it is remembered.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from triage.mask import numbers
from triage.mask.checks import IBAN_LENGTHS
from triage.mask.suspects import OWNED, marks

Spans = tuple[tuple[int, int], ...]
"""Where in a text the numbers stand that become pseudonyms; none: the text stays as it is."""

_ZEROS: Final = bytes.maketrans(b"123456789", b"000000000")
_SEPARATOR: Final = "\0"
_MOST: Final = 4096
_LONGEST: Final = 512
_JOINS: Final = re.compile(r"[ .\-()/]{0,2}\d|\\?[\"']?\s{0,3}[:=]")
"""What after a number could make one thing of it and the pseudonym in its place: more digits, or the sign of a pair."""
_COUNTRIES: Final = frozenset(map(str.lower, IBAN_LENGTHS))


class Shapes:
    """What is to be done with texts of a shape. Bounded; threads may share it."""

    def __init__(self) -> None:
        self._known: dict[str, Spans] = {}

    def plans(self, texts: list[str]) -> list[Spans | int]:
        """For each text its numbers to mask, or its marks when it must be looked at. All can be written as UTF-8."""
        known = self._known.get
        shapes = _shapes(texts)
        plans: list[Spans | int | None] = [known(shape) for shape in shapes]
        learned = self._learn([*{shape for shape, plan in zip(shapes, plans, strict=True) if plan is None}])
        return [learned[shape] if plan is None else plan for shape, plan in zip(shapes, plans, strict=True)]

    def _learn(self, shapes: list[str]) -> dict[str, Spans | int]:
        plans: dict[str, Spans | int] = {}
        for shape, mark in zip(shapes, marks(shapes) if shapes else (), strict=True):
            plan = plans[shape] = _plan(shape, mark)
            if isinstance(plan, tuple) and len(shape) <= _LONGEST:
                if len(self._known) >= _MOST:
                    self._known.clear()
                self._known[shape] = plan
        return plans


def filled(text: str, spans: Spans, pseudonym: Callable[[str], str]) -> str:
    """The text with pseudonyms for the numbers at `spans`; empty: one of them begins as an IBAN would, so look at the whole."""
    moved = 0
    for start, end in spans:
        name = pseudonym(text[start + moved : end + moved])
        if name[:2] in _COUNTRIES and name[2:4].isdecimal():
            return ""
        text = f"{text[: start + moved]}~{name}{text[end + moved :]}"
        moved += start - end + 1 + len(name)
    return text


def _shapes(texts: list[str]) -> list[str]:
    """The texts with a zero for every digit."""
    shapes = _SEPARATOR.join(texts).encode().translate(_ZEROS).decode().split(_SEPARATOR)
    if len(shapes) == len(texts):
        return shapes
    return [text.encode().translate(_ZEROS).decode() for text in texts]


def _plan(shape: str, mark: int) -> Spans | int:
    if mark != OWNED:
        return mark or ()
    spans = tuple(numbers.owned_numbers(shape))
    if numbers.NINO.search(shape) or any(_joins(shape, start, end) for start, end in spans):
        return mark
    return spans


def _joins(shape: str, start: int, end: int) -> bool:
    """Whether a number has gaps, or what follows it could be one with its pseudonym: then the masked text is looked at again."""
    return not shape[start:end].isdecimal() or _JOINS.match(shape, end) is not None
