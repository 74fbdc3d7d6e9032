"""Notifier: one attempt to tell a receiver.

Promises of every adapter:

1. `send` MUST return only after the receiver has accepted the message.
2. Whatever else happens MUST be raised as `NotifyError`; its `retry` says whether another attempt can help. The adapter
   never tries again by itself: the courier knows the schedule.
3. The same message MUST give the same body, and its `webhook_id` MUST reach a receiver that can tell repetitions by it.
4. No secret and no URL of the receiver may be in the error's text.
5. `send` MUST come back within a bounded time, and MUST be callable from several threads at once.
"""

from __future__ import annotations

from typing import Protocol

from triage.domain.notice import Attempt, Message


class Notifier(Protocol):
    """See the module's promises."""

    def send(self, message: Message) -> Attempt:
        """Make one attempt and describe it. Raises NotifyError."""
        ...
