"""What failing calls share that healthy ones do not: share of each attribute value among both, with significance.

Every attribute with few values is looked at; a difference counts when it is large and its p-value (Fisher's exact test) survives
Bonferroni's correction for the number of looks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from scipy.stats import fisher_exact

from triage.domain.incident import Comparison

MIN_DIFFERENCE: Final = 0.2
_P: Final = 0.01
_MOST_VALUES: Final = 200

Attributes = dict[str, str]


def compare(failing: Sequence[Attributes], healthy: Sequence[Attributes], most: int = 12) -> list[Comparison]:
    """Attribute values over-represented among failing calls, largest difference first. Each item describes one call."""
    if not failing or not healthy:
        return []
    names = sorted({name for item in failing for name in item})
    bad = Counter((name, item[name]) for item in failing for name in names if item.get(name))
    good = Counter((name, item[name]) for item in healthy for name in names if item.get(name))
    bad = Counter({pair: count for pair, count in bad.items() if count >= MIN_DIFFERENCE * len(failing)})
    looks = len(bad)  # what fewer calls share cannot be told, so it was not looked at
    found: list[Comparison] = []
    for (name, value), count in bad.most_common(_MOST_VALUES):
        share, usual = count / len(failing), good[(name, value)] / len(healthy)
        if share - usual < MIN_DIFFERENCE:
            continue
        table = [[count, len(failing) - count], [good[(name, value)], len(healthy) - good[(name, value)]]]
        if float(fisher_exact(table, alternative="greater")[1]) * looks <= _P:
            found.append(Comparison(name, value, round(share, 4), round(usual, 4), len(failing)))
    return sorted(found, key=lambda c: (c.healthy - c.failing, c.attribute))[:most]
