"""Signs of abnormal use, and the one restricted finding that all signs of a partner make. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from triage.analyse.rows import Traffic
from triage.domain.finding import Finding
from triage.domain.incident import ApiImpact, Impact, Point, Severity, Suspect
from triage.domain.windows import HOUR_NS, MINUTE_NS

Name = Callable[[str], str]
MANY_PARTNERS: Final = 4
"""What so many partners show at once is the platform's doing, not theirs."""
_MOST_APIS: Final = 20
_MOST_TRACES: Final = 10
_CURVE: Final = 360


@dataclass(slots=True)
class Sign:
    """One thing that is abnormal in a partner's use. Times in nanoseconds."""

    kind: str  # 'resources', 'tokens', 'consents', 'endpoints', 'role', 'places', 'customers', 'unattended', 'limit'
    partner: str
    since_ns: int
    until_ns: int
    title: str  # what it does, behind its name
    sentence: str  # what was seen, with the numbers, behind its name
    why: list[str]  # the present number and the usual one
    apis: Mapping[str, int]  # API -> calls that show it
    failed: int = 0
    failed_at: Mapping[int, int] = field(default_factory=dict)  # epoch minute -> its failed calls
    severity: Severity = "medium"
    traces: Sequence[str] = field(default_factory=tuple)
    refusals: frozenset[int] = frozenset()  # the minutes whose refusals it explains


def of_few(signs: Iterable[Sign]) -> list[Sign]:
    """Without the kinds of sign that many partners show in the same time: those are not the doing of one."""
    kept = []
    signs = list(signs)
    for sign in signs:
        others = {o.partner for o in signs if o.kind == sign.kind and o.since_ns <= sign.until_ns and o.until_ns >= sign.since_ns}
        if sign.kind in ("limit", "role") or len(others) < MANY_PARTNERS:
            kept.append(sign)
    return kept


def findings_of(signs: Sequence[Sign], name: Name, traffic: Traffic) -> list[Finding]:
    """One finding a partner and stretch of time, the strongest sign first."""
    found = []
    for partner in dict.fromkeys(sign.partner for sign in signs):
        mine = sorted((sign for sign in signs if sign.partner == partner), key=lambda sign: sign.since_ns)
        together: list[list[Sign]] = []
        for sign in mine:
            if together and sign.since_ns <= max(s.until_ns for s in together[-1]) + HOUR_NS:
                together[-1].append(sign)
            else:
                together.append([sign])
        found += [_finding(partner, name(partner), group, traffic) for group in together]
    return found


_ORDER: Final = ("resources", "role", "tokens", "endpoints", "customers", "places", "consents", "unattended", "limit")


def _finding(partner: str, name: str, signs: list[Sign], traffic: Traffic) -> Finding:
    signs = sorted(signs, key=lambda sign: _ORDER.index(sign.kind))
    since, until = min(s.since_ns for s in signs), max(s.until_ns for s in signs)
    first, last = since // MINUTE_NS, until // MINUTE_NS
    apis: dict[str, int] = {}
    for sign in signs:
        for api, count in sign.apis.items():
            apis[api] = max(apis.get(api, 0), count)
    failed = max(sign.failed for sign in signs)
    total = max(int(traffic.sum_of(partner, first, last)), failed)
    also = "".join(f" It also {sign.sentence}" for sign in signs[1:])
    return Finding(
        key=f"abnormal_use|partner:{partner}", kinds=["abnormal_use"], kind="abnormal_use", title=f"{name} {signs[0].title}",
        summary=f"{name} {signs[0].sentence}{also} The partner's side; restricted to security.",
        scope=f"one partner: {name}", severity=signs[0].severity, whose_side="partner", since_ns=since, until_ns=until,
        failed_calls=failed, total_calls=total, customers=0, partners=[Impact(partner, name, failed, total)],
        apis=[ApiImpact(api.partition(" ")[0], api.partition(" ")[2], count if failed else 0, count)
              for api, count in sorted(apis.items(), key=lambda item: -item[1])][:_MOST_APIS],
        suspects=[Suspect("partner", name, 0.9, [reason for sign in signs for reason in sign.why])],
        trace_ids=list(dict.fromkeys(t for sign in signs for t in sign.traces if t))[:_MOST_TRACES],
        series=_curve(partner, (first, last), signs, traffic), restricted=True,
    )


def _curve(partner: str, times: tuple[int, int], signs: Sequence[Sign], traffic: Traffic) -> list[Point]:
    """The partner's calls by the minute, and those of them that the sign with most refusals counts."""
    first, last = times
    most = max(signs, key=lambda sign: sign.failed).failed_at
    calls = traffic.of_partner.get(partner)
    if calls is None:
        return []
    begin = max(first - 30, last - _CURVE, traffic.start)
    values = calls[begin - traffic.start : last + 1 - traffic.start]
    return [Point(begin + place, max(int(count), most.get(begin + place, 0)), most.get(begin + place, 0))
            for place, count in enumerate(np.asarray(values).tolist())]
