"""Draw the calls of one slot of time: who, what, when, how long, and how it failed. All columns at once, from one seed.

Every slot has its own generator, seeded by (seed, slot), so that any stretch of time can be drawn alone and comes out
the same. Faults draw from generators of their own: the calls that they do not touch are the same with and without them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Final

import numpy as np
import numpy.typing as npt

from triage.simulator.bank import SHAPES, Bank, Floats, Ints
from triage.simulator.fault_types import NS, ROLL_S, Fault
from triage.simulator.tables import Bools, Tables

SLOT_S: Final = 10
SLOT_NS: Final = SLOT_S * NS
LONGEST_NS: Final = 4 * SLOT_NS
"""No call takes longer; hops are cut at 4 s unless a failure says how long it takes."""
LOT_BITS: Final = 6
"""Bits of a call's lot that choose the instance of one service."""
CUSTOMERS: Final = 4000
_MODE_SHARES: Final = (0.35, 0.75)  # both witnesses, then spans only, the rest access line only
_SIGMA: Final = 0.42  # of log(time of a hop)
_LONGEST_HOP_MS: Final = 4000.0
_NOBODY: Final = -1

Bytes = npt.NDArray[np.uint8]


@dataclass(slots=True)
class Calls:
    """Columns of n calls. Times are nanoseconds; hop columns are [n, hop]."""

    start: Ints
    partner: Ints  # place in the bank
    api: Ints  # place in the bank
    customer: Ints
    stranger: Ints  # account number asked for that is not the customer's, 0: the customer's own
    place: Ints  # network that the call comes from, 0: the partner's own
    lot: Ints  # 62 random bits for small decisions
    mode: Ints  # 0 both witnesses, 1 spans only, 2 line only
    present: Bools  # the customer is at the screen
    failure: Ints  # place in the tables, -1: none
    fault: Ints  # place in the list of faults that touched it last, -1: none
    noise: Floats  # [n, hop] standard normal
    slow: Floats  # [n, hop] factor
    ids: Bytes  # [n, bytes] trace ID, interaction ID, request ID, then span IDs
    hop_start: Ints  # [n, hop] nanoseconds after the call's start
    hop_total: Ints  # [n, hop]

    def __len__(self) -> int:
        return len(self.start)

    @property
    def end(self) -> Ints:
        """When the gateway had answered."""
        return self.start + self.hop_total[:, 0]

    def take(self, which: Bools | Ints) -> Calls:
        """Some of the calls: a mask or places."""
        return Calls(*(getattr(self, column.name)[which] for column in fields(self)))


def join(parts: Sequence[Calls]) -> Calls:
    """Several sets of calls as one."""
    if len(parts) == 1:
        return parts[0]
    return Calls(
        *(np.concatenate([getattr(part, column.name) for part in parts]) for column in fields(Calls))
    )


class Drawer:
    """Draws slots of a bank under faults. Holds no state but its tables."""

    def __init__(self, seed: int, bank: Bank, faults: Sequence[Fault], tables: Tables) -> None:
        self._seed, self._bank, self._faults, self._tables = seed, bank, faults, tables
        self._begins = np.array([fault.begin_ns for fault in faults], dtype=np.int64)
        self._ends = np.array([fault.last_ns for fault in faults], dtype=np.int64)
        self._quality = np.random.default_rng([seed, 1]).lognormal(0.0, 0.35, len(bank.partners))
        self._partner_places = {partner.id: place for place, partner in enumerate(bank.partners)}
        self._api_places = {api.key: place for place, api in enumerate(bank.apis)}
        self._service_places = {name: place for place, name in enumerate(tables.services)}
        self._failure_places = {failure: place for place, failure in enumerate(tables.failures)}

    def slot(self, number: int) -> Calls:
        """The calls that begin in slot `number`, in order of their start."""
        begin_ns = number * SLOT_NS
        rng = np.random.default_rng([self._seed, 2, number])
        pair = self._pairs(rng, begin_ns)
        calls = self._columns(rng, pair // len(self._bank.apis), pair % len(self._bank.apis), begin_ns)
        self._fail_as_usual(rng, calls)
        for place in np.flatnonzero((self._begins < begin_ns + SLOT_NS) & (self._ends > begin_ns)).tolist():
            calls = self._apply(calls, place, self._faults[place], number)
        calls = calls.take(np.argsort(calls.start, kind="stable"))
        self._time(calls)
        return calls

    def _pairs(self, rng: np.random.Generator, begin_ns: int) -> Ints:
        """Partner and API of each arrival, as one number."""
        minute = begin_ns // (60 * NS) % 1440
        wobble = np.random.default_rng([self._seed, 3, begin_ns // (300 * NS)]).lognormal(
            0.0, 0.08, len(self._bank.partners)
        )
        weekday = (begin_ns // (86_400 * NS) + 3) % 7  # 1970 began on a Thursday
        by_partner = self._bank.by_minute[self._bank.shapes, minute] * self._bank.of_day(weekday)[self._bank.shapes] * wobble
        rates = (self._bank.share * by_partner[:, None]).ravel() * self._bank.calls_per_s * SLOT_S
        edges = np.cumsum(rates)
        lots = rng.random(rng.poisson(edges[-1])) * edges[-1]
        return np.asarray(np.searchsorted(edges, lots, side="right"), dtype=np.int64)

    def _columns(self, rng: np.random.Generator, partner: Ints, api: Ints, begin_ns: int) -> Calls:
        count, width = len(partner), self._tables.width
        near = (rng.random(count) ** 2 * CUSTOMERS * 0.6).astype(np.int64)
        shape = self._bank.shapes[partner]
        present_share = np.array(
            [{"consumer": 0.7, "business": 0.35, "batch": 0.02}[name] for name in SHAPES]
        )
        return Calls(
            start=begin_ns + (rng.random(count) * SLOT_NS).astype(np.int64),
            partner=partner,
            api=api,
            customer=(near + partner * 97) % CUSTOMERS,
            stranger=np.zeros(count, dtype=np.int64),
            place=np.zeros(count, dtype=np.int64),
            lot=rng.integers(0, 1 << 62, count),
            mode=np.searchsorted(_MODE_SHARES, rng.random(count), side="right"),
            present=rng.random(count) < present_share[shape],
            failure=np.full(count, _NOBODY),
            fault=np.full(count, _NOBODY),
            noise=rng.standard_normal((count, width)),
            slow=np.ones((count, width)),
            ids=np.frombuffer(rng.bytes(count * id_bytes(width)), dtype=np.uint8).reshape(
                count, id_bytes(width)
            ),
            hop_start=np.zeros((count, width), dtype=np.int64),
            hop_total=np.zeros((count, width), dtype=np.int64),
        )

    def _fail_as_usual(self, rng: np.random.Generator, calls: Calls) -> None:
        edges = self._tables.everyday[calls.api]
        lot = rng.random(len(calls)) / self._quality[calls.partner]
        way = (lot[:, None] >= edges).sum(axis=1)
        calls.failure[:] = np.where(way < edges.shape[1], way, _NOBODY)

    def _apply(self, calls: Calls, place: int, fault: Fault, number: int) -> Calls:
        rng = np.random.default_rng([self._seed, 4, number, place])
        if fault.keep < 1:
            gone = self._touched(calls, fault) & (rng.random(len(calls)) >= fault.keep)
            calls = calls.take(~gone)
        fresh: Calls | None = None
        if fault.extra_per_s:
            fresh = self._extra(rng, fault, number * SLOT_NS)
        if fault.slow > 1:
            self._slow_down(calls, place, fault)
        hit = fresh if fault.only_extra and fresh is not None else calls
        if fault.failures:
            self._fail(rng, hit, place, fault)
        elif fault.only_extra:
            hit.fault[:] = place
        return calls if fresh is None else join([calls, fresh])

    def _touched(self, calls: Calls, fault: Fault) -> Bools:
        """Which calls are in the fault's scope and time."""
        scope, tables = fault.scope, self._tables
        since = calls.start - fault.begin_ns
        until = fault.end_ns - calls.start
        hit = np.ones(len(calls), dtype=np.bool_)
        if scope.partners:
            hit &= np.isin(calls.partner, [self._partner_places[name] for name in scope.partners])
        if scope.apis:
            hit &= np.isin(calls.api, [self._api_places[key] for key in scope.apis])
        if scope.service:
            service = self._service_places[scope.service]
            hit &= (tables.service[calls.api] == service).any(axis=1)
            if scope.instance is not None or fault.rolling:
                instance = instance_of(calls.lot, service, int(tables.instance_count[service]))
                if scope.instance is not None:
                    hit &= instance == scope.instance
                if fault.rolling:
                    since, until = since - instance * ROLL_S * NS, until + instance * ROLL_S * NS
        hit &= (since >= 0) & (until > 0)
        if fault.period_s:
            hit &= since % (fault.period_s * NS) < fault.duty * fault.period_s * NS
        return hit

    def _extra(self, rng: np.random.Generator, fault: Fault, begin_ns: int) -> Calls:
        count = int(rng.poisson(fault.extra_per_s * SLOT_S))
        partner = np.full(count, self._partner_places[fault.scope.partners[0]])
        api = rng.choice([self._api_places[key] for key in fault.scope.apis], count).astype(np.int64)
        calls = self._columns(rng, partner, api, begin_ns)
        calls.present[:] = False
        if fault.strangers:
            calls.stranger[:] = 20_000_000 + (calls.start - fault.begin_ns) // (NS // 20)
        if fault.crowd:
            turn = ((calls.start - fault.begin_ns) * fault.extra_per_s / NS).astype(np.int64) % fault.crowd
            calls.customer[:] = (turn + fault.crowd_from + partner * 97) % CUSTOMERS
        if fault.places:
            calls.place[:] = 1 + rng.integers(0, fault.places, count)
        return calls.take(self._touched(calls, fault))

    def _slow_down(self, calls: Calls, place: int, fault: Fault) -> None:
        hit = self._touched(calls, fault)
        grown = np.ones(len(calls))
        if fault.creeping:
            grown = (calls.start - fault.begin_ns) / (fault.end_ns - fault.begin_ns)
        factor = np.where(hit, 1 + (fault.slow - 1) * grown, 1.0)
        here = self._tables.service[calls.api] == self._service_places[fault.scope.service]
        calls.slow *= np.where(here, factor[:, None], 1.0)
        calls.fault[hit & (calls.fault < 0)] = place

    def _fail(self, rng: np.random.Generator, calls: Calls, place: int, fault: Fault) -> None:
        """Let calls fail, unless one fails already at an earlier hop."""
        hit = self._touched(calls, fault)
        lot = rng.random(len(calls)) / fault.severity
        edge = 0.0
        for failure, share in fault.failures:
            way = self._failure_places[failure]
            hop = self._tables.hop_of[way, calls.api]
            before = np.where(calls.failure >= 0, self._tables.hop_of[calls.failure, calls.api], 1 << 30)
            now = hit & (lot >= edge) & (lot < edge + share) & (hop >= 0) & (hop <= before)
            calls.failure[now] = way
            calls.fault[now] = place
            edge += share
        if fault.only_extra:
            calls.fault[hit & (calls.fault < 0)] = place

    def _time(self, calls: Calls) -> None:
        """Fill the hop columns: hops run one after the other, a failing one is the last."""
        tables, rows = self._tables, np.arange(len(calls))
        usual = tables.ms[calls.api] * np.exp(_SIGMA * calls.noise)
        own = np.minimum(usual * calls.slow, _LONGEST_HOP_MS)
        failing = np.where(calls.failure >= 0, tables.hop_of[calls.failure, calls.api], tables.width)
        own[np.arange(tables.width) > failing[:, None]] = 0.0
        broken = np.flatnonzero(calls.failure >= 0)
        fixed = tables.fail_ms[calls.failure[broken]]
        jitter = 1 + 0.01 * np.abs(calls.noise[broken, 0])
        own[broken, failing[broken]] = np.where(
            fixed > 0, fixed * jitter, usual[broken, failing[broken]] * 0.35
        )
        own_ns = (own * 1e6).astype(np.int64)
        parent = tables.parent[calls.api]
        total = own_ns.copy()
        for hop in range(tables.width - 1, 0, -1):
            total[rows, parent[:, hop]] += np.where(parent[:, hop] >= 0, total[:, hop], 0)
        used = own_ns * 6 // 10
        for hop in range(1, tables.width):
            caller = parent[:, hop]
            calls.hop_start[:, hop] = calls.hop_start[rows, caller] + used[rows, caller]
            used[rows, caller] += np.where(caller >= 0, total[:, hop], 0)
        calls.hop_total[:] = total


def id_bytes(width: int) -> int:
    """Random bytes of a call: trace ID, interaction ID, request ID and two span IDs for each hop."""
    return 48 + 16 * width


def instance_of(lot: Ints, service: int, count: int) -> Ints:
    """Which of `count` instances of the service at that place served each call."""
    return np.asarray((lot >> (LOT_BITS * (service % 8))) % (1 << LOT_BITS) % max(count, 1))
