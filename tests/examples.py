"""How many examples a property is tried on: as many as it names in `make test`, a fifth of them in `make check`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hypothesis import HealthCheck, settings

QUICK: Final = "quick"
_FULL: Final = "full"
_USUAL: Final = 100  # of a property that names no number
_SHARE: Final = 5
_BUSY: Final = (HealthCheck.too_slow,)  # says more of a busy machine than of the test


def prepare() -> None:
    """Make the profiles known; `pytest --hypothesis-profile=quick` chooses the other one."""
    settings.register_profile(_FULL, max_examples=_USUAL, deadline=None, suppress_health_check=_BUSY)
    settings.register_profile(QUICK, max_examples=_USUAL // _SHARE, deadline=None, suppress_health_check=_BUSY)
    settings.load_profile(_FULL)


def examples(number: int, *, suppress_health_check: Sequence[HealthCheck] = ()) -> settings:
    """`@examples(300)` in place of `@settings(max_examples=300)`."""
    quick = settings.get_current_profile_name() == QUICK
    return settings(max_examples=max(number // _SHARE, 5) if quick else number, deadline=None,
                    suppress_health_check=(*_BUSY, *suppress_health_check))
