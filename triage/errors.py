"""Errors of the product. Adapters translate foreign errors into these once, at their edge."""

from __future__ import annotations

from collections.abc import Sequence


class TriageError(Exception):
    """Base of every error that the product raises on purpose."""


class ConfigError(TriageError):
    """Settings are unknown or wrong; `faults` lists every one of them, each with what to do."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = tuple(faults)


class BadInput(TriageError):
    """A request or line cannot be read at all; `reason` is fit to be sent back to its sender.

    What varies in it (a value, a position, a name) stands behind its first colon: see `counted_as`.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def counted_as(reason: str) -> str:
    """What a refusal is counted and remembered by: its reason without the detail behind the first colon, so that senders of
    broken records can neither fill the counters nor leave raw values in them."""
    return reason.partition(": ")[0]


class TooLarge(BadInput):
    """A body is over the limit, as sent or after decompression."""


class StoreError(TriageError):
    """A store cannot do what it was asked."""


class StoreUnavailable(StoreError):
    """The store cannot be reached or cannot write now; a retry can help."""

    def __init__(self, reason: str, retry_after_s: int = 5) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s


class StoreFormatError(StoreError):
    """The stored format is newer than this version understands."""


class Conflict(StoreError):
    """Compare-and-set failed: somebody else changed the document first."""

    def __init__(self, kind: str, doc_id: str, expected: int | None, found: int | None) -> None:
        super().__init__(f"{kind} {doc_id} is at version {found}, not {expected}")
        self.kind, self.doc_id, self.expected, self.found = kind, doc_id, expected, found

    def __reduce__(self) -> tuple[type[Conflict], tuple[str, str, int | None, int | None]]:
        """So that it comes whole over the pipe to the analysis process."""
        return type(self), (self.kind, self.doc_id, self.expected, self.found)


class NotAllowed(TriageError):
    """An action that the present state forbids; the text says why and what would be allowed."""


class NotifyError(TriageError):
    """A delivery attempt failed. `retry` says whether another attempt can help."""

    def __init__(
        self, reason: str, *, retry: bool, status: int | None = None, retry_after_s: float | None = None,
        disable: bool = False,
    ) -> None:
        super().__init__(reason)
        self.reason, self.retry, self.status = reason, retry, status
        self.retry_after_s, self.disable = retry_after_s, disable
