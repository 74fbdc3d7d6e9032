"""Of several workers that find one problem at once, one opens its incident, also where lists lag behind."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from triage.domain.finding import Finding
from triage.domain.windows import HOUR_NS, MINUTE_NS
from triage.incidents import documents
from triage.incidents.fold import CLAIM, CLAIM_NS, FoldSettings, fold_findings
from triage.ports.state import DocumentPage
from triage.store.memory import MemoryStateStore

NOW = 1_000 * HOUR_NS


class Lagging:
    """A store whose lists do not show yet what was just written; single documents do."""

    def __init__(self, inner: MemoryStateStore) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def select(self, *_: Any, **__: Any) -> DocumentPage:
        return DocumentPage([], None)


def finding(since_ns: int = NOW - 5 * MINUTE_NS, until_ns: int = NOW) -> Finding:
    return Finding(
        key="errors|service:core", kinds=["new_group"], kind="errors", title="core: fails", summary="s", scope="all", severity="high",
        whose_side="bank", since_ns=since_ns, until_ns=until_ns, failed_calls=10, total_calls=20, customers=3, partners=[], groups=["g1"],
    )


@pytest.fixture
def state() -> MemoryStateStore:
    return MemoryStateStore()


def test_a_second_worker_whose_lists_lag_opens_nothing(state: MemoryStateStore) -> None:
    fold_findings([finding()], state, NOW, FoldSettings())
    assert fold_findings([finding()], Lagging(state), NOW, FoldSettings()) == []  # type: ignore[arg-type]
    assert len(list(documents.every(state))) == 1


def test_a_claim_of_a_worker_that_died_is_void_after_a_while(state: MemoryStateStore) -> None:
    fold_findings([finding()], state, NOW, FoldSettings())
    (incident,) = documents.every(state)
    state.delete("incident", incident.id, version=incident.version)  # claimed, never written
    assert fold_findings([finding()], state, NOW + CLAIM_NS - 1, FoldSettings()) == []
    assert len(fold_findings([finding()], state, NOW + CLAIM_NS, FoldSettings())) == 1


def test_the_same_trouble_at_another_time_is_an_incident_of_its_own(state: MemoryStateStore) -> None:
    fold_findings([finding()], state, NOW, FoldSettings())
    (incident,) = documents.every(state)
    documents.write(state, replace(incident, state="resolved", resolved_ns=NOW))
    later = NOW + 48 * HOUR_NS
    assert len(fold_findings([finding(later - MINUTE_NS, later)], state, later, FoldSettings())) == 1
    assert len(list(documents.every(state))) == 2
    assert len(state.select(CLAIM).items) == 1
