"""The console of a service."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from waitress.server import create_server

from collectors.refused import RefusedBook
from dashboards.app import create_app
from dashboards.parts import ConsoleSettings, Kept, Parts
from triage import __version__
from triage.accounts.sessions import Sessions
from triage.bootstrap.build import Service, base_url, key_of
from triage.domain.incident import Incident
from triage.domain.windows import NS, rfc3339
from triage.errors import Conflict, StoreError
from triage.incidents import documents
from triage.incidents.lifecycle import Request, act
from triage.notify.destination import Destinations, parse_networks, why_unreachable
from triage.notify.manual import replay, send_test
from triage.notify.webhook import WebhookNotifier
from triage.store.embedded.backup import Backup
from triage.telemetry import log


def start_web(service: Service) -> None:
    """Open the console."""
    settings = service.settings
    app = create_app(console_parts(service), ConsoleSettings(
        base_url=base_url(settings), secret_key=key_of(settings, "secret_key", service.split_role),
        secure_cookie=settings.base_url.startswith("https:"),
        kept=Kept(max(settings.days_kept().values()), settings.ledger_days),
    ))
    host, _, port = settings.web.rpartition(":")
    server = create_server(app, host=host, port=int(port), threads=8, ident=None, channel_timeout=60, connection_limit=500)
    thread = threading.Thread(target=server.run, name="web", daemon=True)
    thread.start()
    service.web_port = int(server.effective_port)
    service.cleanups.append(("console", server.close))


def console_parts(service: Service) -> Parts:
    """The console's seams, filled in."""
    state = service.stores.state
    book = RefusedBook(state)
    return Parts(
        records=service.stores.records, state=state, accounts=service.accounts, sessions=Sessions(state, service.accounts),
        act=partial(_act, service), replay=lambda delivery_id: replay(state, delivery_id, service.clock()),
        send_test=lambda receiver_id: send_test(state, notifier_of(service), receiver_id, service.clock),
        clock=service.clock, counters=partial(counters, service), version=__version__, store=service.stores.name,
        ready=partial(reasons_not_ready, service), partner_name=service.directory.partner_name,
        mask_text=service.masker.mask_text, refused=lambda value: service.intake.refused.get(value) or book.reason(value),
        unreachable=partial(why_unreachable, _destinations(service)),
        back_up=partial(back_up, service.stores.back_up) if service.stores.back_up else None,
    )


def back_up(make: Callable[[Path], Backup], target: Path) -> dict[str, Any]:
    """Copy the embedded stores; what was made, for people."""
    done = make(target)
    log("triage.backup", logging.INFO, "backup made", path=str(done.path), bytes=done.bytes, seconds=done.seconds)
    return {"path": str(done.path), "at": rfc3339(done.at_ns), "bytes": done.bytes, "seconds": done.seconds}


def _act(service: Service, incident_id: str, action: Any, version: int | None, actor: str, **args: Any) -> Incident:
    """Act on what the actor saw. The analysis may write in between: then once more, as long as no person has acted meanwhile."""
    for left in reversed(range(5)):
        found = documents.get(service.stores.state, incident_id)
        if found is None:
            raise KeyError(incident_id)
        seen = found.version if version is None else version
        try:
            return act(service.stores.state, incident_id, Request(action, seen, actor, **args), service.clock())
        except Conflict:
            if not left or not found.acted_version <= seen <= found.version:
                raise
    raise AssertionError


def counters(service: Service) -> dict[str, Any]:
    """What the front door of this process has counted."""
    counted = service.intake.counters
    now = service.clock()
    with counted.lock:
        return {
            "duplicates": sum(counted.duplicate.values()), "rejected": dict(counted.rejected), "refused": dict(counted.refused),
            "masked": counted.masked, "cut": counted.cut, "sources": [
                {"source": source, "seconds_ago": round((now - at) / NS, 1)} for source, at in counted.sources.items()],
            "lag_s": round((now - counted.newest_ns) / NS, 1) if counted.newest_ns else None,
        }


def reasons_not_ready(service: Service) -> list[str]:
    """Why the service cannot serve now; empty when it can."""
    reasons = []
    for store in (service.stores.records, service.stores.state):
        try:
            store.ping()
        except StoreError as error:
            reasons.append(str(error))
    if reasons:
        return list(dict.fromkeys(reasons))
    last = service.stores.state.get("run", "last")
    limit = max(20 * service.settings.analysis_seconds, 600)
    if last and service.clock() - last.body["at_ns"] > limit * NS:
        reasons.append(f"the last analysis began over {limit} s ago; see the log of `triage work`")
    return reasons


def notifier_of(service: Service) -> WebhookNotifier:
    """What sends webhooks, to the networks that the settings allow."""
    return WebhookNotifier(_destinations(service), base_url(service.settings))


def _destinations(service: Service) -> Destinations:
    return Destinations(parse_networks(service.settings.webhook_allow))
