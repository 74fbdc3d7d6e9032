"""What failing calls share that healthy ones do not: share of each attribute value among both, with significance.

Every attribute with few values is looked at; a difference counts when it is large and its p-value (Fisher's exact test) survives
Bonferroni's correction for the number of looks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from typing import Final

from scipy.stats import fisher_exact

from triage.domain.incident import Comparison

MIN_DIFFERENCE: Final = 0.2
_P: Final = 0.01
_MOST_VALUES: Final = 200

Attributes = dict[str, str]


def compare(
    failing: Sequence[Attributes], healthy: Sequence[Attributes], most: int = 12, *, unsaid: Collection[str] = (),
) -> list[Comparison]:
    """Attribute values over-represented among failing calls, largest difference first. Each item describes one call.

    `unsaid`: attributes that some witnesses leave out; their shares are of the calls that carry them. Any other attribute that
    is missing tells something, such as that a trace does not pass the service.
    """
    if not failing or not healthy:
        return []
    names = sorted({name for item in failing for name in item})
    bad = Counter((name, item[name]) for item in failing for name in names if item.get(name))
    good = Counter((name, item[name]) for item in healthy for name in names if item.get(name))
    bad = Counter({pair: count for pair, count in bad.items() if count >= MIN_DIFFERENCE * len(failing)})
    looks = len(bad)  # what fewer calls share cannot be told, so it was not looked at
    found: list[Comparison] = []
    for (name, value), count in bad.most_common(_MOST_VALUES):
        mine, others = (_carriers(items, name) if name in unsaid else len(items) for items in (failing, healthy))
        share, usual = count / mine, good[(name, value)] / max(others, 1)
        if not others or share - usual < MIN_DIFFERENCE:
            continue
        table = [[count, mine - count], [good[(name, value)], others - good[(name, value)]]]
        if float(fisher_exact(table, alternative="greater")[1]) * looks <= _P:
            found.append(Comparison(name, value, round(share, 4), round(usual, 4), mine))
    return sorted(found, key=lambda c: (c.healthy - c.failing, c.attribute))[:most]


def _carriers(items: Sequence[Attributes], name: str) -> int:
    return sum(1 for item in items if item.get(name))
