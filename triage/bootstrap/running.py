"""A service from start to end: roles in, until it is told to stop."""

from __future__ import annotations

import contextlib
import gc
import logging
import signal
import socket
import threading
from collections.abc import Callable

from triage import heap
from triage.bootstrap.build import Service, build, on_loopback
from triage.bootstrap.collect import Follow, start_collect, start_follow
from triage.bootstrap.web import start_web
from triage.bootstrap.work import start_work
from triage.config import Settings
from triage.errors import ConfigError, StoreUnavailable
from triage.runfile import RunFile
from triage.telemetry import log


def check_exposure(service: Service, roles: tuple[str, ...]) -> None:
    """Refuse to listen beyond loopback without tokens and accounts. Raises ConfigError.

    While the store is away nobody knows whether there are any; then nobody gets in without one either.
    """
    settings, faults = service.settings, []
    for role, name, address in (("collect", "OTLP_HTTP", settings.otlp_http), ("collect", "OTLP_GRPC", settings.otlp_grpc),
                                ("web", "WEB", settings.web)):
        if role not in roles or on_loopback(address):
            continue
        with contextlib.suppress(StoreUnavailable):
            if role == "collect" and not service.accounts.has_tokens("ingest"):
                faults.append(f"TRIAGE_{name}: {address} is not loopback, so senders need a token first: "
                              "`triage token create --role ingest`")
            if role == "web" and not service.accounts.has_users():
                faults.append(f"TRIAGE_{name}: {address} is not loopback, so people need accounts first: `triage user create`")
    if faults:
        raise ConfigError(faults)


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
    heap.bound()
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
        if service.helpers is not None:
            service.helpers.start()
        told.recv(1)
        service.stopping.set()
        log("triage", logging.INFO, "stopping")
    finally:
        service.stop()
