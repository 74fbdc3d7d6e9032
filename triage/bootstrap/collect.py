"""The front door of a service, and the log files that it follows."""

from __future__ import annotations

import os
import socket
import threading
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from collectors.follow import Follower
from collectors.follow_state import FollowState
from collectors.grpc_server import start_grpc
from collectors.http_app import FrontDoor, Local
from collectors.limits import Limits
from collectors.listener import HttpListener
from collectors.refused import RefusedBook
from triage.accounts.gate import IngestGate
from triage.bootstrap.build import Service, on_loopback
from triage.decoding.pool import Pool
from triage.errors import ConfigError
from triage.heard import CollectorReport, report_always
from triage.mask.transfer import from_bytes
from triage.ports.records import Appended
from triage.scheduler import Jobs
from triage.store.spool import SpooledRecordStore


def start_collect(service: Service) -> None:
    """Open the front door."""
    settings = service.settings
    limits = Limits(body_bytes=settings.body_limit_mib << 20, connections=settings.connections)
    host, _, port = settings.otlp_http.rpartition(":")
    gate, commands = gates_of(service)
    local = Local(commands.answer, partial(append_local, service))
    service.helpers = service.intake.elsewhere = Pool(service.decoding, service.stores.records)
    service.cleanups.append(("helper processes", service.helpers.close))
    listener = HttpListener(FrontDoor(service.intake, limits, gate.answer, local), host, int(port), limits)
    grpc_server, service.grpc_port = start_grpc(service.intake, limits, gate.answer, settings.otlp_grpc)
    listener.start()
    remember_refused(service)
    service.http_port = listener.port
    service.cleanups.append(("OTLP/HTTP", listener.stop))
    service.cleanups.append(("OTLP/gRPC", lambda: grpc_server.stop(20).wait()))
    spool = service.stores.spool
    if spool is not None:
        say = partial(_report_of, service, spool, str(settings.spool_path()))
        threading.Thread(target=report_always, args=(service.stores.state, say, service.stopping), name="report", daemon=True).start()


def _report_of(service: Service, spool: SpooledRecordStore, folder: str) -> CollectorReport:
    """What this collector says of itself."""
    host, waiting, dead = socket.gethostname(), spool.state(), spool.dead_letters()
    return CollectorReport(
        f"{host}:{Path(folder).resolve()}", host, os.getpid(), service.clock(), waiting.waiting_batches, waiting.waiting_bytes,
        waiting.limit_bytes, waiting.oldest_ns, waiting.full, dead.pieces, dead.records, dead.bytes)


def remember_refused(service: Service) -> None:
    """Write down now and then which IDs were refused, and once more at the end."""
    book, jobs = RefusedBook(service.stores.state), Jobs()

    def write() -> None:
        book.write(service.intake.refused.take())

    jobs.every(5, "refused", write)
    jobs.start()
    service.cleanups += [("refused IDs", write), ("refused IDs", jobs.stop)]


@dataclass(frozen=True, slots=True)
class Follow:
    """Log files to follow. `state`: folder of the positions; None: in the data folder."""

    patterns: tuple[str, ...]
    format: str
    state: Path | None


def start_follow(service: Service, follow: Follow) -> None:
    """Follow log files on a thread. Raises ConfigError."""
    data = service.settings.embedded_path()
    folder = follow.state or (data / "follow" if data else None)
    if folder is None:
        raise ConfigError(["--follow needs --state FOLDER on Elasticsearch: there the positions in the files are kept"])
    follower = Follower(follow.patterns, follow.format, service.intake, FollowState.open(folder))
    stopping = threading.Event()
    thread = threading.Thread(target=follower.run, args=(stopping,), name="follow", daemon=True)
    thread.start()
    service.cleanups += [("log files", follower.close), ("following", thread.join), ("following", stopping.set)]


def gates_of(service: Service) -> tuple[IngestGate, IngestGate]:
    """Who may send records, and who may hand over records that were masked already: the holders of the token of `run.json` and
    other administrators."""
    settings = service.settings
    spool = settings.spool_path() if service.stores.spool else None
    loopback = all(on_loopback(address) for address in (settings.otlp_http, settings.otlp_grpc))
    senders = IngestGate(service.accounts, service.clock, open_until_token=loopback, memory=spool / "tokens.json" if spool else None)
    commands = IngestGate(service.accounts, service.clock, open_until_token=False, roles=("administrator",),
                          refused="this door is for local commands")
    service.cleanups += [("tokens", senders.close), ("tokens", commands.close)]
    return senders, commands


def append_local(service: Service, data: bytes) -> Appended:
    """Keep records that a local command has masked, and count them."""
    batch = from_bytes(data)
    appended = service.stores.records.append(batch)
    counted = service.intake.counters
    with counted.lock:
        counted.kept.update(appended.kept)
        counted.duplicate.update(appended.duplicate)
        counted.masked += batch.masked
        counted.sources["file"] = service.clock()
    return appended
