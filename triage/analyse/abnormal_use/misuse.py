"""Abnormal partner use: every sign of it, as one restricted finding a partner, and the ordinary problems that it explains. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pyarrow as pa

from triage.analyse.abnormal_use.abuse import GO_ON, is_abuse, refusal_signs
from triage.analyse.abnormal_use.known_use import Known, learned
from triage.analyse.abnormal_use.overuse import Agreed, Use, overuse_signs
from triage.analyse.abnormal_use.refused import Refused
from triage.analyse.abnormal_use.signs import Sign, findings_of, of_few
from triage.analyse.problems import Problem
from triage.analyse.rows import CallRows, ErrorRows, Traffic
from triage.domain.finding import Finding
from triage.domain.windows import MINUTE_NS


@dataclass(frozen=True, slots=True)
class Seen:
    """What the judgement of partner use looks at; the roll-ups cover the minutes [start, end)."""

    refused: pa.Table  # calls with `ABUSE_COLUMNS` of the last hours
    calls: pa.Table
    use: pa.Table
    known: Known
    start: int
    end: int
    judge_from: int


@dataclass(frozen=True, slots=True)
class Misuse:
    """The findings, the problems that are none of theirs, and what is known of partners now."""

    findings: list[Finding]
    problems: list[Problem]
    known: Known


def judge_use(
    seen: Seen, problems: Sequence[Problem], errors: ErrorRows, agreed: Agreed, names: Mapping[str, str],
) -> Misuse:
    """`names`: partner -> its name for people."""
    calls, traffic = CallRows.of(seen.calls), Traffic.of(seen.calls, seen.start, seen.end)
    use, refused = Use.of(seen.use, seen.start, seen.end), Refused.of(seen.refused)
    apis = {partner: body["apis"] for partner, body in seen.known.items()}
    signs = of_few([
        *refusal_signs(refused, calls, traffic, use.tokens, apis), *overuse_signs(use, calls, traffic, seen.known, agreed),
    ])
    of_partner: dict[str, list[Sign]] = {}
    for sign in signs:
        of_partner.setdefault(sign.partner, []).append(sign)
    findings = [f for f in findings_of(signs, lambda p: names.get(p, p), traffic) if f.until_ns >= seen.judge_from * MINUTE_NS]
    goes_on = partial(_goes_on, traffic, errors)
    left = [problem for problem in problems if not is_abuse(problem, errors, refused, of_partner, goes_on)]
    return Misuse(findings, left, learned(seen.known, use, calls, seen.end, set(of_partner)))


def _goes_on(traffic: Traffic, errors: ErrorRows, problem: Problem) -> bool:
    """Whether the partner's calls beside the problem's go on about as usual; its last minute may not be over, and expects none."""
    partner = problem.owner.partition(":")[2]
    made = traffic.of_partner.get(partner)
    if made is None:
        return False
    well = traffic.sum_of(partner, problem.since, problem.until) - float(errors.count[problem.rows].sum())
    before = made[: max(problem.since - traffic.start, 0)]
    before = before[np.cumsum(before) > 0]
    return well >= GO_ON * float(before.mean() if len(before) else 0.0) * (problem.until - problem.since)
