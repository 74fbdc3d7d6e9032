"""Endpoints that do not answer: which to look at closely, since when they are down, and the problem that this makes. Pure.

The rule is the EBA's (see `triage.analyse.down_clock`). An error that is answered within 30 s is an answer, also a gateway's 504.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from triage.analyse.down_clock import CONSECUTIVE, DownSpan, down_spans
from triage.analyse.problems import Problem
from triage.analyse.rollup import duration_bucket
from triage.analyse.rows import ErrorRows, distinct, sums, texts
from triage.domain.calls import FAULT_OUTCOMES
from triage.domain.windows import MINUTE_NS, rfc3339

DOWN_COLUMNS: Final = (
    "witness_id", "witness", "time_ns", "duration_ns", "method", "route", "status", "outcome", "trace_id", "span_id",
    "gateway_request_id", "instance", "partner",
)
WAITED_MS: Final = 29_900.0
"""Gateways give up at 30 s sharp."""
MOST_OF_IT: Final = 0.5
REFUSALS: Final = frozenset({"partner_error", "customer_error"})
"""A call that was refused before the endpoint was asked says nothing of it."""


@dataclass(frozen=True, slots=True)
class Down:
    """A stretch in which an API, or one gateway instance of it, did not answer. `first_calls`: when the five began, and how long each
    was waited for, in seconds."""

    api: str
    instance: str
    span: DownSpan
    first_calls: Sequence[tuple[int, float]]
    traces: Sequence[str]

    def sentence(self) -> str:
        """What was seen, with the five calls."""
        where = f"{self.api} at {self.instance}" if self.instance else self.api
        calls = ", ".join(f"{_clock(at)} ({seconds:.0f} s)" for at, seconds in self.first_calls)
        lasts = f"answered again at {_clock(self.span.until_ns)}" if self.span.until_ns else "not answered yet"
        return f"{where} is down since {rfc3339(self.span.since_ns)}: {self.span.calls} calls in a row got no answer, {lasts}; the first " \
               f"five began at {calls}."


def _clock(time_ns: int) -> str:
    return rfc3339(time_ns)[11:19]


def unanswered_apis(calls: pa.Table, first: int) -> dict[str, int]:
    """APIs of which at least five calls were waited for in vain since a minute, and its first such minute. `calls`: the roll-up."""
    recent = calls.filter(pc.greater_equal(calls.column("minute"), first))
    recent = recent.filter(pc.is_in(recent.column("outcome"), pa.array([*FAULT_OUTCOMES, "unknown"])))
    if not len(recent):
        return {}
    lists = recent.column("buckets").combine_chunks()
    row = np.repeat(np.arange(len(recent)), pc.list_value_length(lists).to_numpy(zero_copy_only=False))
    least = int(duration_bucket(np.array([WAITED_MS * 1e6]))[0])
    long = pc.list_flatten(lists).to_numpy() >= least
    counts = np.bincount(row[long], weights=pc.list_flatten(recent.column("counts").combine_chunks()).to_numpy()[long],
                         minlength=len(recent)).astype(np.int64)
    api, minute = texts(recent, "api"), recent.column("minute").to_numpy()
    return {
        name: int(minute[(api == name) & (counts > 0)].min())
        for name, count in sums(api, counts).items() if count >= CONSECUTIVE and name
    }


def downs_of(calls: pa.Table, apis: Sequence[str]) -> Iterator[Down]:
    """`calls`: paired calls with DOWN_COLUMNS, in order of time."""
    method_route = np.array(
        [f"{m} {r}".strip() for m, r in zip(texts(calls, "method"), texts(calls, "route"), strict=True)], object)
    waited = calls.column("duration_ns").to_numpy() / 1e6
    lost = (calls.column("status").to_numpy() == 0) & np.isin(texts(calls, "outcome"), list(FAULT_OUTCOMES))
    answered = (waited < WAITED_MS) & ~lost
    instance = texts(calls, "instance")
    replied = ~np.isin(texts(calls, "outcome"), list(REFUSALS))
    for api in apis:
        mine = np.flatnonzero((method_route == api) & replied)
        found = list(_spans(calls, mine, answered, waited, api, ""))
        places = distinct(instance[mine])
        if not found and len(places) > 1:
            found = [d for place in places for d in _spans(calls, mine[instance[mine] == place], answered, waited, api, place)]
        yield from found


def _spans(calls: pa.Table, rows: Any, answered: Any, waited: Any, api: str, instance: str) -> Iterator[Down]:
    times = calls.column("time_ns").to_numpy()[rows]
    for span in down_spans(times, answered[rows], np.zeros(len(rows))):
        inside = rows[(times >= span.since_ns) & (times <= span.last_ns)][:CONSECUTIVE]
        first = [(int(at), float(ms) / 1000) for at, ms in zip(calls.column("time_ns").to_numpy()[inside], waited[inside], strict=True)]
        yield Down(api, instance, span, first, [t for t in calls.column("trace_id").take(pa.array(inside)).to_pylist() if t])


def with_downs(problems: Sequence[Problem], downs: Sequence[Down], rows: ErrorRows, judge_from: int) -> list[Problem]:
    """The problem that a down time is part of says so, and is one of a down endpoint when that is most of it."""
    found = list(problems)
    masks = [np.zeros(len(rows.minute), bool) for _ in found]
    for down in downs:
        since, until = down.span.since_ns // MINUTE_NS, down.span.last_ns // MINUTE_NS
        if until < judge_from:
            continue
        mask = rows.faults() & (rows.api == down.api) & rows.between(since, until)
        home = max(found, key=lambda p: int(rows.count[p.rows & mask].sum()), default=None)
        if home is None or not (home.rows & mask).any():
            if not mask.any():
                continue
            place = next((name for name in sums(rows.service[mask], rows.count[mask]) if name), "")
            home = Problem("endpoint_down", since, until, mask, f"service:{place}" if place else f"api:{down.api}", new=True,
                           groups=list(sums(rows.group[mask], rows.count[mask])))
            found.append(home)
            masks.append(np.zeros(len(rows.minute), bool))
        place_of = next(place for place, problem in enumerate(found) if problem is home)
        masks[place_of] |= mask
        home.downs.append(down.sentence())
        home.down_traces += down.traces
        if rows.count[home.rows & masks[place_of]].sum() >= MOST_OF_IT * rows.count[home.rows].sum():
            home.kind = "endpoint_down"
    return found
