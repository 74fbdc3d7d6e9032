"""The intake, wired the same way in the service and in its helper processes; and what a helper does with one body."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial

from collectors.intake import Encoding, Intake
from collectors.naming import Naming
from collectors.refused import RefusedIds
from collectors.routes import RouteCatalogue
from triage.domain.columns import SIGNALS, Signal
from triage.domain.records import Records
from triage.errors import BadInput
from triage.flow import Keeper, receive
from triage.mask.masker import Masker
from triage.mask.transfer import to_bytes
from triage.ports.masked import MaskedRecords
from triage.ports.records import Appended


@dataclass(frozen=True, slots=True)
class Options:
    """All that decides what a body becomes; the same in every process, so that it does not matter which one decodes."""

    mask_key: bytes
    retention_days: int
    naming: Naming = field(default_factory=Naming)
    routes: RouteCatalogue = field(default_factory=RouteCatalogue)
    partner_ids: Mapping[str, str] = field(default_factory=dict)  # alias -> ID of the partner directory
    kept_days: Mapping[Signal, int] = field(default_factory=dict)  # of the signals that are kept for another time


@dataclass(frozen=True, slots=True)
class Task:
    """One body to decode. `now_ns`: the wall clock, by which too old and too new records are refused."""

    kind: str
    encoding: Encoding
    gateway: str
    now_ns: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Done:
    """What became of a body: the masked records in the form of `triage.mask.transfer`, and what there is to count."""

    batch: bytes
    rejected: list[tuple[int, str]]
    refused: dict[str, str]  # ID -> reason
    newest_ns: int
    masked: int
    cut: int


def intake_of(options: Options, masker: Masker, store: Keeper, clock: Callable[[], int]) -> Intake:
    """An intake that masks and hands over to the store."""
    return Intake(
        keep=partial(_keep, masker, store, options.partner_ids), clock=clock, retention_days=options.retention_days,
        naming=options.naming, routes=options.routes, kept_days=options.kept_days,
    )


def _keep(masker: Masker, store: Keeper, partner_ids: Mapping[str, str], records: Records) -> tuple[Future[Appended], int]:
    if partner_ids and records.calls["partner"]:
        records.calls["partner"] = [partner_ids.get(partner, partner) for partner in records.calls["partner"]]
    return receive(records, masker, store)


class Helper:
    """Decodes bodies one after the other. In place of a store it has the way back to the service."""

    def __init__(self, options: Options) -> None:
        self._now_ns = 0
        self._batch: MaskedRecords | None = None
        self._intake = intake_of(options, Masker(options.mask_key), self, lambda: self._now_ns)

    def submit(self, batch: MaskedRecords) -> Future[Appended]:
        """Hold the batch for the answer; the service keeps it."""
        self._batch = batch
        held: Future[Appended] = Future()
        held.set_result(Appended(dict.fromkeys(SIGNALS, 0), dict.fromkeys(SIGNALS, 0)))
        return held

    def work(self, task: Task) -> Done | BadInput:
        """One body; BadInput when nothing of it can be read."""
        self._now_ns, self._batch, self._intake.refused = task.now_ns, None, RefusedIds()
        try:
            records = self._intake.decode(task.kind, task.encoding, task.body, gateway=task.gateway)
        except BadInput as error:
            return error
        pending = self._intake.begin(records, "")
        batch = to_bytes(self._batch) if self._batch is not None else b""
        return Done(batch, pending.rejected, self._intake.refused.reasons, pending.newest_ns, pending.masked, pending.cut)
