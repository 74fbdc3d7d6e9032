"""Traces as trees: parents, visits of services, and the time that each span spent itself.

In: a `SpanTable`. Out: a `Forest`. Broken traces are fine: a parent that is missing, is the span itself or closes a
circle makes the span a root; a child whose clock runs ahead or behind is moved into its parent's interval.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from triage.analyse.ranking.tables import Ints, SpanTable


@dataclass(frozen=True, slots=True)
class Forest:
    """Rows of `spans` linked: `parent[i]` is a row or -1, `children[i]` rows, `order` has parents before children.

    A visit is one stay of a trace in one service: a span that was entered from another service (or from
    nowhere) with the spans of the same service below it. `visit[i]` is the row of the span that it began with.
    """

    spans: SpanTable
    parent: Ints
    children: list[list[int]]
    order: list[int]
    visit: Ints
    self_ns: Ints

    def visits(self) -> list[int]:
        """Rows at which a visit begins."""
        return [row for row in range(len(self.spans)) if self.visit[row] == row]


def grow(spans: SpanTable) -> Forest:
    """Link the spans of a table. Linear in the number of spans."""
    parent = _parents(spans)
    children: list[list[int]] = [[] for _ in range(len(spans))]
    for row, above in enumerate(parent):
        if above >= 0:
            children[above].append(row)
    order = _parents_first(parent, children)
    visit = np.arange(len(spans), dtype=np.int64)
    for row in order:
        above = parent[row]
        if above >= 0 and spans.service[above] == spans.service[row]:
            visit[row] = visit[above]
    return Forest(spans, parent, children, order, visit, _self_times(spans, children, visit))


def _parents(spans: SpanTable) -> Ints:
    """Row of each span's parent, -1 for none; links that close a circle are cut."""
    row_of = {(trace, span): row for row, (trace, span) in enumerate(zip(spans.trace_id, spans.span_id, strict=True))}
    parent = np.full(len(spans), -1, np.int64)
    for row, (trace, above) in enumerate(zip(spans.trace_id, spans.parent_id, strict=True)):
        if above:
            parent[row] = row_of.get((trace, above), -1)
    state = np.zeros(len(spans), np.int8)  # 0 new, 1 on the present path, 2 done
    for start in range(len(spans)):
        path = []
        row = start
        while row >= 0 and state[row] == 0:
            state[row] = 1
            path.append(row)
            row = int(parent[row])
        if row >= 0 and state[row] == 1:
            parent[row] = -1
        state[path] = 2
    return parent


def _parents_first(parent: Ints, children: list[list[int]]) -> list[int]:
    order = [row for row, above in enumerate(parent) if above < 0]
    for row in order:  # grows while it is walked: breadth first
        order.extend(children[row])
    return order


def _self_times(spans: SpanTable, children: list[list[int]], visit: Ints) -> Ints:
    """Duration of each span without what its children, or other calls of the same visit, cover; nanoseconds.

    A span that merely waits beside a call (asynchronous code) did nothing itself meanwhile.
    """
    calls: dict[int, list[int]] = defaultdict(list)
    for row in range(len(spans)):
        if any(spans.service[child] != spans.service[row] for child in children[row]):
            calls[int(visit[row])].append(row)
    own = np.zeros(len(spans), np.int64)
    for row in range(len(spans)):
        waits = calls.get(int(visit[row]), [])
        beside = [] if row in waits else waits
        covered = [_inside(spans, row, child) for child in children[row]]
        covered += [_overlap(spans, row, call) for call in beside]
        own[row] = int(spans.duration_ns[row]) - _union(covered)
    return own


def _inside(spans: SpanTable, row: int, child: int) -> tuple[int, int]:
    """A child's interval, moved into its parent's (clock skew) and cut to its length."""
    whole = int(spans.duration_ns[row])
    length = min(int(spans.duration_ns[child]), whole)
    offset = min(max(int(spans.start_ns[child] - spans.start_ns[row]), 0), whole - length)
    return offset, offset + length


def _overlap(spans: SpanTable, row: int, other: int) -> tuple[int, int]:
    begin = max(0, int(spans.start_ns[other] - spans.start_ns[row]))
    end = min(int(spans.duration_ns[row]), int(spans.start_ns[other] + spans.duration_ns[other] - spans.start_ns[row]))
    return begin, max(begin, end)


def _union(intervals: list[tuple[int, int]]) -> int:
    covered = reach = 0
    for begin, end in sorted(intervals):
        covered += max(0, end - max(begin, reach))
        reach = max(reach, end)
    return covered
