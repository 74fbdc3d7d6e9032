"""Grouping accuracy on five kinds of software with one configuration, at two lengths of the log."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from corpus.system_logs import SYSTEMS, labelled_lines

from triage.analyse.grouping.group_file import group_file


def accuracy(truth: Sequence[str], found: Sequence[str]) -> tuple[float, float]:
    """Share of lines in a group that is exactly right, and F1 over groups that are exactly right."""

    def groups(labels: Sequence[str]) -> set[tuple[int, ...]]:
        rows: dict[str, list[int]] = {}
        for row, label in enumerate(labels):
            rows.setdefault(label, []).append(row)
        return {tuple(each) for each in rows.values()}

    true, made = groups(truth), groups(found)
    right = true & made
    return sum(map(len, right)) / len(truth), 2 * len(right) / (len(true) + len(made))


@pytest.mark.parametrize(("lines", "least", "least_groups"), [(600, 0.93, 0.80), (2_000, 0.95, 0.88)])
def test_mean_accuracy(lines: int, least: float, least_groups: float) -> None:
    scores = []
    for system in SYSTEMS:
        messages, labels = labelled_lines(system, lines, seed=5)
        scores.append(accuracy(labels, [answer["group"] for answer in group_file(messages)]))
    mean, mean_groups = (sum(column) / len(column) for column in zip(*scores, strict=True))
    assert mean >= least
    assert mean_groups >= least_groups
