"""Match text in bounded time: `*` wildcards, and regular expressions that cannot backtrack.

A pattern becomes a small machine that reads each character once (Thompson's construction, states joined as they are met: R. Cox,
"Regular Expression Matching Can Be Simple And Fast", 2007). So no pattern that is taken can be slow, whatever the text. What the
machine cannot do (backreferences, look-around) and what says nothing more (a repetition inside a repetition) is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from triage.errors import BadInput

MOST_CHARS: Final = 300
MOST_STEPS: Final = 1_000
"""Steps of one machine; `{m,n}` counts n times."""
MOST_REPEATS: Final = 50
MOST_STATES: Final = 500
"""States that are remembered at a time; then they are forgotten and found again."""

Test = Callable[[str], bool]
_CLASSES: Final[dict[str, Test]] = {
    "d": str.isdigit, "D": lambda c: not c.isdigit(), "s": str.isspace, "S": lambda c: not c.isspace(),
    "w": lambda c: c.isalnum() or c == "_", "W": lambda c: not (c.isalnum() or c == "_"),
}
_ESCAPED: Final = {"n": "\n", "t": "\t", "r": "\r"}


def wildcard(pattern: str, text: str) -> bool:
    """Whether `pattern`, in which `*` stands for any text, is `text`. Linear."""
    return covers(pattern.split("*"), text, least=0)


def covers(literals: list[str], text: str, *, least: int = 1) -> bool:
    """Whether `text` is the literals in order, with at least `least` characters between each two. Linear."""
    if len(literals) == 1:
        return text == literals[0]
    first, last = literals[0], literals[-1]
    if not text.startswith(first) or not text.endswith(last):
        return False
    at = len(first)
    for literal in literals[1:-1]:
        found = text.find(literal, at + least)
        if found < 0:
            return False
        at = found + len(literal)
    return len(text) - len(last) - at >= least


@dataclass(slots=True)
class _Step:
    """One step of the machine: read a character that passes `test`, or go on at every one of `to` without reading."""

    test: Test | None = None
    to: tuple[int, ...] = ()
    anchor: str = ""  # '^' or '$': go on only there


@dataclass(slots=True)
class _Part:
    """A piece of the pattern. `make` adds its steps and leads on to the step behind them."""

    make: Callable[[list[_Step]], None]
    repeats: bool = False


class Pattern:
    """A regular expression: characters, `.`, classes, groups, `|`, `*`, `+`, `?`, `{m,n}`, `^`, `$`; `(?i)` in front ignores case.

    Raises BadInput, with the reason, for any other.
    """

    def __init__(self, text: str) -> None:
        if len(text) > MOST_CHARS:
            raise BadInput(f"The pattern is longer than {MOST_CHARS} characters.")
        self._fold = text.startswith("(?i)")
        self._steps = _Parser(text.removeprefix("(?i)"), self._fold).steps()
        self._forget()

    def search(self, text: str) -> bool:
        """Whether the pattern is found anywhere in the text."""
        if self._fold:
            text = text.lower()
        state = self._state(self._close({0}, start=True))
        for char in text:
            if self._done[state]:
                return True
            known = self._next.get((state, char))
            state = self._read(state, char) if known is None else known
        return self._done[state] or self._ends(state, nothing_read=not text)

    def _forget(self) -> None:
        self._numbers: dict[frozenset[int], int] = {}
        self._sets: list[frozenset[int]] = []
        self._done: list[bool] = []
        self._next: dict[tuple[int, str], int] = {}

    def _state(self, members: frozenset[int]) -> int:
        if members not in self._numbers:
            if len(self._sets) >= MOST_STATES or len(self._next) >= 100 * MOST_STATES:
                self._forget()
            self._numbers[members] = len(self._sets)
            self._sets.append(members)
            self._done.append(len(self._steps) in members)
        return self._numbers[members]

    def _read(self, state: int, char: str) -> int:
        members = self._sets[state]
        passed = {i + 1 for i in members if i < len(self._steps) and (test := self._steps[i].test) is not None and test(char)}
        count = len(self._sets)
        following = self._state(self._close(passed | {0}, start=False))
        if len(self._sets) >= count:  # else everything was forgotten, the old number too
            self._next[state, char] = following
        return following

    def _close(self, places: set[int], *, start: bool, end: bool = False) -> frozenset[int]:
        """The steps that can be reached without reading; `$` steps are kept, so that they can be asked at the end."""
        found: set[int] = set()
        waiting = list(places)
        while waiting:
            place = waiting.pop()
            if place in found:
                continue
            found.add(place)
            step = self._steps[place] if place < len(self._steps) else _Step()
            if step.test is None and (not step.anchor or (step.anchor == "^" and start) or (step.anchor == "$" and end)):
                waiting += step.to
        return frozenset(found)

    def _ends(self, state: int, *, nothing_read: bool) -> bool:
        return len(self._steps) in self._close(set(self._sets[state]), start=nothing_read, end=True)


class _Parser:
    """Reads a pattern by recursive descent and writes its steps."""

    def __init__(self, text: str, fold: bool) -> None:
        self._text, self._at, self._fold = text, 0, fold

    def steps(self) -> list[_Step]:
        """The machine; its end is the number behind the last step."""
        part = self._either()
        if self._at < len(self._text):
            raise BadInput(f"The pattern has a ')' too many at character {self._at + 1}.")
        made: list[_Step] = []
        part.make(made)
        return made

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _take(self) -> str:
        char = self._peek()
        if not char:
            raise BadInput("The pattern ends too early.")
        self._at += 1
        return char

    def _either(self) -> _Part:
        parts = [self._row()]
        while self._peek() == "|":
            self._at += 1
            parts.append(self._row())
        if len(parts) == 1:
            return parts[0]

        def make(steps: list[_Step]) -> None:
            ends: list[_Step] = []
            for part in parts[:-1]:
                fork = _add(steps, _Step())
                fork.to = (len(steps),)
                part.make(steps)
                ends.append(_add(steps, _Step()))
                fork.to = (*fork.to, len(steps))
            parts[-1].make(steps)
            for end in ends:
                end.to = (len(steps),)

        return _Part(make, any(part.repeats for part in parts))

    def _row(self) -> _Part:
        parts: list[_Part] = []
        while self._peek() not in ("", "|", ")"):
            parts.append(self._repeated(self._one()))

        def make(steps: list[_Step]) -> None:
            for part in parts:
                part.make(steps)

        return _Part(make, any(part.repeats for part in parts))

    def _one(self) -> _Part:
        char = self._take()
        if char == "(":
            return self._group()
        if char == "[":
            return _reads(self._class())
        if char in "^$":
            return _Part(lambda steps: _anchor(steps, char))
        if char == ".":
            return _reads(lambda _: True)
        if char in "*+?{":
            raise BadInput(f"The pattern has nothing to repeat before '{char}' at character {self._at}.")
        return _reads(self._escaped() if char == "\\" else self._literal(char))

    def _group(self) -> _Part:
        if self._peek() == "?":
            if self._text[self._at : self._at + 2] != "?:":
                raise BadInput("The pattern may not look around or name groups: write (…) or (?:…).")
            self._at += 2
        part = self._either()
        if self._peek() != ")":
            raise BadInput("The pattern has a '(' without its ')'.")
        self._at += 1
        return part

    def _literal(self, char: str) -> Test:
        wanted = char.lower() if self._fold else char
        return lambda c: c == wanted

    def _escaped(self) -> Test:
        char = self._take()
        if char in _CLASSES:
            return _CLASSES[char]
        if char.isalnum() and char not in _ESCAPED:
            raise BadInput(f"The pattern may not use \\{char}; known are \\d \\w \\s \\D \\W \\S \\n \\t \\r.")
        return self._literal(_ESCAPED.get(char, char))

    def _class(self) -> Test:
        negated = self._peek() == "^"
        self._at += negated
        tests: list[Test] = []
        while self._peek() != "]" or not tests:
            tests.append(self._class_item())
        self._at += 1
        if self._fold:
            return lambda c: any(test(c) or test(c.upper()) for test in tests) != negated
        return lambda c: any(test(c) for test in tests) != negated

    def _class_item(self) -> Test:
        char = self._take()
        if char == "\\":
            return self._escaped()
        if self._peek() == "-" and self._text[self._at + 1 : self._at + 2] not in ("]", ""):
            self._at += 1
            last = self._take()
            if last == "\\" or last < char:
                raise BadInput(f"The pattern has a range that runs backwards: {char}-{last}.")
            return lambda c: char <= c <= last
        return lambda c: c == char

    def _repeated(self, part: _Part) -> _Part:
        bounds = self._bounds()
        if bounds is None:
            return part
        if part.repeats or self._peek() in ("*", "+", "{"):
            raise BadInput("The pattern has a repetition inside a repetition, such as (a+)+; one of them is enough.")
        self._at += self._peek() == "?"  # lazy: whether it is found is the same
        least, most = bounds

        def make(steps: list[_Step]) -> None:
            for _ in range(least):
                part.make(steps)
            if most is None:
                begin = len(steps)
                fork = _add(steps, _Step())
                part.make(steps)
                _add(steps, _Step(to=(begin,)))
                fork.to = (begin + 1, len(steps))
                return
            forks = []
            for _ in range(most - least):
                forks.append(_add(steps, _Step()))
                forks[-1].to = (len(steps),)
                part.make(steps)
            for fork in forks:
                fork.to = (*fork.to, len(steps))

        return _Part(make, repeats=most is None or most > 1)

    def _bounds(self) -> tuple[int, int | None] | None:
        char = self._peek()
        simple: dict[str, tuple[int, int | None]] = {"*": (0, None), "+": (1, None), "?": (0, 1)}
        if char in simple:
            self._at += 1
            return simple[char]
        if char != "{":
            return None
        inside, closed, _ = self._text[self._at + 1 :].partition("}")
        low, comma, high = inside.partition(",")
        if not closed or not low.isdecimal() or not (high.isdecimal() or not high):
            raise BadInput("The pattern has a '{' that is no number of repetitions; write \\{ for the character.")
        self._at += len(inside) + 2
        least, most = int(low[:9]), (int(high[:9]) if high else None) if comma else int(low[:9])
        if max(least, most or 0) > MOST_REPEATS or (most is not None and most < least):
            raise BadInput(f"The pattern may repeat a part up to {MOST_REPEATS} times, or without a limit.")
        return least, most


def _add(steps: list[_Step], step: _Step) -> _Step:
    if len(steps) >= MOST_STEPS:
        raise BadInput("The pattern is too large; write fewer repetitions.")
    steps.append(step)
    return step


def _reads(test: Test) -> _Part:
    def make(steps: list[_Step]) -> None:
        _add(steps, _Step(test))

    return _Part(make)


def _anchor(steps: list[_Step], char: str) -> None:
    _add(steps, _Step(to=(len(steps) + 1,), anchor=char))
