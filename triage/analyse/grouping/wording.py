"""Judge from the words alone whether two templates can say the same.

Character n-grams bring close texts together; they cannot tell a reworded message from another fault that differs in
one word (`open`, `close`). This guard can: a rewording adds or drops words, bends or reorders them, or says 'failed to'
as 'unable to'. It does not put one content word in another's place, and it does not negate.
"""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache
from typing import Final, NamedTuple

MIN_SHARED: Final = 2
"""Content words that two templates must have in common."""
MAX_EXTRA_SHARE: Final = 0.5
"""Content words that one may say more, in parts of the shared ones."""
MIN_PREFIX: Final = 4
PREFIX_SHARE: Final = 0.6
"""Two words are forms of one when they begin alike for this many letters and this share of the longer one."""

_INABILITY = re.compile(
    r"\b(?:could ?n[o']t|can ?not|can't|unable to|(?:has |have )?fail(?:ed|ure|s|ing)?(?: (?:to|while|during|in|on|at))?"
    r"|was not able to|were not able to|error (?:while|when|during|in)|problem (?:while|when|during))\b"
)
_FAILS = " failing "
_WORD = re.compile(r"[^\W\d_](?:[\w.$]*[^\W_])?")
_IDENTIFIER = re.compile(r"[._$]|[a-z][A-Z]")
_NEGATIONS: Final = frozenset({"not", "no", "never", "without", "non", "isn", "doesn", "didn", "wasn"})
_EMPTY_WORDS: Final = frozenset(
    re.findall(
        r"\w+",
        "the an a s t and or of to in at by for from with while when during was were is are be been has have had now"
        " this that its it as will would error exception warn warning please due because via der die das und von zu bei",
    )
)


class Wording(NamedTuple):
    """The words of a template that carry its meaning, sorted, each as often as it stands there; and its negations."""

    content: tuple[str, ...]
    negations: int


@lru_cache(maxsize=20_000)
def wording(text: str) -> Wording:
    """Content words and number of negations; every way to say that something failed counts as one and the same word."""
    words = [f"={word}" if _IDENTIFIER.search(word) else word.lower() for word in _WORD.findall(text)]
    words = _INABILITY.sub(_FAILS, " ".join(words)).split(" ")
    content = sorted(word for word in words if word and word not in _EMPTY_WORDS and word not in _NEGATIONS)
    return Wording(tuple(content), sum(word in _NEGATIONS for word in words))


def may_say_the_same(one: str, other: str) -> bool:
    """Whether two template texts can be wordings of one message. Symmetric."""
    a, b = wording(one), wording(other)
    if a.negations != b.negations:
        return False
    left, right = Counter(a.content), Counter(b.content)
    shared = left & right
    unmatched = _unmatched(list((left - shared).elements()), list((right - shared).elements()))
    if all(unmatched):
        return False
    common = max(len(a.content) - len(unmatched[0]), len(b.content) - len(unmatched[1]))
    return common >= MIN_SHARED and sum(map(len, unmatched)) <= MAX_EXTRA_SHARE * common


def _unmatched(one: list[str], other: list[str]) -> tuple[list[str], list[str]]:
    """Words of each side that are no form of a word of the other side."""
    left: list[str] = []
    right = list(other)
    for word in one:
        form = next((each for each in right if _same_stem(word, each)), None)
        if form is None:
            left.append(word)
        else:
            right.remove(form)
    return left, right


def _same_stem(one: str, other: str) -> bool:
    """Forms of one word. 'Closing' and 'closed' are two events, so the form in -ing stands for itself, as names do."""
    if one.endswith("ing") or other.endswith("ing") or one[0] == "=" or other[0] == "=":
        return False
    prefix = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    return prefix >= MIN_PREFIX and prefix >= PREFIX_SHARE * max(len(one), len(other))
