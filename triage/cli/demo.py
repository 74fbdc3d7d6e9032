"""`triage demo`: `serve` with a simulated bank that sends its traffic through the front door, like anybody else."""

from __future__ import annotations

import secrets
import shutil
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import click
import orjson
import urllib3

from triage.accounts.permissions import Role
from triage.bootstrap.build import Service, base_url
from triage.bootstrap.running import run_service
from triage.cli.ending import leave
from triage.cli.roles import announce
from triage.config import Settings, load_settings
from triage.runfile import RunFile
from triage.simulator.bank import default_bank
from triage.simulator.sender import run_live, send
from triage.simulator.story import Story, story
from triage.simulator.traffic import Payload
from triage.telemetry import set_up_logs

_USER: Final = "demo"
_SENDERS: Final = 16


@click.command()
@click.option("--hours", default=3.0, show_default=True, help="Hours of past traffic to begin with.")
@click.option("--calls-per-second", default=6.0, show_default=True)
@click.option("--seed", default=20, show_default=True)
@click.option("--keep", is_flag=True, help="Keep the data of the last demo instead of beginning anew.")
def demo(hours: float, calls_per_second: float, seed: int, keep: bool) -> None:
    """Run everything with a simulated bank: partners, APIs, faults that begin and end, deployments, complaints."""
    settings = _demo_settings(load_settings())
    folder = settings.embedded_path()
    if folder is not None and not keep and RunFile.read(folder) is None:
        shutil.rmtree(folder, ignore_errors=True)
    set_up_logs("warning" if settings.log_level == "info" else settings.log_level)

    def ready(service: Service) -> None:
        play = Play(service, hours, calls_per_second, seed)
        service.cleanups.append(("demo", play.stop))
        play.begin()

    run_service(settings, ("collect", "web", "work"), ready=ready)
    leave()


def _demo_settings(settings: Settings) -> Settings:
    """The demo has a data folder of its own below the usual one, analyses more often, and names its partners."""
    folder = settings.embedded_path()
    changes: dict[str, object] = {"analysis_seconds": min(settings.analysis_seconds, 10)}
    if folder is not None:
        changes["store"] = f"embedded:{folder / 'demo'}"
    bank = default_bank()
    changes["gateway_services"] = settings.gateway_services or [bank.services[0].name]
    if not settings.partner:
        changes["partner"] = bank.directory()
    if not settings.api:
        changes["api"] = bank.catalogue()
    return Settings.model_validate(settings.model_dump() | changes)


class _Shared:
    """One iterator for several threads, that ends early when told; tells how much was handed out."""

    def __init__(self, payloads: Iterator[Payload], stop: threading.Event) -> None:
        self._payloads, self._stop, self._lock = payloads, stop, threading.Lock()
        self._calls, self._told = 0, time.monotonic()

    def __iter__(self) -> _Shared:
        return self

    def __next__(self) -> Payload:
        with self._lock:
            if self._stop.is_set():
                raise StopIteration
            payload = next(self._payloads)
            self._calls += payload.calls
            if time.monotonic() - self._told > 2:
                self._told = time.monotonic()
                click.echo(f"  {self._calls:,} calls so far", err=True)
            return payload


class Play:
    """Past first, then live, on a thread of its own."""

    def __init__(self, service: Service, hours: float, calls_per_second: float, seed: int) -> None:
        self._service = service
        self._stop = threading.Event()
        bank = default_bank(calls_per_second)
        self._story: Story = story(service.clock(), bank, hours=hours, seed=seed)
        self._door = f"http://127.0.0.1:{service.http_port}"
        self._web = f"http://127.0.0.1:{service.web_port}"
        self._thread = threading.Thread(target=self._run, name="demo", daemon=True)

    def begin(self) -> None:
        """Tell the past, say where to look, and go on live; all on a thread, so that the service can be stopped meanwhile."""
        self._thread.start()

    def _account(self, name: str, role: Role) -> str:
        """An account of the demo with a new password, as a line to print."""
        password = secrets.token_urlsafe(9)
        accounts = self._service.accounts
        if any(user.name == name for user in accounts.users()):
            accounts.set_password(name, password)
        else:
            accounts.create_user(name, password, role, self._service.clock())
        return f"user {name}  password {password}"

    def stop(self) -> None:
        """End the live traffic."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=10)

    def _send_past(self) -> None:
        began = time.monotonic()
        click.echo("A simulated bank sends its last hours …")
        simulator = self._story.simulator()
        payloads = _Shared(simulator.play(self._story.begin_ns, self._story.now_ns), self._stop)
        with ThreadPoolExecutor(_SENDERS) as pool:
            parts = list(pool.map(lambda _: send(payloads, self._door), range(_SENDERS)))
        calls, spans, logs = (sum(getattr(part, name) for part in parts) for name in ("calls", "spans", "logs"))
        click.echo(f"  {calls:,} calls, {spans:,} spans and {logs:,} log records in {time.monotonic() - began:.0f} s")

    def _run(self) -> None:
        demo, security = self._account(_USER, "administrator"), self._account("security", "security")
        self._tell_changes(self._story.begin_ns, self._story.now_ns)
        self._send_past()
        if self._stop.is_set():
            return
        announce(self._service)
        click.echo(f"  sign in    {base_url(self._service.settings)}  {demo}\n"
                   f"             {security}  (sees the restricted incident too)\n  stop       Ctrl-C")
        simulator = self._story.simulator()
        told = self._story.now_ns
        for complaint in self._story.complaints(simulator):
            self._post("/api/v1/complaints", complaint.as_request())
        live = threading.Thread(
            target=run_live, args=(simulator, self._door, self._service.clock, self._stop),
            kwargs={"since_ns": self._story.now_ns}, name="demo-traffic", daemon=True)
        live.start()
        while not self._stop.wait(5):
            now = self._service.clock()
            self._tell_changes(told, now)
            told = now
        live.join(timeout=10)

    def _tell_changes(self, start_ns: int, end_ns: int) -> None:
        for change in self._story.changes_between(start_ns, end_ns):
            self._post("/api/v1/changes", change.as_request())

    def _post(self, path: str, body: object) -> None:
        running = RunFile.read(self._service.settings.local_folder())
        token = running.token if running else ""
        urllib3.request("POST", self._web + path, body=orjson.dumps(body), retries=False, timeout=30,
                        headers={"authorization": f"Bearer {token}", "content-type": "application/json"})
