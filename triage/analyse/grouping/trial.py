"""Try a rule on history before it is kept: which groups it would join, and which it would cut in two.

The newest failures are read again from the records, as far back as the bounds allow, and grouped with what is known now, first
without the rule and then with it. Reads the stores and writes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np

from triage.analyse.events import CALL_WITNESS_COLUMNS, ERROR_SEVERITY, LOG_COLUMNS, SPAN_COLUMNS, Happened, error_events
from triage.analyse.grouping.assignment import Assignment
from triage.analyse.grouping.fingerprint import Fingerprint
from triage.analyse.grouping.group_rules import GroupRule, Matcher, RuleBook
from triage.analyse.grouping.taught import Placed, Taught
from triage.analyse.grouping.teaching import load_taught
from triage.analyse.rollup import with_api
from triage.calls.join import derive_calls
from triage.domain.calls import FAILED_OUTCOMES
from triage.domain.windows import DAY_NS, MINUTE_NS, Window
from triage.ports.records import Condition, RecordStore
from triage.ports.state import StateStore

MOST_DAYS: Final = 7
MOST_ERRORS: Final = 20_000
MOST_SHOWN: Final = 50
_SAMPLES: Final = 3
_SAMPLE_CHARS: Final = 300
_RUN: Final = 30  # minutes read at once


@dataclass(slots=True)
class TriedGroup:
    """A group that the rule reaches into: `matched` of its `total` errors, and some of their messages. `kept`: whether a run of the
    analysis has made it already."""

    id: str
    title: str
    matched: int = 0
    total: int = 0
    samples: list[str] = field(default_factory=list)
    kept: bool = False


@dataclass(frozen=True, slots=True)
class Trial:
    """What the rule would have done. `groups`: those that it reaches into, most errors first; `keys`: the groups that it makes;
    `errors` looked at between `from_ns` and `to_ns`; `complete`: whether those were all of the last MOST_DAYS days."""

    groups: tuple[TriedGroup, ...]
    keys: tuple[str, ...]
    matched: int
    errors: int
    from_ns: int
    to_ns: int
    complete: bool

    @property
    def joins(self) -> int:
        """Groups that it takes errors from."""
        return len(self.groups)

    @property
    def splits(self) -> int:
        """Groups of which it takes some errors only."""
        return sum(group.matched < group.total for group in self.groups)


def try_rule(records: RecordStore, state: StateStore, rule: GroupRule, now_ns: int) -> Trial:
    """What a rule would have done to the newest errors, if it came first."""
    minutes, complete = _newest(records, now_ns)
    happened = _read(records, minutes, _services(state))
    model = state.get("model", "grouping")
    taught = load_taught(state)
    without = Assignment(model.body if model else {}, taught)
    prints = without.read([each.event for each in happened])
    before = without.places([each.event for each in happened], prints)
    without.taught = Taught(taught.lessons, RuleBook((replace(rule, enabled=True),)))
    after = without.places([each.event for each in happened], prints)
    groups = _reached(rule, happened, prints, before)
    for group in groups.values():
        doc = state.get("group", group.id)
        group.kept, group.title = doc is not None, str(doc.body["title"]) if doc else group.title
    found = sorted((group for group in groups.values() if group.matched), key=lambda group: (-group.matched, group.id))
    from_ns = minutes[0] * MINUTE_NS if minutes else now_ns - MOST_DAYS * DAY_NS
    return Trial(
        tuple(found), tuple(dict.fromkeys(place.key for place in after if place.rule is not None)), sum(g.matched for g in found),
        len(happened), now_ns - MOST_DAYS * DAY_NS if complete else from_ns, now_ns, complete,
    )


def _newest(records: RecordStore, now_ns: int) -> tuple[list[int], bool]:
    """The newest minutes with errors, ascending, as many as hold MOST_ERRORS; whether there were no more."""
    table = records.rollups("errors", Window(now_ns - MOST_DAYS * DAY_NS, now_ns + MINUTE_NS))
    minute, count = table.column("minute").to_numpy(), table.column("count").to_numpy()
    if not len(minute):
        return [], True
    distinct, place = np.unique(minute, return_inverse=True)
    newest_first = np.bincount(place, weights=count)[::-1]
    enough = int(np.searchsorted(np.cumsum(newest_first), MOST_ERRORS)) + 1
    return distinct[::-1][:enough][::-1].tolist(), enough >= len(distinct)


def _read(records: RecordStore, minutes: Sequence[int], services: frozenset[str]) -> list[Happened]:
    found: list[Happened] = []
    for start in range(minutes[0], minutes[-1] + 1, _RUN) if minutes else ():
        mine = [minute for minute in minutes if start <= minute < start + _RUN]
        if not mine:
            continue
        window = Window((mine[0] - 1) * MINUTE_NS, (mine[-1] + 2) * MINUTE_NS)
        witnesses = records.scan("calls", window, CALL_WITNESS_COLUMNS, [Condition("outcome", "in", FAILED_OUTCOMES)])
        spans = records.scan("spans", window, SPAN_COLUMNS, [Condition("status", "=", 2)])
        logs = records.scan("logs", window, LOG_COLUMNS, [Condition("severity", ">=", ERROR_SEVERITY)])
        found.extend(error_events(mine, with_api(derive_calls(witnesses)), spans, logs, services))
    return found


def _services(state: StateStore) -> frozenset[str]:
    doc = state.get("model", "services")
    return frozenset(doc.body) if doc else frozenset()


def _reached(
    rule: GroupRule, happened: Sequence[Happened], prints: Sequence[Fingerprint], places: Sequence[Placed],
) -> dict[str, TriedGroup]:
    """All groups, with what the rule matches of each."""
    matcher = Matcher(rule.match)
    known: dict[Any, bool] = {}
    groups: dict[str, TriedGroup] = {}
    for each, print_, place in zip(happened, prints, places, strict=True):
        key = (each.event, print_.types)
        if key not in known:
            known[key] = matcher.meets(each.event, print_.types)
        group = groups.setdefault(place.group, TriedGroup(place.group, place.key or print_.title or place.group))
        group.total += 1
        group.matched += known[key]
        said = (each.event.message or each.event.exception_message)[:_SAMPLE_CHARS]
        if known[key] and said and said not in group.samples and len(group.samples) < _SAMPLES:
            group.samples.append(said)
    return groups
