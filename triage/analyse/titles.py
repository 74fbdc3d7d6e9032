"""What an incident is called: who or what, and what is wrong with it, in one line. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from triage.analyse.impact import ImpactOf
from triage.analyse.problems import Problem
from triage.domain.incident import Suspect

MOST_CHARS: Final = 140
EVERY: Final = 0.95
NEARLY: Final = 0.8
_PACKAGE = re.compile(r"\b(?:[a-z_]\w*\.)+(?=[A-Z]\w)")
_FOR_API = re.compile(r" for [A-Z]+ <\*>$")
_ON_API = re.compile(r" on (?:[A-Z]+ )?/\S*$")


def title_of(problem: Problem, impact: ImpactOf, titles: Mapping[str, str], suspects: Sequence[Suspect]) -> str:
    """`titles`: group -> its title, for the problem's groups."""
    what, _, owner = problem.owner.partition(":")
    if problem.kind == "latency":
        where = next((s.name for s in suspects if s.kind in ("service", "external")), "")
        return _cut(f"{where or impact.scope} answers slower than usual")
    if what == "partner":
        return _cut(f"{impact.partners[0].name if impact.partners else owner}: {_of_partner(problem, impact, titles)}")
    if problem.kind in ("traffic_drop", "traffic_surge"):
        return _cut(f"{owner or 'all traffic'}: {'far fewer' if problem.kind == 'traffic_drop' else 'far more'} calls than usual")
    cause = _cause(problem, titles)
    if what == "family":
        return _cut(f"{len(impact.partners)} partners: {cause}")
    return _cut(f"{owner}: {cause}" if owner != "unknown" and owner not in cause else cause)


def _of_partner(problem: Problem, impact: ImpactOf, titles: Mapping[str, str]) -> str:
    if problem.kind == "traffic_drop":
        return "its calls stopped coming" if all(a.seen == 0 for a in problem.anomalies[:1]) else "far fewer calls than usual"
    total = max((partner.total for partner in impact.partners[:1]), default=0)
    share = impact.failed / total if total else 0.0
    if problem.kind == "traffic_surge":
        return "far more calls than usual" + (f", {share:.0%} refused" if impact.failed else "")
    if problem.kind == "abnormal_use":
        return "its answers are far larger than usual"
    cause = _cause(problem, titles)
    if impact.side == "customer":
        return f"{share:.0%} of calls end with {cause}"
    if share >= NEARLY:
        return f"{'every' if share >= EVERY else 'nearly every'} call is refused, {cause}"
    return f"{share:.0%} of calls are refused, {cause}"


def _cause(problem: Problem, titles: Mapping[str, str]) -> str:
    """The commonest group that names an exception or a message, else the commonest code."""
    said = [titles[group] for group in problem.groups if titles.get(group)]
    if not said:
        return "calls fail"
    named = next((title for title in said[:5] if not _ON_API.search(title)), said[0])
    best = said[0] if problem.owner.startswith(("partner:", "family:")) else named
    return _PACKAGE.sub("", _ON_API.sub("", _FOR_API.sub("", best))).replace("<*>", "…")


def _cut(title: str) -> str:
    return title if len(title) <= MOST_CHARS else title[: MOST_CHARS - 1] + "…"
