"""Patterns of people: they mean what `re` means, and no text and no pattern makes them slow."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triage.analyse.grouping.patterns import Pattern, covers, wildcard
from triage.errors import BadInput

PIECES = ["a", "b", "[ab]", "[^a]", r"\d", r"\w", ".", "(?:ab)", "(a|bc)", "^", "$", "a?", "b*", "(ab|c)?", "[a-c]{1,2}", "c+", "b{2}",
          r"\."]


@given(st.lists(st.sampled_from(PIECES), min_size=1, max_size=5), st.lists(st.sampled_from(PIECES), max_size=2),
       st.text("abcA1. ", max_size=9))
def test_a_pattern_finds_what_the_standard_library_finds(left: list[str], right: list[str], text: str) -> None:
    written = "".join(left) + ("|" + "".join(right) if right else "")
    assert Pattern(written).search(text) == (re.search(written, text, re.DOTALL) is not None)
    assert Pattern("(?i)" + written).search(text) == (re.search(written, text, re.DOTALL | re.IGNORECASE) is not None)


@pytest.mark.parametrize("written", [
    "(a+)+$", "(.*)*", "a**", "((a{1,9}){1,9})", "(a|b+)*x", "(a", "a)", "*a", r"\1", "(?=a)", "(?P<x>a)", "[a", "a{99}", "x{2,1}",
    "[z-a]", "a" * 301, "(ab{40}){1}" * 30, "\\",
])
def test_what_cannot_be_read_in_bounded_time_is_refused(written: str) -> None:
    with pytest.raises(BadInput):
        Pattern(written)


class Counted(str):
    """A text that counts how many of its characters were read."""

    read = 0

    def __iter__(self):  # type: ignore[no-untyped-def]
        for char in str(self):
            Counted.read += 1
            yield char


@pytest.mark.parametrize("written", [".*x.*y.*z.*x.*y.*0", "(a|ab|abc|b)*c$", "(x?){50}0", "[xy]*[xy]*[xy]*0"])
def test_every_character_is_read_once(written: str) -> None:
    Counted.read = 0
    text = Counted("xy" * 1_000)
    assert not Pattern(written).search(text)
    assert Counted.read == len(text)


def test_many_states_are_forgotten_and_found_again() -> None:
    pattern = Pattern("(a|b)*a" + "(a|b)" * 12 + "c")
    text = "".join("ab"[n * n // 7 % 2] for n in range(3_000))
    assert not pattern.search(text)
    assert pattern.search(text + "a" + "b" * 12 + "c")


@given(st.lists(st.text("ab", max_size=3), min_size=1, max_size=4), st.text("abc", max_size=8))
def test_wildcards_and_templates_cover_what_the_standard_library_says(literals: list[str], text: str) -> None:
    assert wildcard("*".join(literals), text) == (re.fullmatch(".*".join(literals), text) is not None)
    assert covers(literals, text) == (re.fullmatch(".+".join(literals), text) is not None)
