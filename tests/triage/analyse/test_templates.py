"""What the template miner promises: same message same template, any order, across restarts, bounded, for any input."""

from __future__ import annotations

import json
import random
from itertools import pairwise

import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st

from triage.analyse.grouping.templates import OVERFLOW_TEXT, TemplateMiner

USERS = ["anna", "bert", "cleo", "dora", "emil", "fritz", "gina", "hugo"]


def partition(miner: TemplateMiner, messages: list[str]) -> set[frozenset[str]]:
    """Messages by the template they have in the end."""
    groups: dict[str, set[str]] = {}
    for message, name in zip(messages, miner.add(messages), strict=True):
        groups.setdefault(name, set()).add(message)
    return {frozenset(group) for group in groups.values()}


def one_template(messages: list[str]) -> bool:
    return len(partition(TemplateMiner(), messages)) == 1


def test_words_that_vary_become_one_template() -> None:
    miner = TemplateMiner()
    ids = set(miner.add([f"login of user {user} failed" for user in USERS]))
    (found,) = miner.templates()
    assert ids == {found.id}
    assert (found.text, found.count) == ("login of user <*> failed", len(USERS))


def test_a_small_set_of_states_stays_apart() -> None:
    miner = TemplateMiner()
    messages = [f"instance {n} was {state} by operator" for n in range(50) for state in ("started", "stopped", "paused")]
    assert len(partition(miner, messages)) == 3


def test_a_masked_value_beside_a_word_opens_the_place() -> None:
    assert one_template(["lookup of partner p4711 went wrong", "lookup of partner acme went wrong"])


def test_values_of_pairs_and_quoted_words_are_one_template_at_once() -> None:
    assert one_template(["call failed zone=north tries=3", "call failed zone=south tries=3"])
    assert one_template([f"upstream '{name}' is slow" for name in USERS[:3]])


def test_all_marked_values_may_differ_at_once() -> None:
    assert one_template(["login user=ann shop=north via=app done", "login user=bob shop=south via=web done"])


def test_a_list_of_any_length_is_one_value() -> None:
    lists = ["ann, bob", "bob, cy, dee", "eve", "cy, ann", "dee, eve, flo, gus", "flo", "gus", "hal", "ann"]
    assert one_template([f"rows of {people} were loaded" for people in lists])


def test_two_words_that_are_new_each_time_are_one_template() -> None:
    branches = ["north", "south", "east", "west", "city", "port", "mill", "hill"]
    pairs = [(USERS[n % 8], branches[(n * 3 + n // 8) % 8]) for n in range(12)]
    assert one_template([f"access of {user} was moved to {branch}" for user, branch in pairs])


def test_states_that_change_together_stay_apart() -> None:
    steps = [("new", "open"), ("open", "paid"), ("paid", "sent"), ("sent", "done"), ("open", "void"), ("paid", "void")]
    assert len(partition(TemplateMiner(), [f"order went from {a} to {b} again" for a, b in steps])) == len(steps)


def test_names_of_classes_may_differ_at_once() -> None:
    names = [f"com.bank.{name}" for name in ("Alpha", "Beta", "Gamma", "Delta", "Omega", "Sigma")]
    assert one_template([f"binding class {a} to class {b}" for a, b in pairwise(names)])


def test_what_stands_beside_a_colon_to_the_end_is_a_value() -> None:
    ends = ["vendor=Some Company", "home=/opt/x", "user.name=ann", "mode", "tmp dir", "os"]
    assert one_template([f"server environment:{end}" for end in ends])


@pytest.mark.parametrize("key", ["error", "code", "reason"])
def test_values_that_name_the_fault_stay_apart(key: str) -> None:
    assert not one_template([f"token call failed {key}=denied", f"token call failed {key}=expired"])


def test_exceptions_and_methods_are_hardly_ever_values() -> None:
    kinds = ["IOException", "TimeoutError", "ConnectFailure", "SslException", "ParseError", "NoRouteException"]
    assert len(partition(TemplateMiner(), [f"sending mail died with {kind} again" for kind in kinds])) == len(kinds)
    methods = ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD"]
    assert len(partition(TemplateMiner(), [f"method {method} is not allowed" for method in methods])) == len(methods)


def test_words_that_are_values_elsewhere_need_less_evidence_here() -> None:
    logins = [f"login of user {user} failed" for user in USERS]
    closed = ["session of anna was closed", "session of bert was closed"]
    assert len(partition(TemplateMiner(), closed)) == 2
    assert len(partition(TemplateMiner(), [*closed, *logins])) == 2


def test_a_message_of_known_values_joins_the_template_that_covers_it() -> None:
    logins = [f"login of user {user} failed" for user in USERS]
    towns = [f"branch in {town} is closed" for town in ("bonn", "kiel", "ulm", "jena", "hof")]
    moves = [f"moved {user} over to {town}" for user in USERS[:6] for town in ("bonn", "kiel", "ulm", "jena")]
    assert len(partition(TemplateMiner(), [*moves, "moved hugo over to hof", *logins, *towns])) == 3


def test_a_crowd_in_which_several_words_vary_is_one_template() -> None:
    source = random.Random(1)

    def word() -> str:
        return "".join(source.choices("abcdefgh", k=7))

    miner = TemplateMiner()
    miner.add([f"user {word()} signed in from branch {word()}" for _ in range(400)])
    assert {miner.resolve(i) for i in miner.add([f"user {word()} signed in from branch {word()}"])} == {miner.templates()[0].id}
    assert [t.text for t in miner.templates()] == ["user <*> signed in from branch <*>"]


def test_parameters_show_the_commonest_values_of_each_place() -> None:
    miner = TemplateMiner()
    messages = ["job 7 of north took 5 ms"] * 3 + ["job 9 of north took 8 ms"]
    (name,) = set(miner.add(messages))
    found = miner.template(name)
    assert found.text == "job <*> of north took <*>"
    assert found.parameters == ((("7", 3), ("9", 1)), (("5 ms", 3), ("8 ms", 1)))


def test_an_id_outlives_the_growth_of_its_template() -> None:
    miner = TemplateMiner()
    (first,) = miner.add(["login of user anna failed"])
    younger = miner.add([f"login of user {user} failed" for user in USERS])
    assert {miner.resolve(i) for i in younger} == {first}
    assert miner.add(["login of user zoe failed"]) == [first]
    assert miner.resolve("unknown") == "unknown"
    with pytest.raises(KeyError):
        miner.template("unknown")


def test_processes_agree_on_ids() -> None:
    assert TemplateMiner().add(["Payment 1 failed", "账户1已冻结"]) == ["665d306098c06dd5", "bfe682f4185a86e7"]


WORDS = st.sampled_from(["alpha", "beta", "gamma", "delta", "eps", "zeta", "4711", "a/b/c", "x=one", "x=two", "'q'", "'r'"])
MESSAGES = st.lists(st.lists(WORDS, min_size=1, max_size=5).map(lambda words: " ".join(["call", "of", *words])), max_size=40)


@given(MESSAGES, st.randoms(use_true_random=False))
def test_order_and_batches_do_not_change_groups(messages: list[str], source: random.Random) -> None:
    shuffled = source.sample(messages, len(messages))
    other = TemplateMiner()
    for message in shuffled:
        other.add([message])
    assert partition(TemplateMiner(), messages) == partition(other, messages)


@given(MESSAGES)
def test_the_same_message_always_has_the_same_template(messages: list[str]) -> None:
    miner = TemplateMiner()
    before = miner.add(messages)
    after = miner.add(messages)
    assert [miner.resolve(i) for i in before] == after


@examples(50)
@given(MESSAGES, MESSAGES)
def test_a_restart_changes_nothing(before: list[str], after: list[str]) -> None:
    miner = TemplateMiner()
    miner.add(before)
    restarted = TemplateMiner.from_state(json.loads(json.dumps(miner.to_state())))
    assert restarted.templates() == miner.templates()
    assert restarted.add(after) == miner.add(after)
    assert restarted.to_state() == miner.to_state()


def test_a_state_of_another_version_is_refused() -> None:
    with pytest.raises(ValueError, match="version 99"):
        TemplateMiner.from_state({"version": 99})


@given(st.lists(st.text(alphabet=st.characters(exclude_categories=()))))
def test_any_text_is_taken(messages: list[str]) -> None:
    miner = TemplateMiner()
    assert len(miner.add(messages)) == len(messages)
    assert sum(template.count for template in miner.templates()) == len(messages)


@pytest.mark.parametrize("odd", ["", " ", "x", "<*>", "\x00\x01\xff", "\udc80\udcff", "مرحبا 12 عالم", "系统错误", "a" * 1_000_000])
def test_odd_messages_have_a_template(odd: str) -> None:
    miner = TemplateMiner()
    (name,) = miner.add([odd])
    assert miner.template(name).count == 1


def flood(source: random.Random, lines: int) -> list[str]:
    return [" ".join("".join(source.choices("abcdefghij", k=6)) for _ in range(5)) for _ in range(lines)]


def test_a_flood_fills_a_bounded_table_and_is_named() -> None:
    miner = TemplateMiner(limit=300)
    for seed in range(3):
        miner.add(flood(random.Random(seed), 1_000))
    assert len(miner.to_state()["nodes"]) <= 300
    assert max(miner.templates(), key=lambda t: t.count).text == OVERFLOW_TEXT


def test_after_a_flood_there_is_room_again_and_known_groups_keep_their_ids() -> None:
    miner = TemplateMiner(limit=100)
    (known,) = set(miner.add(["Payment 1 failed"] * 5))
    miner.add(flood(random.Random(1), 1_000))
    for number in range(12):
        miner.add([f"Payment {number} failed"] * 1_000)
    (late,) = miner.add(["Ledger is closed for the night"])
    assert miner.template(late).text == "Ledger is closed for the night"
    assert miner.add(["Payment 3 failed"]) == [known]
