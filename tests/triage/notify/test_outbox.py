from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from triage.domain.codec import to_body
from triage.domain.incident import Incident, Notice
from triage.domain.notice import Delivery, Filter, Receiver
from triage.notify.ledger import DELIVERY, read_delivery, read_told
from triage.notify.outbox import PlanRun, plan_deliveries
from triage.ports.state import Document, StateStore
from triage.store.memory import MemoryDocuments, MemoryStateStore

NOW = 1_772_445_600_000_000_000


class Killed(Exception):
    pass


class DyingStore(MemoryStateStore):
    """Dies at the write number `lives`, before or after it took effect."""

    def __init__(self, data: MemoryDocuments, lives: int, after: bool) -> None:
        super().__init__(data)
        self.lives, self.after = lives, after

    def put(self, *args: Any, **kwargs: Any) -> Document:
        self.lives -= 1
        if self.lives < 0 and not self.after:
            raise Killed
        document = super().put(*args, **kwargs)
        if self.lives < 0:
            raise Killed
        return document


def deliveries(state: StateStore) -> list[Delivery]:
    return [read_delivery(document) for document in state.select(DELIVERY, limit=1000).items]


def test_each_receiver_gets_one_delivery_and_the_notice_is_marked(
    state: StateStore, incident: Incident, add_incident: Callable[..., Any], add_receiver: Callable[..., Any]
) -> None:
    add_receiver(id="rcv-a")
    add_receiver(id="rcv-b", filter=Filter(severity=["critical"]))
    add_incident(incident)

    run = plan_deliveries(state, NOW)

    assert PlanRun(notices=1, deliveries=1, dropped=1) == run
    document = state.get("incident", "INC-7")
    assert document is not None
    assert (document.body["notices"][0]["sent"], document.tags) == (True, ("state:open",))
    assert incident.first_seen_ns == document.sort
    assert {("rcv-a", "pending"), ("rcv-b", "dropped")} == {(d.receiver_id, d.state) for d in deliveries(state)}
    assert state.count(DELIVERY, [["receiver:rcv-a"], ["incident:INC-7"], ["state:pending"]]) == 1


def test_a_second_run_finds_nothing_to_do(
    state: StateStore, incident: Incident, add_incident: Callable[..., Any], add_receiver: Callable[..., Any]
) -> None:
    add_receiver()
    add_incident(incident)
    plan_deliveries(state, NOW)

    assert PlanRun() == plan_deliveries(state, NOW + 1)
    assert len(deliveries(state)) == 1


def test_without_receivers_notices_do_not_pile_up(
    state: StateStore, incident: Incident, add_incident: Callable[..., Any]
) -> None:
    add_incident(incident)

    assert PlanRun(notices=1) == plan_deliveries(state, NOW)
    assert state.count("incident", [["unsent:yes"]]) == 0


def test_more_incidents_than_a_page_are_all_planned(
    state: StateStore, incident: Incident, add_incident: Callable[..., Any], add_receiver: Callable[..., Any]
) -> None:
    add_receiver()
    for number in range(250):
        add_incident(replace(incident, id=f"INC-{number}"))

    assert PlanRun(notices=250, deliveries=250) == plan_deliveries(state, NOW)
    assert state.count("incident", [["unsent:yes"]]) == 0


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("lives", range(9))
def test_nothing_is_lost_or_doubled_when_the_process_dies_at_any_write(
    incident: Incident, receiver: Receiver, lives: int, after: bool
) -> None:
    data = MemoryDocuments()
    whole = MemoryStateStore(data)
    for name in ("a", "b"):
        add = replace(receiver, id=f"rcv-{name}")
        whole.put("receiver", add.id, to_body(add), version=None)
    incident.notices = [Notice(f"n{number}", "incident.opened", NOW, "new") for number in range(3)]
    whole.put("incident", incident.id, to_body(incident), version=None, tags=["unsent:yes"])

    with pytest.raises(Killed):
        plan_deliveries(DyingStore(data, lives, after), NOW)
    plan_deliveries(whole, NOW + 5)

    assert sorted((f"n{n}", f"rcv-{name}") for n in range(3) for name in "ab") == sorted(
        (delivery.notice_id, delivery.receiver_id) for delivery in deliveries(whole)
    )
    assert whole.count("incident", [["unsent:yes"]]) == 0


def test_what_somebody_else_writes_in_between_stays(
    incident: Incident, receiver: Receiver
) -> None:
    data = MemoryDocuments()

    class Interfering(MemoryStateStore):
        def put(self, kind: str, doc_id: str, *args: Any, **kwargs: Any) -> Document:
            if kind == "incident" and not getattr(self, "interfered", False):
                self.interfered = True
                other = replace(
                    incident, assignee="dana",
                    notices=[*incident.notices, Notice("n2", "incident.acknowledged", NOW, "dana took it")],
                )
                super().put(kind, doc_id, to_body(other), version=1, tags=["state:acknowledged", "unsent:yes"])
            return super().put(kind, doc_id, *args, **kwargs)

    state = Interfering(data)
    MemoryStateStore(data).put("incident", incident.id, to_body(incident), version=None, tags=["state:open", "unsent:yes"])

    plan_deliveries(state, NOW)

    document = state.get("incident", incident.id)
    assert document is not None
    assert (document.body["assignee"], [n["sent"] for n in document.body["notices"]]) == ("dana", [True, False])
    assert {"state:acknowledged", "unsent:yes"} == set(document.tags)


def test_what_is_told_stays_as_it_was_when_the_notice_was_planned(
    state: StateStore, incident: Incident, add_incident: Callable[..., Any], add_receiver: Callable[..., Any]
) -> None:
    add_receiver()
    add_incident(incident)
    plan_deliveries(state, NOW)
    document = state.get("incident", incident.id)
    assert document is not None
    state.put("incident", incident.id, {**document.body, "state": "resolved"}, version=document.version)

    [delivery] = deliveries(state)
    told = read_told(state, delivery)

    assert told is not None
    assert ("open", "incident.opened", incident.partners) == (told.incident.state, told.notice.type, told.incident.partners)
