"""How good a grouping is: pairwise F1, and what share of later events joins what a person merged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from corpus.gateway_errors import corpus

from triage.analyse.grouping.model import Assigned, GroupingModel
from triage.analyse.grouping.taught import Lesson, Taught

MERGED = [("core connect timeout", "core connect refused"), ("daily limit", "weekly limit"), ("user locked", "token expired"),
          ("CONSENT_EXPIRED at bg-accounts", "CONSENT_INVALID at bg-accounts")]
"""Families that a person finds to be one problem: reworded messages, and codes."""


def pairwise_f1(truth: Sequence[str], found: Sequence[str]) -> float:
    """F1 over all pairs of events: together in truth against together in what was found."""

    def pairs(labels: Iterable[object]) -> float:
        return sum(n * (n - 1) / 2 for n in Counter(labels).values())

    both = pairs(zip(truth, found, strict=True))
    precision, recall = both / pairs(found), both / pairs(truth)
    return 2 * precision * recall / (precision + recall)


def lesson(action: str, assigned: Assigned, group: str, into: str, templates: Sequence[str] = (), at: int = 1) -> Lesson:
    """A lesson as the console makes it: about a whole group, or about some of its templates."""
    mine = {p.id: p for p, place in zip(assigned.prints, assigned.places, strict=True) if place.group == group}
    first = next(iter(mine.values()))
    meant = {id_: p.said for id_, p in mine.items() if not templates or p.said in templates}
    rest = {id_: p.said for id_, p in mine.items() if id_ not in meant}
    return Lesson(
        f"l{at}", action, group, into, at, "ann", kind=first.kind, scope=first.scope, prints=tuple(meant),  # type: ignore[arg-type]
        templates=tuple(meant.values()), rest=tuple(rest), stay=tuple(rest.values()),
    )


def after_merge_share(seed: int) -> float:
    """The smallest share, over MERGED, of later events of both families (new values, variants, rewordings) that are in the group into
    which the first was merged, after 3,000 of 8,000 events and a restart."""
    labelled = corpus(8_000, seed)
    model = GroupingModel({})
    early = model.assign([each for _, each in labelled[:3_000]])
    group_of = dict(zip([label for label, _ in labelled[:3_000]], early.groups, strict=True))
    lessons = tuple(lesson("merge", early, group_of[a], group_of[b], at=n + 1) for n, (a, b) in enumerate(MERGED))
    later = GroupingModel(model.to_state(), Taught(lessons)).assign([each for _, each in labelled[3_000:]])
    shares = []
    for a, b in MERGED:
        found = [group for (label, _), group in zip(labelled[3_000:], later.groups, strict=True) if label in (a, b)]
        shares.append(Counter(found)[group_of[b]] / len(found))
    return min(shares)
