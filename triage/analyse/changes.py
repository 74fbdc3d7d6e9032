"""Change verdicts: which change explains a problem, and which are cleared aloud, with the evidence for and against each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from triage.analyse.ranking.tables import SpanTable
from triage.domain.incident import Point, Suspect
from triage.domain.windows import MINUTE_NS, NS

BEFORE_NS: Final = 60 * MINUTE_NS
_AFTER_NS: Final = 2 * MINUTE_NS
ALIKE: Final = 0.2
"""Shares that differ by less tell nothing."""
OFTEN: Final = 0.5
SOON: Final = 10
"""Minutes; a version that healthy calls passed for longer before the first failure proves nothing by having been there."""
UNPROVEN: Final = 0.3
"""The score of a change that nothing proves and nothing clears."""


@dataclass(frozen=True, slots=True)
class ChangeSeen:
    """A change as it was reported, or as a new `service.version` showed it."""

    kind: str
    version: str
    at_ns: int
    scope: Mapping[str, str] = field(default_factory=dict)  # service, api, partner

    def name(self) -> str:
        """How people call it: '<service> <version>' for a deployment."""
        subject = self.scope.get("service") or self.scope.get("api") or self.scope.get("partner") or self.kind
        return f"{subject} {self.version}".strip()


@dataclass(frozen=True, slots=True)
class Scene:
    """What a verdict on changes looks at."""

    since_ns: int
    services: Sequence[str]  # where the failures began, first the commonest
    apis: Sequence[str]
    partners: Sequence[str]
    one_partner: bool
    side: str
    failing: SpanTable
    healthy: SpanTable
    series: Sequence[Point] = ()  # calls and failures of the problem by the minute, from before it began on


def judge_changes(changes: Sequence[ChangeSeen], scene: Scene) -> list[Suspect]:
    """A verdict on each change shortly before the problem began, best suspect first. Score 0: cleared."""
    near = [c for c in changes if -_AFTER_NS <= scene.since_ns - c.at_ns <= BEFORE_NS and c.kind != "maintenance"]
    return sorted((_verdict(change, scene) for change in near), key=lambda s: -s.score)


def _verdict(change: ChangeSeen, scene: Scene) -> Suspect:
    suspect = Suspect("change", change.name(), 0.0)
    minutes = (scene.since_ns - change.at_ns) / (60 * NS)
    when = f"{minutes:.0f} min before the first failure" if minutes >= 1 else "at the time of the first failure"
    touches = _touches(change, scene)
    if touches is None:
        return _untouched(change, scene, suspect, when if minutes > -1 else "")
    suspect.why.append(f"{change.kind} {when}; {touches}")
    suspect.why += _since(change, scene)
    score = 0.75 if minutes <= SOON else 0.55 if minutes <= 30 else 0.35
    service = change.scope.get("service", "")
    if service and change.version:
        score += _by_version(service, change.version, scene, suspect, late=minutes > SOON)
    if scene.one_partner and change.kind == "deployment" and not change.scope.get("partner"):
        suspect.why_not.append("only one partner fails, others pass the same version unharmed")
        score -= 0.6
    if scene.side in ("partner", "customer") and change.kind == "deployment" and not scene.one_partner:
        suspect.why_not.append("the calls are refused for reasons on the caller's side")
        score -= 0.3
    suspect.score = round(min(max(score, 0.0), 0.98), 2)
    return suspect


def _untouched(change: ChangeSeen, scene: Scene, suspect: Suspect, when: str) -> Suspect:
    """What speaks against a change of something else than what fails. `when` is '' for one after the first failure."""
    service = change.scope.get("service", "")
    failing, healthy = _passing(scene.failing, service, change.version), _passing(scene.healthy, service, change.version)
    if not when:
        suspect.why_not.append("deployed after the first failure" if change.kind == "deployment" else "made after the first failure")
    elif scene.side == "gateway" and failing < OFTEN and service in scene.healthy.service:
        suspect.score = UNPROVEN
        suspect.why.append(f"{when}; {service} answers these calls when they are healthy, and the failing ones do not reach it")
        suspect.why_not.append("not proven: no failing call shows what it passed behind the gateway")
    elif failing > 0 and scene.services:
        suspect.why_not.append(f"{when}; failing calls pass it, but the errors begin in {scene.services[0]}")
    elif failing > 0 and healthy >= failing - ALIKE:
        suspect.why_not.append(f"{when}; healthy calls pass the same version as often")
    elif failing > 0:
        suspect.why_not.append(f"{when}; failing calls pass it, but no error begins in it")
    elif service and not len(scene.failing):
        suspect.why_not.append(f"{when}, but no trace of a failing call shows {service}")
    else:
        suspect.why_not.append(f"{when}, but nothing that fails passes what it changed")
    return suspect


def _passing(spans: SpanTable, service: str, version: str) -> float:
    """The share of the traces that pass a service (in this version, where one is named)."""
    traces = set(spans.trace_id)
    passed = {trace for trace, name, seen in zip(spans.trace_id, spans.service, spans.version, strict=True)
              if service and name == service and version in ("", seen)}
    return len(passed) / len(traces) if traces else 0.0


def _touches(change: ChangeSeen, scene: Scene) -> str | None:
    service, api, partner = (change.scope.get(name, "") for name in ("service", "api", "partner"))
    if service and service in scene.services[:2]:
        return f"the failures begin in {service}"
    if api and any(api in name for name in scene.apis):
        return f"it touches {api}, which fails"
    if partner and partner in scene.partners[:1] and scene.one_partner:
        return "it concerns the partner that fails"
    return None


def _since(change: ChangeSeen, scene: Scene) -> list[str]:
    """How much of the same calls failed so before the change and since, where both times are known."""
    at = change.at_ns // MINUTE_NS
    before, after = ([p for p in scene.series if (p.minute < at) is early] for early in (True, False))
    calls_before, calls_after = (sum(point.calls for point in points) for points in (before, after))
    if not calls_before or not calls_after:
        return []
    then, now = (sum(p.failed for p in points) / calls for points, calls in ((before, calls_before), (after, calls_after)))
    return [f"{now:.0%} of these calls failed so since then, {then:.0%} before it"] if now - then >= 0.01 else []


def _by_version(service: str, version: str, scene: Scene, suspect: Suspect, *, late: bool) -> float:
    failing = _share(scene.failing, service, version)
    healthy = _share(scene.healthy, service, version)
    if failing is None:
        return 0.0
    alike = healthy is not None and failing - healthy < ALIKE
    if not alike:  # what healthy calls do as often is no evidence
        suspect.why.append(f"{failing:.0%} of failing calls pass {service} {version}" + (
            f", {healthy:.0%} of healthy ones" if healthy is not None else ""))
    if alike and healthy is not None and healthy > OFTEN:
        suspect.why_not.append("healthy calls pass the same version as often")
        return UNPROVEN - 0.55 if late else 0.0 if failing > 0.8 else -0.2
    return 0.2 if failing >= 0.8 else (-0.4 if failing < 0.2 else 0.0)


def _share(spans: SpanTable, service: str, version: str) -> float | None:
    versions = [v for s, v in zip(spans.service, spans.version, strict=True) if s == service]
    return sum(v == version for v in versions) / len(versions) if versions else None
