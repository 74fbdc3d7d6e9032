"""Recognise a flood: one service says very many different things at once. It is one group that says so. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from triage.analyse.grouping.fingerprint import Fingerprint, hashed
from triage.analyse.grouping.templates import OVERFLOW_TEXT

MOST_FRESH: Final = 300
"""Kinds of message that a service may say for the first time in one batch, each once or twice."""
MOST_GROUPS: Final = 2_000
"""Groups of messages of one service; what is new beyond is part of its flood."""
RARE: Final = 2


def flood_of(scope: str) -> str:
    """The group of a scope's flood."""
    return hashed("flood", scope)


def flooded(prints: Sequence[Fingerprint], known: Mapping[str, str], per_scope: Mapping[str, int]) -> dict[str, str]:
    """Fingerprint -> the flood that it is part of, for the messages of a batch.

    `known`: fingerprints that have a group; they keep it. `per_scope`: how many message groups each scope has.
    """
    counts = Counter(print_.id for print_ in prints if print_.kind == "message" and print_.id not in known)
    fresh = {print_.id: print_ for print_ in prints if print_.id in counts}
    rare = Counter(fresh[id_].scope for id_, count in counts.items() if count <= RARE)
    made: dict[str, str] = {}
    new: Counter[str] = Counter()
    for id_, print_ in fresh.items():
        scope = print_.scope
        new[scope] += 1
        full = per_scope.get(scope, 0) + new[scope] > MOST_GROUPS
        if full or print_.said == OVERFLOW_TEXT or (counts[id_] <= RARE and rare[scope] > MOST_FRESH):
            made[id_] = flood_of(scope)
    return made
