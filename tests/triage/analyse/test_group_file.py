"""The offline command: one answer a line, in order; a group found late holds for the lines before."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from triage.analyse.grouping.explain_groups import explain_file
from triage.analyse.grouping.group_file import group_file, group_json

LINES = ["login of ann failed\n", "ledger 1 closed\r\n", *(f"login of {user} failed\n" for user in ("bob", "cy", "dee", "eve"))]


def test_one_answer_a_line_in_order() -> None:
    answers = list(group_file(LINES))
    assert [answer["template"] for answer in answers] == ["login of <*> failed", "ledger <*> closed", *["login of <*> failed"] * 4]
    assert len({answer["group"] for answer in answers}) == 2


@given(st.lists(st.text(alphabet=st.characters(exclude_categories=()))))
def test_json_says_the_same_for_any_lines(lines: list[str]) -> None:
    encoded = list(group_json(lines))
    assert [json.loads(line) for line in encoded] == list(group_file(lines))
    assert len(encoded) == len(lines)
    assert all(line.isascii() for line in encoded)


def test_explanation_names_values_and_neighbours() -> None:
    first, second = explain_file(LINES)
    assert (first["template"], first["messages"]) == ("login of <*> failed", 5)
    assert first["values"][0][0] == {"value": "ann", "count": 1}
    assert first["neighbours"][0]["template"] == second["template"] == "ledger <*> closed"
