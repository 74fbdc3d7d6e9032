"""Judge from the words alone whether two templates can say the same.

Character n-grams bring close texts together; they cannot tell a reworded message from another fault that differs in
one word (`open`, `close`). This guard can: a rewording adds or drops words, bends or reorders them, or says 'failed to'
as 'unable to'. It does not put one content word in another's place, and it does not negate.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

MIN_SHARED: Final = 2
"""Content words that two templates must have in common."""
MAX_EXTRA_SHARE: Final = 0.6
"""Content words that one may say more, in parts of the shared ones."""
MIN_PREFIX: Final = 4
PREFIX_SHARE: Final = 0.6
"""Two words are forms of one when they begin alike for this many letters and this share of the longer one."""

_INABILITY = re.compile(
    r"\b(?:could ?n[o']t|can ?not|can't|unable to|(?:has |have )?fail(?:ed|ure|s|ing)?(?: (?:to|while|during|in|on|at))?"
    r"|was not able to|were not able to|error (?:while|when|during|in)|problem (?:while|when|during))\b"
)
_WORD = re.compile(r"[^\W\d_]{2,}")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])|_")
_NEGATIONS: Final = frozenset({"not", "no", "never", "without", "non", "isn", "doesn", "didn", "wasn"})
_EMPTY_WORDS: Final = frozenset(
    "the an and or of to in on at by for from with while when during was were is are be been has have had this that its"
    " it as will would error exception err warn warning failed failure please after before via due because the"
    " der die das und von zu mit bei".split()
)


class Wording(NamedTuple):
    """The words of a template that carry its meaning."""

    content: frozenset[str]
    negations: int
    fails: bool


@lru_cache(maxsize=20_000)
def wording(text: str) -> Wording:
    """Content words, number of negations, and whether something is said to have failed."""
    plain, fails = _INABILITY.subn(" ", _CAMEL.sub(" ", text).lower())
    words = _WORD.findall(plain)
    negations = sum(word in _NEGATIONS for word in words)
    content = frozenset(word for word in words if word not in _EMPTY_WORDS and word not in _NEGATIONS)
    return Wording(content, negations, bool(fails))


def may_say_the_same(one: str, other: str) -> bool:
    """Whether two template texts can be wordings of one message. Symmetric."""
    a, b = wording(one), wording(other)
    if a.negations != b.negations:
        return False
    shared = a.content & b.content
    left, right = _unmatched(a.content - shared, b.content - shared)
    common = len(a.content) - len(left)
    if left and right:
        return False
    if a.content == b.content and not shared:
        return False
    return common >= MIN_SHARED and len(left) + len(right) <= MAX_EXTRA_SHARE * common


def _unmatched(one: frozenset[str], other: frozenset[str]) -> tuple[set[str], set[str]]:
    """Words of each side that are no form of a word of the other side."""
    left, right = set(one), set(other)
    for word in sorted(one):
        form = next((each for each in sorted(right) if _same_stem(word, each)), None)
        if form is not None:
            left.discard(word)
            right.discard(form)
    return left, right


def _same_stem(one: str, other: str) -> bool:
    prefix = 0
    for a, b in zip(one, other, strict=False):
        if a != b:
            break
        prefix += 1
    return prefix >= MIN_PREFIX and prefix >= PREFIX_SHARE * max(len(one), len(other))
