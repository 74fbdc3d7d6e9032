"""What people taught about groups, applied: rules first, then splits, then merges. They outweigh whatever the machine learned.

A lesson remembers the templates that it was about, as they read then. So it holds when the machine joins templates, refits,
forgets or starts again: a split is never undone by it, and what was merged stays merged, rewordings with it. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Final, Literal

from triage.analyse.grouping.fingerprint import ErrorEvent, Fingerprint, said_by
from triage.analyse.grouping.group_rules import GroupRule, Match, Matcher, RuleBook, group_of_key, key_of
from triage.analyse.grouping.masking_tokens import STAR
from triage.analyse.grouping.patterns import covers
from triage.analyse.grouping.templates import masked_text
from triage.domain.codec import from_body

LEAST_LITERAL: Final = 4
"""Letters and digits that a template must have to be known by its text; others are known by their fingerprint alone."""
_MOST_PAIRS: Final = 2_000


@dataclass(frozen=True, slots=True)
class Lesson:
    """One thing that a person taught.

    merge: errors of `group` belong to `into`. split: errors of `group` that meet `match`, or whose fingerprint is among `prints` or
    whose message fits one of `templates`, belong to `into`. `kind` and `scope` are those of the fingerprints; `rest` and `stay` are
    the fingerprints and templates of the group that were not meant.
    """

    id: str
    action: Literal["merge", "split"]
    group: str
    into: str
    at_ns: int
    by: str
    reason: str = ""
    kind: str = ""
    scope: str = ""
    prints: tuple[str, ...] = ()
    templates: tuple[str, ...] = ()
    rest: tuple[str, ...] = ()
    stay: tuple[str, ...] = ()
    match: Match = field(default_factory=Match)
    undone_at_ns: int = 0
    undone_by: str = ""
    undone_reason: str = ""

    @property
    def active(self) -> bool:
        """Whether it was not taken back."""
        return not self.undone_at_ns


@dataclass(frozen=True, slots=True)
class Placed:
    """Where an error belongs. `was`: the group without what people taught; `rule`: what decided, if a rule did."""

    group: str
    was: str
    rule: GroupRule | None = None
    lesson: Lesson | None = None
    key: str = ""


@dataclass(slots=True)
class Taught:
    """All lessons, oldest first, and the rules."""

    lessons: tuple[Lesson, ...] = ()
    book: RuleBook = field(default_factory=RuleBook)
    _edges: dict[str, str] = field(init=False, repr=False)
    _splits: list[tuple[Lesson, Matcher | None]] = field(init=False, repr=False)
    _merges: list[Lesson] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        live = [lesson for lesson in self.lessons if lesson.active]
        self._edges = {lesson.into: lesson.group for lesson in self.lessons if lesson.action == "split" and not lesson.active}
        self._edges |= {lesson.group: lesson.into for lesson in live if lesson.action == "merge"}
        self._merges = [lesson for lesson in live if lesson.action == "merge" and lesson.templates]
        self._splits = [
            (lesson, Matcher(lesson.match) if lesson.match != Match() else None)
            for lesson in reversed(live) if lesson.action == "split"
        ]

    def resolve(self, group: str) -> str:
        """The group that stands for `group` after people's merges; of a circle the first by name."""
        way = [group]
        while (following := self._edges.get(way[-1])) is not None:
            if following in way:
                return min(way[way.index(following) :])
            way.append(following)
        return way[-1]

    def touched(self, group: str) -> bool:
        """Whether people taught something about the group: its name stays."""
        return group in self._edges or group in self._edges.values() or any(lesson.group == group for lesson, _ in self._splits)

    def never_join(self) -> frozenset[frozenset[str]]:
        """Pairs of fingerprints that people split."""
        pairs = [frozenset(pair) for lesson, _ in self._splits for pair in product(lesson.prints, lesson.rest)]
        return frozenset(pair for pair in pairs[:_MOST_PAIRS] if len(pair) > 1)

    def place(self, event: ErrorEvent, print_: Fingerprint, group: str, home: str) -> Placed:
        """Where an error belongs. `group`: where the machine puts it; `home`: the fingerprint that its own was joined to."""
        if (rule := self.book.find(event, print_)) is not None:
            key = key_of(rule, event, print_)
            return Placed(self.resolve(group_of_key(key)), group, rule=rule, key=key)
        if not self._edges and not self._splits:
            return Placed(group, group)
        asked = _Asked(event, print_, frozenset({print_.id, home}))
        now, last, newer = self._merged(asked, group), None, len(self._splits)
        while (place := self._split_of(asked, now, newer)) is not None:
            newer, last = place, self._splits[place][0]
            now = last.into
        return Placed(self.resolve(now), group, lesson=last)

    def _merged(self, asked: _Asked, group: str) -> str:
        """The group whose merge an error falls under although the machine, by now, would call it another."""
        if group in self._edges:
            return group
        return next((each.group for each in self._merges if asked.like(each) and asked.fits(each.templates) > 0), group)

    def _split_of(self, asked: _Asked, group: str, newer: int) -> int | None:
        """Of the first `newer` splits, which are the newest, the place of the newest that an error of this group falls under."""
        way = self._way(group)
        for place, (lesson, matcher) in enumerate(self._splits[:newer]):
            if matcher is not None:
                found = lesson.group in way and matcher.meets(asked.event, asked.print.types)
            else:
                found = (lesson.group in way or asked.speaks_of(lesson)) and asked.is_of(lesson)
            if found:
                return place
        return None

    def _way(self, group: str) -> list[str]:
        way = [group]
        while (following := self._edges.get(way[-1])) is not None and following not in way:
            way.append(following)
        return way


@dataclass(slots=True)
class _Asked:
    """An error, and the text of its message once somebody asks for it."""

    event: ErrorEvent
    print: Fingerprint
    ids: frozenset[str]
    _text: str | None = None

    def like(self, lesson: Lesson) -> bool:
        """Whether the lesson is about errors of its kind and scope."""
        return lesson.kind == self.print.kind and lesson.scope == self.print.scope

    def speaks_of(self, lesson: Lesson) -> bool:
        """Whether the lesson is about messages such as its own, whatever group the machine sees them in by now."""
        return self.print.kind == "message" and self.like(lesson)

    def is_of(self, lesson: Lesson) -> bool:
        """Whether it is among the templates of a split: by the text, the more special template first, else by fingerprint."""
        meant, stays = self.fits(lesson.templates), self.fits(lesson.stay)
        if meant or stays:
            return meant > stays
        return bool(self.ids & set(lesson.prints))

    def fits(self, templates: Sequence[str]) -> int:
        """Literal characters of the most special template that covers the message; 0 if none does."""
        if self._text is None:
            self._text = masked_text(said_by(self.event))
        return max((literal_chars(each) for each in templates if _known_by_text(each) and covers(each.split(STAR), self._text)),
                   default=0)


def literal_chars(template: str) -> int:
    """Letters and digits outside of `<*>`."""
    return sum(char.isalnum() for char in template.replace(STAR, ""))


def _known_by_text(template: str) -> bool:
    return literal_chars(template) >= LEAST_LITERAL


def lessons_of(documents: Iterable[Mapping[str, object]]) -> tuple[Lesson, ...]:
    """The lessons of the documents of groups, oldest first."""
    found = [lesson_from(item) for body in documents for item in _list(body.get("lessons"))]
    return tuple(sorted(found, key=lambda lesson: lesson.at_ns))  # those of one moment stay in their order


def lesson_from(body: Mapping[str, object]) -> Lesson:
    """A lesson from its JSON."""
    known = {name: value for name, value in body.items() if name in Lesson.__dataclass_fields__}
    lists = {name: tuple(value) for name, value in known.items() if isinstance(value, list)}
    match = known.get("match")
    made: dict[str, object] = {**known, **lists, "match": from_body(Match, match) if isinstance(match, dict) else Match()}
    return Lesson(**made)  # type: ignore[arg-type]


def _list(value: object) -> list[Mapping[str, object]]:
    return value if isinstance(value, list) else []
