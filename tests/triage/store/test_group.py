"""Which batches are committed together."""

from __future__ import annotations

import threading

import pytest
from builders import log, masked

from triage.ports.masked import MaskedRecords
from triage.ports.records import Appended
from triage.store import group
from triage.store.group import GroupCommit

PATIENCE_S = 20


class Commits:
    """Holds the first commit back until it is let go, and notes the sizes of all."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.begun, self.go = threading.Event(), threading.Event()

    def __call__(self, batches: list[MaskedRecords]) -> list[Appended]:
        self.sizes.append(len(batches))
        if len(self.sizes) == 1:
            self.begun.set()
            assert self.go.wait(PATIENCE_S)
        return [Appended({"logs": 1}, {}) for _ in batches]


def test_while_one_thread_commits_another_waits_for_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group, "LINGER_S", PATIENCE_S)
    monkeypatch.setattr(group, "GROUP_ROWS", 4)
    commits = Commits()
    commit = GroupCommit(commits, "test", threads=3)
    first = commit.submit(masked(logs=[log(0)]))
    assert commits.begun.wait(PATIENCE_S)
    later = [commit.submit(masked(logs=[log(number)])) for number in range(1, 5)]

    assert [done.result(PATIENCE_S).kept for done in later] == [{"logs": 1}] * 4
    commits.go.set()
    assert first.result(PATIENCE_S).kept == {"logs": 1}
    assert commits.sizes == [1, 4]
    commit.close()


def test_one_thread_alone_waits_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group, "LINGER_S", 10 * PATIENCE_S)
    commits = Commits()
    commits.go.set()
    commit = GroupCommit(commits, "test")

    for number in range(3):
        assert commit.submit(masked(logs=[log(number)])).result(PATIENCE_S).kept == {"logs": 1}
    commit.close()
    assert commits.sizes == [1, 1, 1]
