"""Play a bank's traffic: payloads for the product's front door, in time order, the same ones for the same seed."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from triage.simulator import wire
from triage.simulator.bank import Bank
from triage.simulator.calls import LINE_ONLY, SPANS_ONLY, Call, Versions, describe
from triage.simulator.draws import CUSTOMERS, LONGEST_NS, SLOT_NS, Calls, Drawer, join
from triage.simulator.fault_types import Change, Fault
from triage.simulator.lines import fronts, line
from triage.simulator.logs import LogWriter
from triage.simulator.people import customers
from triage.simulator.spans import ResourceKey, Resources, SpanWriter
from triage.simulator.tables import build

PROTOBUF: Final = "application/x-protobuf"
JSON_LINES: Final = "application/x-ndjson"
BLOCK: Final = 400
"""Calls that are written into one set of payloads; about 2,000 spans, far below any limit of a body's size."""
_KEPT_SLOTS: Final = 8


@dataclass(frozen=True, slots=True)
class Payload:
    """One request to the front door and the number of records in it. `calls` counts witnesses: root spans or lines."""

    path: str
    content_type: str
    body: bytes
    calls: int
    spans: int
    logs: int


@dataclass(slots=True)
class Emitted:
    """What a fault really did: calls that it touched, those of them that failed, the failed ones by partner and API."""

    fault: Fault
    touched: int = 0
    failed: int = 0
    partners: Counter[str] = field(default_factory=Counter)
    apis: Counter[str] = field(default_factory=Counter)


class Simulator:
    """The traffic of `bank` under `faults` and `changes`; everything follows from `seed`."""

    def __init__(
        self, seed: int, bank: Bank, faults: Sequence[Fault] = (), changes: Sequence[Change] = ()
    ) -> None:
        self.bank, self.faults, self.changes = bank, tuple(faults), tuple(changes)
        self._tables = build(bank, self.faults)
        self._drawer = Drawer(seed, bank, self.faults, self._tables)
        self._spans = SpanWriter(bank, self._tables, Versions(bank, self.changes))
        self._logs = LogWriter(self._spans, {service.name: service.language for service in bank.services})
        self._resources = Resources(bank)
        self._people = customers(CUSTOMERS)
        self._slots: OrderedDict[int, Calls] = OrderedDict()

    def play(self, start_ns: int, end_ns: int) -> Iterator[Payload]:
        """Payloads of the calls that were answered in [start_ns, end_ns), in blocks by the time of their answer."""
        at_ns = start_ns
        while at_ns < end_ns:
            until_ns = min(end_ns, (at_ns // SLOT_NS + 1) * SLOT_NS)
            drawn = self._answered(at_ns, until_ns)
            for first in range(0, len(drawn), BLOCK):
                yield from self._write(
                    self._described(drawn.take(np.arange(first, min(first + BLOCK, len(drawn)))))
                )
            at_ns = until_ns

    def calls(self, start_ns: int, end_ns: int) -> Iterator[Call]:
        """The calls that were answered in [start_ns, end_ns), as objects."""
        for at_ns in range(start_ns, end_ns, SLOT_NS):
            yield from self._described(self._answered(at_ns, min(at_ns + SLOT_NS, end_ns)))

    def emitted(self, start_ns: int, end_ns: int) -> list[Emitted]:
        """What each fault did to the calls answered in [start_ns, end_ns)."""
        effects = [Emitted(fault) for fault in self.faults]
        for at_ns in range(start_ns, end_ns, SLOT_NS):
            drawn = self._answered(at_ns, min(at_ns + SLOT_NS, end_ns))
            for row in np.flatnonzero(drawn.fault >= 0).tolist():
                effect = effects[int(drawn.fault[row])]
                effect.touched += 1
                if drawn.failure[row] >= 0:
                    effect.failed += 1
                    effect.partners[self.bank.partners[int(drawn.partner[row])].id] += 1
                    effect.apis[self.bank.apis[int(drawn.api[row])].key] += 1
        return effects

    def _answered(self, start_ns: int, end_ns: int) -> Calls:
        """Calls whose answer falls into the stretch, in order of the answer."""
        first, last = (start_ns - LONGEST_NS) // SLOT_NS, (end_ns - 1) // SLOT_NS
        parts = []
        for number in range(first, last + 1):
            drawn = self._slot(number)
            ends = drawn.end
            parts.append(drawn.take((ends >= start_ns) & (ends < end_ns)))
        drawn = join(parts)
        return drawn.take(np.argsort(drawn.end, kind="stable"))

    def _slot(self, number: int) -> Calls:
        drawn = self._slots.get(number)
        if drawn is None:
            drawn = self._slots[number] = self._drawer.slot(number)
            if len(self._slots) > _KEPT_SLOTS:
                self._slots.popitem(last=False)
        return drawn

    def _described(self, drawn: Calls) -> list[Call]:
        return describe(drawn, self.bank, self._tables, self._people)

    def _write(self, calls: list[Call]) -> Iterator[Payload]:
        spans: dict[ResourceKey, list[bytes]] = {}
        logs: dict[ResourceKey, list[bytes]] = {}
        lines: dict[str, list[bytes]] = {front: [] for front in fronts()}
        roots = span_count = log_count = 0
        for call in calls:
            if call.mode != LINE_ONLY:
                roots += 1
                span_count += self._spans.write(call, spans)
            if call.mode != SPANS_ONLY:
                lines[call.api.front].append(line(call, self.bank))
            log_count += self._logs.write(call, logs)
        if spans:
            yield Payload("/v1/traces", PROTOBUF, self._request(spans, "open-banking"), roots, span_count, 0)
        if logs:
            yield Payload("/v1/logs", PROTOBUF, self._request(logs, "app"), 0, 0, log_count)
        for front, made in lines.items():
            if made:
                yield Payload(f"/gateway/{front}", JSON_LINES, b"\n".join(made) + b"\n", len(made), 0, 0)

    def _request(self, groups: dict[ResourceKey, list[bytes]], scope: str) -> bytes:
        return wire.export_request(
            (self._resources.field(key), scope, entries) for key, entries in groups.items()
        )
