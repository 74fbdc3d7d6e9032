"""Sections of a page that can do without one of the stores: what could not be read is said, the rest is shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from triage.errors import StoreUnavailable

T = TypeVar("T")
D = TypeVar("D")


def attempt(read: Callable[[], T], instead: D) -> tuple[T | D, str]:
    """What was read, or `instead` and the reason why it could not be read."""
    try:
        return read(), ""
    except StoreUnavailable as error:
        return instead, f"This part cannot be shown now: {error}."
