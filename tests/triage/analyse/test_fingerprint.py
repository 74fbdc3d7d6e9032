"""The strongest evidence makes the fingerprint, and the fingerprint says what it was."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from triage.analyse.grouping.fingerprint import ErrorEvent, current_id, fingerprint, fingerprints
from triage.analyse.grouping.templates import TemplateMiner

PAYMENT = ErrorEvent(
    codes=("UK.OBIE.Field.Invalid",),
    route="/payments/{PaymentId}",
    method="post",
    service="pis",
    message="Amount 12 is bad",
    status=400,
)
TRACE = "java.lang.IllegalStateException: {message}\n\tat com.bank.{owner}.load({owner}.java:{line})"


def ids(*events: ErrorEvent) -> list[str]:
    return [made.id for made in fingerprints(events, TemplateMiner())]


def same(*events: ErrorEvent) -> bool:
    return len(set(ids(*events))) == 1


def test_a_code_and_its_api_come_first() -> None:
    made = fingerprint(PAYMENT, TemplateMiner())
    assert made.kind == "code"
    assert made.title == "UK.OBIE.Field.Invalid on POST /payments/{}"
    assert made.evidence == ("Error code UK.OBIE.Field.Invalid.", "All on POST /payments/{}.")
    assert same(PAYMENT, replace(PAYMENT, message="something else", route="/payments/:id/", method="POST"))


def test_the_same_code_on_another_api_is_another_group() -> None:
    assert not same(PAYMENT, replace(PAYMENT, route="/accounts"))
    assert not same(PAYMENT, replace(PAYMENT, codes=("UK.OBIE.Field.Missing",)))


def test_the_order_of_codes_does_not_matter() -> None:
    both = ("UK.OBIE.Field.Missing", "UK.OBIE.Header.Missing")
    assert same(replace(PAYMENT, codes=both), replace(PAYMENT, codes=both[::-1]))


def test_a_code_that_says_nothing_gives_way_to_the_exception_and_the_message() -> None:
    weak = replace(PAYMENT, codes=("UK.OBIE.UnexpectedError", "500"))
    traced = replace(weak, stacktrace=TRACE.format(message="x", owner="Ledger", line=3))
    miner = TemplateMiner()
    assert fingerprint(traced, miner).kind == "exception"
    assert fingerprint(weak, miner).kind == "message"
    assert fingerprint(replace(weak, message=""), miner).kind == "code"


def test_line_numbers_and_messages_do_not_split_an_exception() -> None:
    traces = [TRACE.format(message=f"consent {n} has no status", owner="Consents", line=n) for n in range(3)]
    made = fingerprints([ErrorEvent(service="ais", stacktrace=trace) for trace in traces], TemplateMiner())
    assert len({each.id for each in made}) == 1
    assert made[0].title == "IllegalStateException in com.bank.Consents.load"
    assert made[0].template_id == ""


def test_another_function_or_cause_is_another_exception() -> None:
    one = ErrorEvent(stacktrace=TRACE.format(message="x", owner="Consents", line=3))
    other = ErrorEvent(stacktrace=TRACE.format(message="x", owner="Payments", line=3))
    cause = "\nCaused by: java.net.ConnectException: refused\n\tat com.bank.Consents.load(Consents.java:3)"
    assert len(set(ids(one, other, replace(one, stacktrace=one.stacktrace + cause)))) == 3


def test_an_exception_type_that_says_nothing_is_told_apart_by_its_message() -> None:
    trace = "Error: {}\n    at query (/app/dist/search.js:1:2)"
    one, again, other = (ErrorEvent(stacktrace=trace.format(m)) for m in ("no index 1", "no index 2", "all shards failed"))
    made = ids(one, again, other)
    assert made[0] == made[1] != made[2]


def test_an_exception_without_a_trace_goes_by_type_and_message() -> None:
    made = fingerprint(ErrorEvent(exception_type="KeyError", exception_message="'id'"), TemplateMiner())
    assert (made.kind, made.title) == ("exception", "KeyError: 'id'")


def test_a_trace_in_the_message_is_read() -> None:
    text = TRACE.format(message="x", owner="Consents", line=3)
    assert fingerprint(ErrorEvent(message=text), TemplateMiner()).title == "IllegalStateException in com.bank.Consents.load"


def test_messages_go_by_service_and_template() -> None:
    one = ErrorEvent(service="core", message="Ledger 1 is closed")
    assert same(one, replace(one, message="Ledger 2 is closed", route="/other", method="GET"))
    assert not same(one, replace(one, service="cards"))
    assert fingerprint(one, TemplateMiner()).evidence == ("Message: Ledger <*> is closed", "From core.")


def test_a_fingerprint_follows_its_template_when_that_is_joined_to_an_older_one() -> None:
    miner = TemplateMiner()
    known = [fingerprint(ErrorEvent(service="s", message=f"login of {user} did fail"), miner) for user in ("ann", "bob", "cy")]
    assert len({each.id for each in known}) == 3
    for user in ("dee", "eve", "flo"):
        fingerprint(ErrorEvent(service="s", message=f"login of {user} did fail"), miner)
    assert {current_id(each.basis, each.template_id, miner) for each in known} == {known[0].id}


TEXT = st.text(alphabet=st.characters(exclude_categories=()), max_size=40)
EVENTS = st.builds(
    ErrorEvent,
    codes=st.lists(TEXT, max_size=2).map(tuple),
    route=TEXT,
    method=TEXT,
    service=TEXT,
    exception_type=TEXT,
    exception_message=TEXT,
    stacktrace=TEXT,
    message=TEXT,
    status=st.integers(0, 599),
)


@given(EVENTS)
def test_any_event_has_a_fingerprint_that_says_why(event: ErrorEvent) -> None:
    made = fingerprint(event, TemplateMiner())
    assert made == fingerprint(event, TemplateMiner())
    assert made.evidence
    assert len(made.id) == 16
