"""What people teach, through whole analysis runs over the stores: roll-ups, groups and incidents follow, and two workers at once
make one group and one incident."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from builders import call, log, masked, trace_id
from elasticsearch import Elasticsearch

from triage.analyse.grouping import teaching
from triage.analyse.grouping.group_rules import Match
from triage.analyse.grouping.teaching import Who
from triage.analyse.run import RunSettings, analyse_minutes
from triage.domain.windows import MINUTE_NS, Window, from_rfc3339
from triage.flow import analyse_once
from triage.incidents import documents
from triage.incidents.fold import FoldSettings
from triage.ports.records import RecordStore
from triage.ports.state import StateStore
from triage.store.elastic.records import ElasticRecordStore
from triage.store.elastic.state import ElasticStateStore
from triage.store.embedded.state import EmbeddedStateStore
from triage.store.memory import MemoryRecordStore, MemoryStateStore

NOW = from_rfc3339("2026-03-02T10:00:00Z")
ANN = Who("ann", NOW, "same cause")
RUN = partial(analyse_minutes, settings=RunSettings(0))


class Bank:
    """Stores, and a clock that goes on by a minute with every batch."""

    def __init__(self, records: RecordStore, state: StateStore) -> None:
        self.records, self.state, self.now, self._number = records, state, NOW, 0

    def fail(self, *messages: str, service: str = "ledger") -> dict[str, list[str]]:
        """Error logs of the next minute, analysed. Returns the groups of the minute by message."""
        self.now += 2 * MINUTE_NS
        rows = []
        for message in messages:
            self._number += 1
            rows.append(log(self._number, time_ns=self.now - MINUTE_NS, severity=17, body=message, service=service,
                            trace_id=trace_id(self._number)))
        self.records.append(masked(logs=rows))
        self.run()
        minute = self.now // MINUTE_NS - 1
        table = self.records.rollups("errors", Window(minute * MINUTE_NS, (minute + 1) * MINUTE_NS))
        of_trace = {row["trace_id"]: row["body"] for row in rows}
        found: dict[str, list[str]] = {}
        for row in table.to_pylist():
            found.setdefault(row["group_id"], []).append(of_trace[row["sample_trace"]])
        return found

    def run(self) -> None:
        analyse_once(self.records, self.state, self.now, RUN, FoldSettings())

    def group(self, group_id: str) -> dict[str, Any]:
        doc = self.state.get("group", group_id)
        assert doc is not None
        return doc.body

    def incidents(self) -> list[Any]:
        return list(documents.every(self.state))


@pytest.fixture
def bank() -> Bank:
    return Bank(MemoryRecordStore(), MemoryStateStore())


AWAY, FULL = "ledger 7 is away since noon", "disk of the ledger is full"


def test_what_comes_after_a_merge_joins_and_old_rows_count_for_the_new_name(bank: Bank) -> None:
    away, full = bank.fail(AWAY, FULL)
    before = bank.group(away)
    teaching.merge(bank.state, away, full, ANN)
    assert list(bank.fail(*(f"ledger {n} is away since noon" for n in range(5)), FULL)) == [full]
    assert bank.group(away) == before  # its history stays
    assert {each["print"] for each in bank.group(full)["members"]} == {away, full}


def test_a_split_holds_through_runs_and_is_taken_back(bank: Bank) -> None:
    (group,) = bank.fail("Connection to host h1 refused", "Connection to host h2 was refused by peer") or [""]
    texts = [each["template"] for each in bank.group(group)["members"]]
    lesson = teaching.split(bank.state, group, [text for text in texts if "peer" in text], Match(), ANN)
    for _ in range(3):
        found = bank.fail("Connection to host h3 refused", "Connection to host h4 was refused by peer")
        assert found == {group: ["Connection to host h3 refused"], lesson.into: ["Connection to host h4 was refused by peer"]}
    assert "ann split them from another group." in bank.group(lesson.into)["evidence"]
    teaching.undo(bank.state, group, lesson.id, ANN)
    assert list(bank.fail("Connection to host h5 refused", "Connection to host h6 was refused by peer")) == [group]


def test_a_rule_counts_from_the_next_run_and_groups_say_who_joined_them(bank: Bank) -> None:
    away, full = bank.fail(AWAY, FULL)
    rule = teaching.new_rule(Match(service="ledger", pattern="away|full"), "ledger in trouble", "", ANN)
    book = teaching.add_rule(bank.state, rule, None, ANN)
    (made,) = bank.fail(AWAY, FULL)
    assert made not in (away, full)
    assert (bank.group(made)["kind"], bank.group(made)["title"]) == ("rule", "ledger in trouble")
    assert bank.group(made)["rule"] == {"id": rule.id, "version": book.version}
    assert bank.group(away)["joined_by"] == {"rule": rule.id, "into": made, "version": book.version}
    assert bank.group(away)["last_seen_ns"] < bank.group(made)["first_seen_ns"]
    teaching.change_rule(bank.state, rule.id, ANN, enabled=False)
    assert set(bank.fail(AWAY, FULL)) == {away, full}
    assert "joined_by" not in bank.group(away)


def test_a_group_shows_the_newest_text_of_each_template(bank: Bank) -> None:
    users = ("ann", "bob", "cleo", "dora", "emil", "fritz", "gina")
    for user in users:
        bank.fail(f"login of user {user} failed")
    group = bank.group(next(iter(bank.fail("login of user ann failed"))))
    assert [each["template"] for each in group["members"]] == ["login of user <*> failed"]


def test_what_people_made_is_no_news(bank: Bank) -> None:
    """A rule and a split give new names to errors that have been there all along: no incident is about them."""
    noise = [f"ledger {n} is away since noon" for n in range(10)]
    for _ in range(12):
        (group,) = bank.fail(*noise)
    known = {incident.id for incident in bank.incidents()}
    rule = teaching.new_rule(Match(message="is away"), "away", "", Who("ann", bank.now))
    teaching.add_rule(bank.state, rule, None, ANN)
    for _ in range(6):
        (made,) = bank.fail(*noise)
    assert made != group
    assert {incident.id for incident in bank.incidents()} == known


def test_groups_whose_templates_become_one_become_one_and_the_older_keeps_its_name(bank: Bank) -> None:
    first = bank.fail("login of user ann failed", "login of user bob failed")
    later = bank.fail(*(f"login of user {user} failed" for user in ("cleo", "dora", "emil", "fritz", "gina", "hugo")))
    assert len(later) == 1 and set(later) < set(first)
    (gone,) = set(first) - set(later)
    assert bank.group(gone)["moved_into"] in later
    assert list(bank.fail("login of user bob failed")) == list(later)


def test_people_keep_the_name_of_a_group_whose_template_becomes_part_of_an_older_one(bank: Bank) -> None:
    bank.fail("login of user ann failed", FULL)
    (bob,) = bank.fail("login of user bob failed")
    (full,) = bank.fail(FULL)
    teaching.merge(bank.state, bob, full, ANN)
    bank.fail(*(f"login of user {user} failed" for user in ("cleo", "dora", "emil", "fritz", "gina", "hugo")))
    assert list(bank.fail("login of user bob failed", "login of user iris failed")) == [full]


# ---- two workers --------------------------------------------------------------------------------


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Callable[[], tuple[RecordStore, StateStore]]]:
    records, state = MemoryRecordStore(), EmbeddedStateStore(tmp_path / "state.sqlite")
    yield lambda: (records, state)
    state.close()


@pytest.fixture
def elastic(elastic_client: Elasticsearch, elastic_prefix: str) -> Callable[[], tuple[RecordStore, StateStore]]:
    """Stores of their own for each worker, on one node."""
    return lambda: (ElasticRecordStore(elastic_client, elastic_prefix), ElasticStateStore(elastic_client, elastic_prefix))


@pytest.mark.parametrize("stores", ["sqlite", pytest.param("elastic", marks=pytest.mark.elastic)])
def test_64_first_seen_events_on_two_workers_make_one_group_and_one_incident(stores: str, request: pytest.FixtureRequest) -> None:
    make: Callable[[], tuple[RecordStore, StateStore]] = request.getfixturevalue(stores)
    records, state = make()
    healthy = [call(10_000 + n, time_ns=NOW - n * 10 * 10**9) for n in range(180)]
    records.append(masked(calls=healthy))
    analyse_once(records, state, NOW, RUN, FoldSettings())
    faults: list[BaseException] = []

    def guarded(work: Callable[[], object]) -> None:
        try:
            work()
        except BaseException as fault:
            faults.append(fault)

    def arrive(number: int) -> None:
        start.wait()
        records.append(masked(calls=[call(
            number, time_ns=NOW + number, status=503, outcome="bank_error", codes="", message=f"ledger {number} is away since {number} s",
            route="/pay", method="POST", service="ledger", partner=f"p{number % 5}")]))

    def analyse() -> None:
        mine = make()
        start.wait()
        for turn in range(4):
            analyse_once(*mine, NOW + (turn + 1) * MINUTE_NS, RUN, FoldSettings())

    start = threading.Barrier(66)
    threads = [threading.Thread(target=guarded, args=(partial(arrive, number),)) for number in range(64)]
    threads += [threading.Thread(target=guarded, args=(analyse,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults
    records.settle_reads()
    state.settle_reads()
    analyse_once(records, state, NOW + 6 * MINUTE_NS, RUN, FoldSettings())
    state.settle_reads()
    groups = [doc.doc_id for doc in teaching.every(state, "group")]
    assert len(groups) == 1
    table = records.rollups("errors", Window(NOW - MINUTE_NS, NOW + 2 * MINUTE_NS))
    assert Counter(dict(zip(table.column("group_id").to_pylist(), table.column("count").to_pylist(), strict=False))).keys() == {groups[0]}
    assert sum(table.column("count").to_pylist()) == 64
    assert [incident.groups for incident in documents.every(state)] == [groups]
