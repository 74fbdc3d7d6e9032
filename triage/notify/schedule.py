"""When to try again: the schedule of Standard Webhooks, with a jitter that follows from the delivery."""

from __future__ import annotations

import hashlib
from typing import Final

from triage.domain.windows import NS

# Seconds between one attempt and the next; the first is made at once. Ten attempts over about three days.
DELAYS_S: Final = (0, 5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
MAX_RETRY_AFTER_S: Final = 86_400.0
JITTER: Final = 0.1  # at most this share is added, never taken away


def next_attempt_ns(webhook_id: str, tries: int, now_ns: int, retry_after_s: float | None) -> int | None:
    """When to make attempt number `tries` (counted from 0), or None when no attempt is left.

    What the receiver asks for (`Retry-After`) counts when it is later than the schedule, up to a day.
    """
    if tries >= len(DELAYS_S):
        return None
    delay = DELAYS_S[tries] * (1 + JITTER * _fraction(webhook_id, tries))
    asked = min(retry_after_s or 0.0, MAX_RETRY_AFTER_S)
    return now_ns + int(max(delay, asked) * NS)


def _fraction(webhook_id: str, tries: int) -> float:
    """A number from 0 to 1 that is the same for the same attempt, and spread over many deliveries."""
    digest = hashlib.sha256(f"{webhook_id}/{tries}".encode()).digest()
    return int.from_bytes(digest[:4]) / 0xFFFFFFFF
