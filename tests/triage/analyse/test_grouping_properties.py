"""What grouping promises of whole events: order, restarts, processes, and any input."""

from __future__ import annotations

import json
import multiprocessing
import random
from pathlib import Path

import pytest
from click.testing import CliRunner
from corpus.gateway_errors import corpus
from examples import examples
from hypothesis import given
from hypothesis import strategies as st

from triage.analyse.grouping.fingerprint import ErrorEvent
from triage.analyse.grouping.floods import MOST_FRESH
from triage.analyse.grouping.model import GroupingModel
from triage.cli import commands

ODD = {
    "a megabyte": "a" * 1_000_000, "a megabyte of words": "word " * 200_000, "a megabyte of quotes": "'" * 1_000_000,
    "a megabyte of brackets": "<*>" * 333_333, "binary": "\x00\x01\x02\xff\xfe", "no UTF-8": "\udc80\udcff\udcfe broken",
    "right to left": "فشل الاتصال بالخادم ١٢٣ بعد ٥ ثوان", "Hebrew": "שגיאה 17 בשרת התשלומים", "Chinese": "账户12345已被冻结无法付款",
    "Japanese": "口座9876への振込が失敗しました", "one token": "timeout", "one sign": "!", "nothing": "",
    "spaces": "   ", "emoji": "🔥🔥 7",
    "controls": "\u202e\u200b\ufeff\r\n", "a trace": "Traceback (most recent call last):\n" + '  File "x.py", line 1\n' * 30_000,
}


def events(seed: int) -> list[ErrorEvent]:
    return [event for _, event in corpus(2_000, seed)]


@examples(5)
@given(st.integers(1, 1_000))
def test_the_order_of_unrelated_messages_does_not_change_groups(seed: int) -> None:
    """Sentences of which no two say the same, in two orders and two ways of batching."""
    sentences = ["payment {} was refused by core", "consent has no owner any more: {}", "the ledger timed out at border {}",
                 "token {} could not be signed twice", "certificate of host {} lost its witness", "limit {} came back empty",
                 "scheme FPS parked order {}", "no route to account service after {} tries", "queue depth {} above its mark",
                 "session {} ended without sign-off"]
    messages = [sentence.format(n) for sentence in sentences for n in range(5)]
    shuffled = random.Random(seed).sample(messages, len(messages))
    one = GroupingModel({}).assign([ErrorEvent(service="s", message=each) for each in messages]).groups
    model, other = GroupingModel({}), dict[str, str]()
    for at in range(0, len(shuffled), 17):
        batch = shuffled[at : at + 17]
        other |= zip(batch, model.assign([ErrorEvent(service="s", message=each) for each in batch]).groups, strict=True)
    assert {each: other[each] for each in messages} == dict(zip(messages, one, strict=True))


@pytest.mark.parametrize("seed", [1, 2])
def test_the_same_event_always_lands_in_the_same_group_and_a_restart_changes_nothing(seed: int) -> None:
    known = events(seed)
    model = GroupingModel({})
    model.assign(known)
    first = model.assign(known).groups
    again = GroupingModel(json.loads(json.dumps(model.to_state())))
    for _ in range(2):
        assert again.assign(known).groups == first
        again = GroupingModel(json.loads(json.dumps(again.to_state())))
    assert model.assign(known).groups == first


def _groups(seed: int) -> list[str]:
    return GroupingModel({}).assign(events(seed)).groups


@pytest.mark.slow
def test_two_processes_give_the_same_ids() -> None:
    """String hashes differ between processes; no ID may depend on them."""
    with multiprocessing.get_context("spawn").Pool(2, maxtasksperchild=1) as pool:
        one, other = pool.map(_groups, [3, 3], chunksize=1)
    assert one == other == _groups(3)


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_any_message_trace_and_code_has_a_group(odd: str) -> None:
    model = GroupingModel({})
    made = [ErrorEvent(message=odd), ErrorEvent(stacktrace=odd, service=odd[:100]), ErrorEvent(codes=(odd[:200],), route=odd[:200]),
            ErrorEvent(exception_type=odd[:200], exception_message=odd)]
    first = model.assign(made).groups
    assert all(first)
    again = GroupingModel(json.loads(json.dumps(model.to_state())))
    assert again.assign(made).groups == first


@pytest.mark.timeout(60)
def test_the_command_takes_any_file(tmp_path: Path) -> None:
    """One answer a line, also for a line of a megabyte, for binary and for what is no UTF-8."""
    lines = [text.replace("\n", " ").replace("\r", " ").encode("utf-8", "surrogateescape") for text in ODD.values()]
    lines += [bytes(range(1, 10)) + bytes(range(11, 13)) + bytes(range(14, 256)), b"\xff" * 1_000_000, b"\x00" * 10_000]
    file = tmp_path / "odd.log"
    file.write_bytes(b"\n".join(lines) + b"\n")
    answer = CliRunner().invoke(commands, ["group", str(file)], catch_exceptions=False)
    found = [json.loads(line) for line in answer.stdout.splitlines()]
    assert len(found) == len(lines)
    assert all(set(each) == {"group", "template"} for each in found)


def test_a_file_without_a_line_and_with_one_is_taken(tmp_path: Path) -> None:
    for content, count in ((b"", 0), (b"\n", 1), (b"x", 1), (b"\n\n\n", 3)):
        (tmp_path / "f").write_bytes(content)
        assert len(CliRunner().invoke(commands, ["group", str(tmp_path / "f")]).stdout.splitlines()) == count


# ---- a flood ------------------------------------------------------------------------------------


def different(count: int, seed: int) -> list[ErrorEvent]:
    source = random.Random(seed)
    return [ErrorEvent(service="ledger", message=" ".join("".join(source.choices("abcdefghij", k=6)) for _ in range(5)))
            for _ in range(count)]


def test_a_flood_of_different_messages_is_one_group_and_what_was_known_keeps_its_own() -> None:
    known = [ErrorEvent(service="ledger", message=f"posting {n} was refused by the nightly close") for n in range(5)]
    model = GroupingModel({})
    (before,) = set(model.assign(known).groups)
    found = model.assign([*known, *different(3_000, 1)])
    assert set(found.groups[:5]) == {before}
    (flood,) = set(found.groups[5:])
    later = GroupingModel(model.to_state()).assign([*known, *different(3_000, 1), *different(3_000, 2)])
    assert set(later.groups[:5]) == {before}
    assert set(later.groups[5:]) == {flood}


def test_few_new_messages_are_no_flood() -> None:
    assert len(set(GroupingModel({}).assign(different(MOST_FRESH // 2, 1)).groups)) == MOST_FRESH // 2
