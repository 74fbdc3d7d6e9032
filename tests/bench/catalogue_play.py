"""Play one scenario through the front door's decoding, the mask and the analysis, with an injected clock."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final, NoReturn, cast

from bench.arrow_store import ArrowStore

from collectors.intake import Intake
from collectors.naming import Naming
from collectors.routes import RouteCatalogue
from triage.analyse.abnormal_use.overuse import Agreed, Terms
from triage.analyse.run import RunSettings, analyse_minutes
from triage.config import ApiEntry, PartnerEntry
from triage.directory import Directory
from triage.domain.columns import SIGNALS
from triage.domain.incident import Incident
from triage.domain.records import Records
from triage.domain.windows import MINUTE_NS, NS
from triage.flow import analyse_once
from triage.incidents import documents
from triage.incidents.fold import FoldSettings
from triage.mask.masker import Masker
from triage.mask.transfer import from_bytes, to_bytes
from triage.ports.masked import MaskedRecords
from triage.ports.records import RecordStore
from triage.simulator.catalogue import Scenario
from triage.simulator.traffic import Payload
from triage.store.memory import MemoryStateStore

FIRST_MINUTES: Final = 40
"""Undisturbed in every scenario; analysed in one go."""
SLICE_NS: Final = 30 * NS
CLOSE_NS: Final = 5 * MINUTE_NS
"""So long after a fault begins every slice is analysed, as in service; else every minute."""


@dataclass(slots=True)
class Played:
    """What the analysis made of a scenario."""

    incidents: list[Incident]
    found_at: dict[str, int] = field(default_factory=dict)  # incident -> event time of the run that opened it
    runs: int = 0
    analysis_s: float = 0.0
    longest_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Pace:
    """How often the analysis runs: every `slices` slices of `slice_ns`, and at each one soon after a fault began."""

    slices: int = 2
    close: bool = True
    slice_ns: int = SLICE_NS

    def due(self, number: int, at_ns: int, scenario: Scenario) -> bool:
        """Whether to run behind slice `number`, which ends at `at_ns`."""
        near = self.close and any(fault.begin_ns < at_ns <= fault.begin_ns + CLOSE_NS for fault in scenario.faults)
        return near or number % self.slices == 0 or at_ns >= scenario.end_ns


def play(scenario: Scenario, seed: int, pace: Pace, cache: Path | None = None) -> Played:
    """Everything of the scenario, in order of time."""
    records, state = ArrowStore(), MemoryStateStore()
    directory = directory_of(scenario)
    settings = RunSettings(partner_name=directory.partner_name, agreed=agreed_with(directory))
    played, seen = Played([]), set[str]()
    told = 0
    for number, (at_ns, batch) in enumerate(slices(scenario, seed, directory, cache, pace.slice_ns)):
        records.append(batch)
        while told < len(scenario.changes) and _ordered(scenario)[told].at_ns <= at_ns:
            _tell_change(state, scenario, told)
            told += 1
        if not pace.due(number, at_ns, scenario):
            continue
        began = time.perf_counter()
        analyse_once(cast(RecordStore, records), state, at_ns, partial(analyse_minutes, settings=settings), FoldSettings())
        took = time.perf_counter() - began
        played.runs, played.analysis_s, played.longest_s = played.runs + 1, played.analysis_s + took, max(played.longest_s, took)
        for incident in _all(state):
            if incident.id not in seen:
                seen.add(incident.id)
                played.found_at[incident.id] = at_ns
    played.incidents = _all(state)
    return played


def _ordered(scenario: Scenario) -> list:
    return sorted(scenario.changes, key=lambda change: change.at_ns)


def _tell_change(state: MemoryStateStore, scenario: Scenario, place: int) -> None:
    change = _ordered(scenario)[place]
    scope = {"service": change.service, "api": change.api, "partner": change.partner}
    body = {"kind": change.kind, "scope": scope, "version": change.version, "at_ns": change.at_ns, "by": change.by}
    state.put("change", f"CHG-{place}", body, version=None, sort=change.at_ns)


def _all(state: MemoryStateStore) -> list[Incident]:
    return [documents.read(document) for document in state.select(documents.KIND, limit=500).items]


def directory_of(scenario: Scenario) -> Directory:
    """The bank's partner directory and API catalogue, as they stand in triage.toml."""
    bank = scenario.bank
    return Directory.of(
        [PartnerEntry.model_validate(entry) for entry in bank.directory()],
        [ApiEntry.model_validate(entry) for entry in bank.catalogue()],
    )


def agreed_with(directory: Directory) -> Agreed:
    """What the directory agrees with partners."""
    return Agreed({p.id: Terms(frozenset(p.roles), p.calls_per_minute, p.calls_per_day) for p in directory.partners})


def slices(
    scenario: Scenario, seed: int, directory: Directory, cache: Path | None, slice_ns: int = SLICE_NS,
) -> Iterator[tuple[int, MaskedRecords]]:
    """End of each slice and its masked records; the first slice holds FIRST_MINUTES. Kept below `cache` when it is given."""
    name = f"{scenario.name}-{seed}"
    file = cache / f"{name}.bin" if cache else None
    if file and file.exists():
        yield from _read(file)
        return
    made = []
    for at_ns, batch in _make(scenario, seed, directory, slice_ns):
        made.append((at_ns, to_bytes(batch)))
        yield at_ns, batch
    if file:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"".join(at.to_bytes(8) + len(data).to_bytes(8) + data for at, data in made))


def _read(file: Path) -> Iterator[tuple[int, MaskedRecords]]:
    data, at = memoryview(file.read_bytes()), 0
    while at < len(data):
        end_ns, size = int.from_bytes(data[at : at + 8]), int.from_bytes(data[at + 8 : at + 16])
        yield end_ns, from_bytes(bytes(data[at + 16 : at + 16 + size]))
        at += 16 + size


def _make(scenario: Scenario, seed: int, directory: Directory, slice_ns: int) -> Iterator[tuple[int, MaskedRecords]]:
    masker = Masker(b"catalogue" * 4)
    intake = Intake(
        keep=_nothing_kept, clock=lambda: scenario.end_ns, retention_days=30,
        naming=Naming(gateway_services=frozenset({"api-gateway"})),
        routes=RouteCatalogue([api.route for api in scenario.bank.apis]),
    )
    simulator = scenario.simulator(seed)
    at_ns = scenario.begin_ns
    while at_ns < scenario.end_ns:
        until_ns = min(at_ns + (FIRST_MINUTES * MINUTE_NS if at_ns == scenario.begin_ns else slice_ns), scenario.end_ns)
        kept = Records()
        for payload in simulator.play(at_ns, until_ns):
            _collect(kept, _decoded(intake, payload))
        aliases = directory.aliases()
        kept.calls["partner"] = [aliases.get(partner, partner) for partner in kept.calls["partner"]]
        yield until_ns, masker.mask(kept)
        at_ns = until_ns


def _nothing_kept(records: Records) -> NoReturn:
    raise AssertionError("the runner keeps records itself")


def _collect(kept: Records, records: Records) -> None:
    for signal in SIGNALS:
        mine = getattr(kept, signal)
        for name, values in getattr(records, signal).items():
            mine[name].extend(values)


def _decoded(intake: Intake, payload: Payload) -> Records:
    door = payload.path.rpartition("/")[2]
    if payload.path.startswith("/v1/"):
        return intake.decode(door, "protobuf", payload.body)
    return intake.decode("gateway", "json", payload.body, gateway=door)
