"""The only module that wires: settings in, a running service out. Nothing happens at import."""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import secrets
import signal
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import orjson
from waitress.server import create_server

from collectors.follow import Follower
from collectors.follow_state import FollowState
from collectors.grpc_server import start_grpc
from collectors.http_app import FrontDoor, Local
from collectors.intake import Intake
from collectors.limits import Limits
from collectors.listener import HttpListener
from collectors.naming import Naming
from collectors.refused import RefusedBook
from collectors.routes import RouteCatalogue
from dashboards.app import create_app
from dashboards.parts import ConsoleSettings, Kept, Parts
from triage import __version__
from triage.accounts.accounts import Accounts
from triage.accounts.gate import IngestGate
from triage.accounts.sessions import Sessions
from triage.analysis_process import AnalysisOptions, AnalysisProcess
from triage.config import Settings
from triage.decoding.pool import Pool
from triage.decoding.work import Options, intake_of
from triage.directory import Directory
from triage.domain.incident import Incident
from triage.domain.windows import NS, rfc3339
from triage.errors import ConfigError, Conflict, StoreError, StoreUnavailable
from triage.flow import notify_once
from triage.heard import CollectorReport, forget, report_always
from triage.incidents import documents
from triage.incidents.lifecycle import Request, act
from triage.mask.masker import Masker
from triage.mask.transfer import from_bytes, to_bytes
from triage.notify.delivery import Courier
from triage.notify.destination import Destinations, parse_networks
from triage.notify.manual import replay, send_test
from triage.notify.webhook import WebhookNotifier
from triage.ports.records import Appended
from triage.retention import Periods, expire
from triage.runfile import RunFile
from triage.scheduler import Jobs
from triage.store.dead_letters import DeadLetters
from triage.store.elastic.client import ElasticSettings
from triage.store.embedded.backup import Backup
from triage.store.factory import Stores, dead_letters, open_elastic, open_embedded, with_spool
from triage.store.lease import Lease
from triage.store.spool import SpooledRecordStore
from triage.telemetry import Telemetry, log

Clock = Callable[[], int]
LOOPBACK = ("127.0.0.1", "localhost", "::1")


def open_stores(settings: Settings, split_role: str = "") -> Stores:
    """The stores that the settings name."""
    folder = settings.embedded_path()
    if folder is not None:
        return open_embedded(folder, memory_mib=settings.store_memory_mib, split_role=split_role)
    elastic = ElasticSettings(
        hosts=tuple(settings.hosts()), api_key=settings.elastic_api_key.get_secret_value(),
        username=settings.elastic_username, password=settings.elastic_password.get_secret_value(),
        ca_certs=settings.elastic_ca_certs,
    )
    return open_elastic(elastic, prefix=settings.elastic_prefix, replicas=settings.elastic_replicas, shards=settings.elastic_shards)


def open_dead_letters(settings: Settings) -> DeadLetters:
    """The refused records. Raises ConfigError where there is no spool, beside which they lie."""
    folder = settings.spool_path()
    if folder is None:
        raise ConfigError(["TRIAGE_SPOOL: without a spool there are no dead letters; the embedded store has none unless it is set"])
    return dead_letters(folder, to_bytes, from_bytes, limit=settings.spool_mib << 20)


def naming_of(settings: Settings) -> Naming:
    """The lists of attribute names, a bank's own in front."""
    plain = Naming(gateway_services=frozenset(settings.gateway_services))
    own: dict[str, Any] = {part: (*names, *getattr(plain, part)) for part, names in settings.names.items()}
    return replace(plain, **own)


def routes_of(settings: Settings) -> RouteCatalogue:
    """The known route templates: of the API catalogue and of the OpenAPI file. Raises ConfigError."""
    templates = [entry.route.rpartition(" ")[2] for entry in settings.api]
    if not settings.openapi:
        return RouteCatalogue(templates)
    try:
        document = orjson.loads(Path(settings.openapi).read_bytes())
    except (OSError, orjson.JSONDecodeError) as error:
        raise ConfigError([f"TRIAGE_OPENAPI: {settings.openapi} cannot be read as JSON: {error}"]) from error
    return RouteCatalogue(templates, [document])


def key_of(settings: Settings, name: str, split_role: str = "") -> str:
    """A key from the settings, or the one kept in the data folder (made on first use). Raises ConfigError where several
    processes must share one."""
    given: str = getattr(settings, name).get_secret_value()
    if given:
        return given
    if split_role:
        raise ConfigError([f"TRIAGE_{name.upper()} (or TRIAGE_{name.upper()}_FILE) is needed by `triage {split_role}`: every process "
                           "must use the same one; make it with `openssl rand -hex 32`"])
    folder = settings.local_folder()
    file = folder / f"{name.replace('_', '-')}.txt"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with contextlib.suppress(FileExistsError):
        handle = os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(handle, "w") as out:
            out.write(secrets.token_hex(32))
    return file.read_text("ascii").strip()


@dataclass(slots=True)
class Service:
    """A running service in one or more roles."""

    settings: Settings
    stores: Stores
    masker: Masker
    clock: Clock
    accounts: Accounts
    directory: Directory
    telemetry: Telemetry
    intake: Intake
    decoding: Options
    jobs: Jobs = field(default_factory=Jobs)
    stopping: threading.Event = field(default_factory=threading.Event)
    cleanups: list[tuple[str, Callable[[], object]]] = field(default_factory=list)
    split_role: str = ""
    http_port: int = 0
    grpc_port: int = 0
    web_port: int = 0

    def stop(self) -> None:
        """Last in, first out: doors, jobs, stores."""
        for name, cleanup in reversed(self.cleanups):
            try:
                cleanup()
            except Exception:
                logging.getLogger("triage").exception("cannot stop %s cleanly", name)
        self.cleanups.clear()


def build(settings: Settings, clock: Clock = time.time_ns, split_role: str = "") -> Service:
    """Open the stores and make the parts; nothing listens and no job runs yet."""
    stores = open_stores(settings, split_role)
    spool = settings.spool_path()
    if spool is not None and split_role in ("", "collect"):  # the other roles take nothing in
        stores = with_spool(stores, spool, to_bytes, from_bytes, limit=settings.spool_mib << 20)
    key = key_of(settings, "mask_key", split_role).encode()
    masker = Masker(key)
    directory = Directory.of(settings.partner, settings.api)
    decoding = Options(key, settings.retention_days, naming_of(settings), routes_of(settings), directory.aliases(), settings.days_kept())
    service = Service(settings, stores, masker, clock, Accounts(stores.state), directory, Telemetry(settings.otel_endpoint),
                      intake_of(decoding, masker, stores.records, clock), decoding, split_role=split_role)
    service.cleanups.append(("stores", stores.close))
    service.cleanups.append(("telemetry", service.telemetry.close))
    return service


def start_collect(service: Service) -> None:
    """Open the front door."""
    settings = service.settings
    limits = Limits(body_bytes=settings.body_limit_mib << 20, connections=settings.connections)
    host, _, port = settings.otlp_http.rpartition(":")
    gate, commands = gates_of(service)
    local = Local(commands.answer, partial(append_local, service))
    helpers = Pool(service.decoding, service.stores.records)
    service.intake.elsewhere = helpers
    service.cleanups.append(("helper processes", helpers.close))
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
    loopback = all(_on_loopback(address) for address in (settings.otlp_http, settings.otlp_grpc))
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


def check_exposure(service: Service, roles: tuple[str, ...]) -> None:
    """Refuse to listen beyond loopback without tokens and accounts. Raises ConfigError.

    While the store is away nobody knows whether there are any; then nobody gets in without one either.
    """
    settings, faults = service.settings, []
    for role, name, address in (("collect", "OTLP_HTTP", settings.otlp_http), ("collect", "OTLP_GRPC", settings.otlp_grpc),
                                ("web", "WEB", settings.web)):
        if role not in roles or _on_loopback(address):
            continue
        with contextlib.suppress(StoreUnavailable):
            if role == "collect" and not service.accounts.has_tokens("ingest"):
                faults.append(f"TRIAGE_{name}: {address} is not loopback, so senders need a token first: "
                              "`triage token create --role ingest`")
            if role == "web" and not service.accounts.has_users():
                faults.append(f"TRIAGE_{name}: {address} is not loopback, so people need accounts first: `triage user create`")
    if faults:
        raise ConfigError(faults)


def _on_loopback(address: str) -> bool:
    return address.rpartition(":")[0].strip("[]") in LOOPBACK


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


def base_url(settings: Settings) -> str:
    """Where people find the console."""
    return settings.base_url.rstrip("/") or f"http://{settings.web}"


def console_parts(service: Service) -> Parts:
    """The console's seams, filled in."""
    state = service.stores.state
    book = RefusedBook(state)
    return Parts(
        records=service.stores.records, state=state, accounts=service.accounts, sessions=Sessions(state, service.accounts),
        act=partial(_act, service), replay=lambda delivery_id: replay(state, delivery_id, service.clock()),
        send_test=lambda receiver_id: send_test(state, _notifier(service), receiver_id, service.clock),
        clock=service.clock, counters=partial(counters, service), version=__version__, store=service.stores.name,
        ready=partial(reasons_not_ready, service), partner_name=service.directory.partner_name,
        mask_text=service.masker.mask_text, refused=lambda value: service.intake.refused.get(value) or book.reason(value),
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


def _notifier(service: Service) -> WebhookNotifier:
    allowed = parse_networks(service.settings.webhook_allow)
    return WebhookNotifier(Destinations(allowed), base_url(service.settings))


def start_work(service: Service) -> None:
    """Schedule analysis, notices and retention."""
    courier = Courier(service.stores.state, _notifier(service), service.clock)
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


def write_run_file(service: Service) -> bool:
    """Tell local commands where the service is; False while the store, which keeps their token, is away."""
    try:
        written = RunFile.write(service.settings.local_folder(), service.http_port, service.web_port, service.accounts, service.clock())
    except StoreUnavailable:
        return False
    service.cleanups.append(("run.json", written.remove))
    return True


def _write_run_file_later(service: Service) -> None:
    while not service.stopping.wait(2) and not write_run_file(service):
        pass


def told_to_end() -> socket.socket:
    """What can be read from at SIGTERM or SIGINT. A handler that sets an event is not enough: Python runs it only when the main thread
    wakes, which it need not do while it waits for a lock and another thread takes the signal."""
    reading, writing = socket.socketpair()
    writing.setblocking(False)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    signal.set_wakeup_fd(writing.detach(), warn_on_full_buffer=False)
    return reading


def run_service(
    settings: Settings, roles: tuple[str, ...], *, ready: Callable[[Service], None], split_role: str = "",
    follow: Follow | None = None,
) -> None:
    """Run until SIGTERM or SIGINT; then finish what was accepted."""
    service = build(settings, split_role=split_role)
    gc.freeze()  # what is loaded stays; decoding makes many short-lived tuples and no cycles, so that looking often is wasted
    gc.set_threshold(50_000, 20, 100)
    try:
        check_exposure(service, roles)
        if "collect" in roles:
            start_collect(service)
        if follow is not None:
            start_follow(service, follow)
        if "web" in roles:
            start_web(service)
        if "work" in roles:
            start_work(service)
        if not split_role and not write_run_file(service):
            threading.Thread(target=_write_run_file_later, args=(service,), name="run.json", daemon=True).start()
        told = told_to_end()
        log("triage", logging.INFO, "ready", roles=roles, store=service.stores.name)
        ready(service)
        told.recv(1)
        service.stopping.set()
        log("triage", logging.INFO, "stopping")
    finally:
        service.stop()


