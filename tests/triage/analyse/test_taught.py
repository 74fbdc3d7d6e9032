"""What people teach holds: merges for what comes later, splits against everything the machine does, rules before both."""

from __future__ import annotations

import json

import pytest
from corpus.scores import after_merge_share, lesson

from triage.analyse.grouping.fingerprint import ErrorEvent
from triage.analyse.grouping.group_rules import GroupRule, Match, RuleBook, group_of_key, read_key, read_match
from triage.analyse.grouping.model import GroupingModel
from triage.analyse.grouping.taught import Lesson, Taught
from triage.errors import BadInput


def event(message: str = "", service: str = "ledger", **more: object) -> ErrorEvent:
    return ErrorEvent(service=service, message=message, **more)  # type: ignore[arg-type]


def restarted(model: GroupingModel, taught: Taught) -> GroupingModel:
    return GroupingModel(json.loads(json.dumps(model.to_state())), taught)


# ---- merges -------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [3, 5])
def test_after_one_merge_at_least_95_percent_of_later_matching_events_join(seed: int) -> None:
    assert after_merge_share(seed) >= 0.95


def test_a_merge_reaches_across_kinds_and_can_be_taken_back() -> None:
    model = GroupingModel({})
    events = [event("ledger is away", service="a"), event(codes=("LEDGER_AWAY",), route="/pay", method="POST")]
    first = model.assign(events)
    merge = lesson("merge", first, first.groups[0], first.groups[1])
    assert restarted(model, Taught((merge,))).assign(events).groups == [first.groups[1]] * 2
    undone = Lesson(**{**{name: getattr(merge, name) for name in merge.__dataclass_fields__}, "undone_at_ns": 9})
    assert restarted(model, Taught((undone,))).assign(events).groups == first.groups


def test_merges_in_a_circle_end_in_one_group() -> None:
    circle = tuple(Lesson(a + b, "merge", a, b, 1, "ann") for a, b in (("a", "b"), ("b", "c"), ("c", "a")))
    assert {Taught(circle).resolve(each) for each in "abc"} == {"a"}


def test_a_merged_message_stays_merged_when_its_template_was_forgotten() -> None:
    old, other = event("posting of entry 17 was refused by nightly close"), event("ledger has lost its disk")
    model = GroupingModel({})
    first = model.assign([old, other])
    merge = lesson("merge", first, first.groups[0], first.groups[1])
    fresh = GroupingModel({}, Taught((merge,)))  # nothing is known of the template any more
    assert fresh.assign([event("posting of entry 99 was refused by nightly close")]).groups == [first.groups[1]]


# ---- splits -------------------------------------------------------------------------------------

REFUSED = [event(f"Connection to core banking host h{n} refused") for n in range(20)]
REWORDED = [event(f"Connection to core banking host h{n} was refused by peer") for n in range(20)]


def split_model() -> tuple[GroupingModel, Taught, str]:
    """A model that joined two wordings, and the split by a person of the second one."""
    model = GroupingModel({})
    first = model.assign([*REFUSED, *REWORDED])
    (group,) = set(first.groups)
    text = next(p.said for p in first.prints if "by peer" in p.said)
    return model, Taught((lesson("split", first, group, "split-off", [text]),)), group


def test_a_split_is_not_undone_by_joins_refits_and_restarts() -> None:
    model, taught, group = split_model()
    for n in range(4):
        model = restarted(model, taught)
        words = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu"]
        noise = [event(f"{words[(n + i) % 12]} {words[i]} thing {words[(i * 5 + n) % 12]} broke down") for i in range(12)]
        found = model.assign([*noise, *REFUSED, *REWORDED])
        assert set(found.groups[12:32]) == {group}
        assert set(found.groups[32:]) == {"split-off"}


def test_a_split_is_not_undone_when_its_templates_become_one() -> None:
    states = [event(f"login of user {user} failed in zone north") for user in ("ann", "bob")]
    model = GroupingModel({})
    first = model.assign(states)
    group = first.groups[0]
    merge = Taught((lesson("merge", first, first.groups[1], group),)) if first.groups[1] != group else Taught()
    assigned = restarted(model, merge).assign(states)
    text = next(p.said for p in assigned.prints if "bob" in p.said)
    taught = Taught((*merge.lessons, lesson("split", assigned, group, "split-off", [text], at=2)))
    model = restarted(model, taught)
    others = [event(f"login of user {user} failed in zone north") for user in ("cleo", "dora", "emil", "fritz", "gina", "hugo")]
    for batch in (others, states):
        found = model.assign(batch)
    assert found.prints[0].id == found.prints[1].id  # by now the machine sees one template
    assert found.groups == [group, "split-off"]


def test_a_rewording_of_what_was_split_off_goes_with_it() -> None:
    model, taught, group = split_model()
    model = restarted(model, taught)
    model.assign([*REFUSED, *REWORDED])
    later = model.assign([event(f"Connection to core banking host h{n} has been refused by the peer") for n in range(5)])
    assert set(later.groups) == {"split-off"}
    assert group not in later.groups


def test_a_split_by_conditions_takes_what_meets_them_and_only_from_its_group() -> None:
    model = GroupingModel({})
    both = [event(codes=("BUSY",), route="/pay", method="POST", service=service) for service in ("a", "b")]
    other = event(codes=("GONE",), route="/pay", method="POST", service="b")
    group = model.assign(both).groups[0]
    split = Lesson("l1", "split", group, "split-off", 1, "ann", match=Match(service="b"))
    found = restarted(model, Taught((split,))).assign([*both, other])
    assert found.groups[:2] == [group, "split-off"]
    assert found.groups[2] not in (group, "split-off")


def test_a_group_that_was_split_off_can_be_split_again() -> None:
    model = GroupingModel({})
    events = [event(codes=("BUSY",), route="/pay", method="POST", service=s, message=m) for s in "ab" for m in ("now", "later")]
    group = model.assign(events).groups[0]
    lessons = (Lesson("l1", "split", group, "of-b", 1, "ann", match=Match(service="b")),
               Lesson("l2", "split", "of-b", "of-b-later", 2, "ann", match=Match(message="later")))
    assert restarted(model, Taught(lessons)).assign(events).groups == [group, group, "of-b", "of-b-later"]


# ---- rules --------------------------------------------------------------------------------------


def rule(key: str, enabled: bool = True, **match: str) -> GroupRule:
    return GroupRule(f"rule of {key}", Match(**match), key, enabled)


@pytest.mark.parametrize("match", [
    {"code": "BUSY"}, {"code": "BU*"}, {"type": "com.bank.Late"}, {"type": "Late"}, {"message": "IS away"}, {"service": "led*"},
    {"pattern": r"ledger \d+ is (away|gone)"}, {"route": "POST /pay/{PaymentId}"}, {"route": "/pay/*"}, {"pattern": "(?i)LEDGER"},
])
def test_a_rule_matches_on_everything_that_it_can_name(match: dict[str, str]) -> None:
    meant = event("ledger 7 is away", codes=("BUSY",), route="/pay/{id}", method="POST", exception_type="com.bank.Late")
    other = event("all well", service="cards", codes=("OTHER",), route="/accounts", method="GET", exception_type="com.bank.Early")
    book = RuleBook((rule("k", **match),), 3)
    places = GroupingModel({}, Taught((), book)).assign([meant, other]).places
    assert (places[0].group, places[0].key) == (group_of_key("k"), "k")
    assert places[0].was not in (places[0].group, places[1].group)
    assert places[1].rule is None


def test_the_first_rule_that_is_enabled_decides_and_placeholders_are_filled_in() -> None:
    rules = (rule("off", enabled=False, service="*a*"), rule("{service} {code}", service="ca*"), rule("rest", service="*a*"))
    assigned = GroupingModel({}, Taught((), RuleBook(rules, 1))).assign([
        event("x y", service="cards", codes=("B", "A")), event("x y", service="cash"), event("x y", service="tax"),
        event("x y", service="ledger")])
    assert [place.key for place in assigned.places] == ["cards A B", "cash (none)", "rest", ""]


@pytest.mark.parametrize("sent", [
    {}, {"message": ""}, {"message": "*"}, {"pattern": "(a+)+$"}, {"pattern": "(?=x)"}, {"pattern": "a" * 400}, {"colour": "red"},
    {"code": 7}, {"service": "*"},
])
def test_rules_that_mean_nothing_or_could_be_slow_are_refused(sent: dict[str, object]) -> None:
    with pytest.raises(BadInput):
        read_match(sent)


@pytest.mark.parametrize("key", ["", "  ", "x" * 200, "{user}", None, 3])
def test_keys_that_name_nothing_are_refused(key: object) -> None:
    with pytest.raises(BadInput):
        read_key(key)
