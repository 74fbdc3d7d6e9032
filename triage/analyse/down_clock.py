"""When an endpoint counts as down: the EBA's rule for dedicated interfaces.

Guidelines EBA/GL/2018/07, guideline 2.4: the interface is down when five consecutive requests are not replied to
within 30 seconds; it is down from the first of them.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

CONSECUTIVE: Final = 5
LIMIT_MS: Final = 30_000.0


@dataclass(frozen=True, slots=True)
class DownSpan:
    """A stretch of five or more unanswered calls in a row; times are ns since 1970.

    `since_ns`, `last_ns`: starts of the first and the last of them. `until_ns`: start of the first call that was
    answered again; None while it lasts.
    """

    since_ns: int
    last_ns: int
    until_ns: int | None
    calls: int


def down_spans(
    starts_ns: NDArray[np.int64], answered: NDArray[np.bool_], duration_ms: NDArray[np.float64]
) -> list[DownSpan]:
    """One entry a call to one endpoint, in any order -> its down times, in time order.

    `answered`: a reply came at all; one after more than 30 s counts as none. Raises ValueError when the lengths
    differ.
    """
    if not len(starts_ns) == len(answered) == len(duration_ms):
        raise ValueError("one entry a call in each array")
    order = np.argsort(starts_ns, kind="stable")
    starts = starts_ns[order]
    replied = (answered & ~(duration_ms > LIMIT_MS))[order]
    edges = np.flatnonzero(np.diff(np.concatenate([[True], replied, [True]]).astype(np.int8)))
    return [
        DownSpan(
            int(starts[first]), int(starts[after - 1]), int(starts[after]) if after < len(starts) else None,
            int(after - first),
        )
        for first, after in zip(edges[::2], edges[1::2], strict=True)
        if after - first >= CONSECUTIVE
    ]
