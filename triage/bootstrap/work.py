"""The jobs of a service: analysis, notices, retention, the ledger; of several workers one leads."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from typing import Any

from triage.analysis_process import AnalysisOptions, AnalysisProcess
from triage.bootstrap.build import Service
from triage.bootstrap.web import notifier_of
from triage.config import Settings
from triage.errors import Conflict, StoreError
from triage.flow import notify_once
from triage.heard import forget
from triage.notify.delivery import Courier
from triage.retention import Periods, expire
from triage.store.lease import Lease
from triage.telemetry import log


def start_work(service: Service) -> None:
    """Schedule analysis, notices and retention."""
    courier = Courier(service.stores.state, notifier_of(service), service.clock)
    settings = service.settings
    analysis = AnalysisProcess(service.stores.records, service.stores.state, AnalysisOptions(
        settings.learning_minutes, settings.resolve_minutes, {entry.id: entry.name for entry in settings.partner},
        {entry.id: (tuple(entry.roles), entry.calls_per_minute, entry.calls_per_day) for entry in settings.partner},
        settings.unattended_per_day))
    lease = Lease(service.stores.state, "work")
    for seconds, name, work in (
        (settings.analysis_seconds, "analysis", partial(run_analysis, service, analysis)),
        (2, "notices", partial(notify_once_now, service, courier)), (3600, "retention", partial(run_retention, service)),
        (60, "ledger", partial(tend_ledger, service)),
    ):
        service.jobs.every(seconds, name, partial(_if_leading, service, lease, work))
    service.jobs.start()
    service.cleanups.append(("lease", lease.release))
    service.cleanups.append(("jobs", service.jobs.stop))
    service.cleanups.append(("analysis", analysis.close))


def _if_leading(service: Service, lease: Lease, work: Callable[[], object]) -> None:
    """Work if this process leads. Alone on the embedded store it always does."""
    if service.stores.name == "embedded" or lease.hold(service.clock()):
        work()


def notify_once_now(service: Service, courier: Courier) -> None:
    """One round of notices."""
    notify_once(service.stores.state, courier, service.clock())


def tend_ledger(service: Service) -> None:
    """Seal the ledger of IDs, and forget what is old."""
    service.stores.records.tend(service.clock(), ledger_days=service.settings.ledger_days)


def run_analysis(service: Service, analysis: AnalysisProcess) -> None:
    """One analysis run, recorded."""
    body: dict[str, Any] = {"at_ns": service.clock(), "seconds": 0.0, "records": 0, "findings": 0, "minutes": 0, "error": ""}
    try:
        with service.telemetry.span("analysis"):
            body |= asdict(analysis.run(body["at_ns"]))
        log("triage.analysis", logging.INFO if body["minutes"] else logging.DEBUG, "analysis run", **body)
    except Exception as error:
        body["error"] = f"{type(error).__name__}: {error}"[:300] if isinstance(error, StoreError) else type(error).__name__
        if not service.stopping.is_set():
            raise
    finally:
        if not service.stopping.is_set():
            _record_run(service, body)


def _record_run(service: Service, body: dict[str, Any]) -> None:
    state = service.stores.state
    last = state.get("run", "last")
    try:
        state.put("run", "last", body, version=last.version if last else None)
        if body["minutes"] or body["error"]:
            state.put("run", f"{body['at_ns']}", body, version=None, sort=body["at_ns"], tags=["history:yes"])
    except Conflict:
        pass  # another worker recorded its run in the same moment


def run_retention(service: Service) -> None:
    """One retention run, recorded."""
    run = expire(service.stores.records, service.stores.state, periods_of(service.settings), service.clock())
    forget(service.stores.state, service.clock())
    log("triage.retention", logging.INFO if run.days or run.rollups else logging.DEBUG, "retention run", **asdict(run))


def periods_of(settings: Settings) -> Periods:
    """How long things are kept."""
    return Periods(settings.days_kept(), settings.retention_days_rollups, settings.retention_days_documents)
