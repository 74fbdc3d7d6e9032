"""What the joiner promises: rewordings join, other faults don't, people have the last word, names stay."""

from __future__ import annotations

import json

import pytest

from triage.analyse.grouping.joining import JoinItem, Neighbour, TemplateJoiner
from triage.analyse.grouping.wording import may_say_the_same

REFUSED = "Connection to core banking host <*> refused"
REWORDED = "Connection to core banking host <*> was refused by peer"
OTHER = "Consent <*> was revoked by customer"


def items(*texts: str, kind: str = "message", scope: str = "core") -> list[JoinItem]:
    return [JoinItem(f"{scope}-{kind}-{text}", text, kind, scope) for text in texts]


def names(joiner: TemplateJoiner, *texts: str) -> list[str]:
    made = items(*texts)
    canonical = joiner.join(made).canonical
    return [canonical[item.id] for item in made]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (REFUSED, REWORDED),
        ("Failed to open ledger session for account <*>", "Unable to open ledger session, account <*>"),
        ("Daily payment limit exceeded for <*>", "Payment exceeds the daily limit of <*>"),
        ("certificate of TPP <*> is revoked", "Certificate revoked: TPP <*>"),
    ],
)
def test_a_reworded_message_joins(one: str, other: str) -> None:
    first, second = names(TemplateJoiner(), one, other)
    assert first == second
    assert may_say_the_same(one, other) == may_say_the_same(other, one) is True


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Failed to open ledger session for account <*>", "Failed to close ledger session for account <*>"),
        ("Daily payment limit exceeded for customer <*>", "Weekly payment limit exceeded for customer <*>"),
        ("Consent <*> was revoked by customer", "Consent <*> was revoked by partner"),
        ("Access token <*> is valid", "Access token <*> is not valid"),
        ("Closing session <*> of partner <*>", "Closed session <*> of partner <*>"),
        ("Check before transfer of payment <*>", "Check after transfer of payment <*>"),
        ("state of payment <*> is now screenOn", "state of payment <*> is now screenOff"),
        ("timeout", "refused"),
    ],
)
def test_another_fault_stays_apart(one: str, other: str) -> None:
    first, second = names(TemplateJoiner(), one, other)
    assert first != second


def test_kinds_and_scopes_are_not_mixed() -> None:
    joined = TemplateJoiner().join([*items(REFUSED), *items(REWORDED, scope="cards"), *items(REWORDED, kind="exception")])
    assert all(name == canonical for name, canonical in joined.canonical.items())


def test_neighbours_are_the_nearest_with_their_distance() -> None:
    made = items(REFUSED, REWORDED, OTHER)
    near = TemplateJoiner().join(made).neighbours[made[0].id]
    assert [each.id for each in near] == [made[1].id, made[2].id]
    assert isinstance(near[0], Neighbour)
    assert 0 < near[0].distance < 0.55 < near[1].distance <= 1


def test_later_templates_join_and_no_name_changes() -> None:
    joiner = TemplateJoiner()
    (first,) = names(joiner, REFUSED)
    before = joiner.join(items(OTHER)).canonical
    after = joiner.join([*items(REWORDED), *items(*(f"Unrelated thing number {chr(97 + n)} broke down" for n in range(20)))])
    assert all(after.canonical[name] == canonical for name, canonical in before.items())
    assert after.canonical[items(REWORDED)[0].id] == first
    assert joiner.join([]).canonical == after.canonical


def test_a_split_by_people_is_not_undone() -> None:
    joiner = TemplateJoiner()
    names(joiner, REFUSED, REWORDED)
    one, other = (item.id for item in items(REFUSED, REWORDED))
    never = {frozenset({one, other})}
    assert joiner.join([], never_join=never).canonical[other] == other
    again = joiner.join(items("Connection to core banking host <*> refused again"), never_join=never).canonical
    assert (again[one], again[other]) == (one, other)
    both = joiner.join([], never_join=never, always_join={frozenset({one, other})}).canonical
    assert both[one] != both[other]


def test_a_merge_by_people_teaches_what_comes_later_across_scopes() -> None:
    joiner = TemplateJoiner()
    made = [*items(REFUSED), *items(OTHER, scope="cards")]
    always = {frozenset(item.id for item in made)}
    canonical = joiner.join(made, always_join=always).canonical
    assert canonical[made[1].id] == canonical[made[0].id] == made[0].id
    later = items("Consent <*> revoked by the customer", scope="cards")
    assert joiner.join(later, always_join=always).canonical[later[0].id] == made[0].id
    assert joiner.join([]).canonical[made[1].id] == made[1].id


def test_a_restart_changes_nothing_and_the_version_says_how_often_it_was_fitted() -> None:
    joiner = TemplateJoiner()
    joiner.join(items(REFUSED, OTHER))
    restarted = TemplateJoiner.from_state(json.loads(json.dumps(joiner.to_state())))
    assert restarted.version == joiner.version == "char-tfidf-3-5/complete-linkage/1+1"
    assert restarted.join(items(REWORDED)) == joiner.join(items(REWORDED))
    with pytest.raises(ValueError, match="version 7"):
        TemplateJoiner.from_state({"version": 7})


def test_nothing_and_empty_texts_are_taken() -> None:
    joiner = TemplateJoiner()
    assert joiner.join([]).canonical == {}
    assert names(joiner, "", "<*>", "\udcff", "系统错误")[1:] == [item.id for item in items("<*>", "\udcff", "系统错误")]


def test_a_block_is_bounded() -> None:
    joiner = TemplateJoiner()
    texts = [f"{a}{b} lost" for a in "abcdefghijklmnopqrstuvwxyzäöüß" for b in "abcdefghijklmnopqrstuvwxyzäöüß"]
    assert len(set(joiner.join(items(*texts)).canonical.values())) == len(texts)
