"""The leader lease: one holder at a time, also after a pause."""

from __future__ import annotations

from triage.domain.windows import NS
from triage.store.lease import SECONDS, Lease
from triage.store.memory import MemoryStateStore


def test_one_leads_until_its_lease_runs_out() -> None:
    state = MemoryStateStore()
    first, second = Lease(state, "work"), Lease(state, "work")
    assert first.hold(0)
    assert first.hold(10 * NS), "the holder renews"
    assert not second.hold(20 * NS)
    assert second.hold((10 + SECONDS) * NS), "the first one was paused for too long"
    assert not first.hold((11 + SECONDS) * NS)


def test_a_released_lease_is_free_at_once() -> None:
    state = MemoryStateStore()
    first, second = Lease(state, "work"), Lease(state, "work")
    assert first.hold(0)
    first.release()
    assert second.hold(1)
    first.release()
    assert second.hold(2), "only the holder can release it"
