from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triage.domain.windows import NS
from triage.notify.schedule import DELAYS_S, next_attempt_ns


def test_the_schedule_is_the_one_of_standard_webhooks() -> None:
    assert DELAYS_S == (0, 5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400)


@given(st.text(), st.integers(0, 9))
def test_each_delay_is_the_scheduled_one_and_at_most_a_tenth_more(webhook_id: str, tries: int) -> None:
    delay = next_attempt_ns(webhook_id, tries, 1000, None)

    assert delay is not None
    assert DELAYS_S[tries] * NS <= delay - 1000 <= DELAYS_S[tries] * 1.1 * NS
    assert delay == next_attempt_ns(webhook_id, tries, 1000, None)


def test_deliveries_are_spread() -> None:
    assert len({next_attempt_ns(f"msg_{number}", 2, 0, None) for number in range(100)}) > 90


def test_after_the_last_attempt_there_is_none() -> None:
    assert next_attempt_ns("msg", 10, 0, 5.0) is None


@pytest.mark.parametrize(("asked", "seconds"), [(60.0, 60), (1e12, 86_400)])
def test_a_receiver_may_ask_for_more_time_up_to_a_day(asked: float, seconds: int) -> None:
    assert seconds * NS == next_attempt_ns("msg", 1, 0, asked)


def test_a_receiver_cannot_ask_for_less_time() -> None:
    assert next_attempt_ns("msg", 2, 0, 1.0) == next_attempt_ns("msg", 2, 0, None)
