"""`triage doctor`: checks configuration, store, ports, clock and disk, and says what to do."""

from __future__ import annotations

import shutil
import socket
import sys
import time
from pathlib import Path

import click
import orjson
import urllib3

from triage.bootstrap.build import open_dead_letters, open_stores
from triage.cli.target import target_settings
from triage.config import PREFIX, Settings
from triage.domain.windows import NS
from triage.errors import ConfigError, TriageError
from triage.heard import reports
from triage.notify.receivers import failing_receivers
from triage.runfile import RunFile
from triage.store.factory import Stores
from triage.store.spool_files import waiting_in

_DISK_LOW = 1 << 30
_YEAR_2024 = 1_704_067_200


@click.command()
def doctor() -> None:
    """Check everything that a start needs."""
    try:
        settings = target_settings()
    except ConfigError as error:
        for fault in error.faults:
            click.echo(f"wrong    {fault}")
        _list_settings(None)
        sys.exit(2)
    faults = [fault for fault in (_store(settings), *_spool(settings), _clock(), _disk(settings), *_ports(settings)) if fault]
    _list_settings(settings)
    sys.exit(1 if faults else 0)


def _say(ok: bool, subject: str, text: str) -> str:
    click.echo(f"{'ok' if ok else 'wrong':<8} {subject:<9} {text}")
    return "" if ok else text


def _running(settings: Settings) -> RunFile | None:
    return RunFile.read(settings.local_folder())


def _store(settings: Settings) -> str:
    running = _running(settings)
    if running:
        _say(True, "store", f"{settings.store}: in use by the service with pid {running.pid}")
        return _receivers(_failing_there(running))
    try:
        stores = open_stores(settings)
    except TriageError as error:
        return _say(False, "store", f"{settings.store}: {error}")
    try:
        stores.records.ping()
        kept = stores.records.counts().kept
        fault = _say(True, "store", f"{settings.store}: holds " + ", ".join(f"{n:,} {s}" for s, n in kept.items()))
        return _collectors(stores) or _receivers(failing_receivers(stores.state)) or fault
    except TriageError as error:
        return _say(False, "store", f"{settings.store}: {error}")
    finally:
        stores.close()


def _failing_there(running: RunFile) -> list[tuple[str, str]]:
    """Receivers that fail, as the running service says."""
    try:
        answer = urllib3.request("GET", f"{running.web}/api/v1/status", headers={"authorization": f"Bearer {running.token}"},
                                 retries=False, timeout=10)
        return [(said["name"], said["reason"]) for said in orjson.loads(answer.data)["receivers_failing"]]
    except (urllib3.exceptions.HTTPError, ValueError, KeyError):
        return []  # what its ports say is told below


def _receivers(failing: list[tuple[str, str]]) -> str:
    """Whom no notice reaches; the last fault."""
    fault = ""
    for name, reason in failing:
        fault = _say(False, "receiver", f"{name}: last delivery failed: {reason}")
    return fault


def _collectors(stores: Stores) -> str:
    """What each collector said of its spool; the last fault."""
    fault, now = "", time.time_ns()
    for said in reports(stores.state, now):
        ago = f"{(now - said.at_ns) / NS:,.0f} s ago"
        text = f"{said.host} ({ago}): {said.spool_batches:,} batches wait" + (", no room for more" if said.spool_full else "")
        text += ", not heard since" if said.silent(now) else ""
        fault = _say(not (said.silent(now) or said.spool_full), "collector", text) or fault
    return fault


def _spool(settings: Settings) -> list[str]:
    """What waits in this machine's spool, and what the store refused."""
    folder = settings.spool_path()
    if folder is None or not folder.exists():
        return []
    waiting, refused = waiting_in(folder, settings.spool_mib << 20), open_dead_letters(settings).state()
    text = f"{folder}: {waiting.waiting_batches:,} batches wait, {waiting.waiting_bytes / 2**20:,.1f} of {settings.spool_mib:,} MiB"
    if waiting.oldest_ns:
        text += f", the oldest for {(time.time_ns() - waiting.oldest_ns) / NS:,.0f} s: is the store away, or no collector running?"
    faults = [_say(not waiting.waiting_batches, "spool", text)]
    if refused.pieces:
        faults.append(_say(False, "refused", f"{refused.records:,} records in {refused.pieces:,} pieces: `triage dead-letters list`, "
                                             "then `triage dead-letters replay`"))
    return [fault for fault in faults if fault]


def _clock() -> str:
    ok = time.time() > _YEAR_2024
    return _say(ok, "clock", time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime()) + ("" if ok else ": set the clock"))


def _disk(settings: Settings) -> str:
    folder = settings.embedded_path() or Path.cwd()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    return _say(free > _DISK_LOW, "disk", f"{free / 2**30:.1f} GiB free" + ("" if free > _DISK_LOW else ": make room"))


def _ports(settings: Settings) -> list[str]:
    if running := _running(settings):
        return _ports_of(running, settings)
    faults = []
    for name, address in (("console", settings.web), ("OTLP/HTTP", settings.otlp_http), ("OTLP/gRPC", settings.otlp_grpc)):
        host, _, port = address.rpartition(":")
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                sock.bind((host, int(port)))
                _say(True, "port", f"{name} {address} is free")
            except OSError as error:
                faults.append(_say(False, "port", f"{name} {address}: {error.strerror}; set another address"))
    return faults


def _ports_of(running: RunFile, settings: Settings) -> list[str]:
    """Whether the running service answers where it says it does. (It says nothing of OTLP/gRPC: that is where the settings put it.)"""
    web, http = (address.rpartition("/")[2] for address in (running.web, running.otlp_http))
    places = [("console", web), ("OTLP/HTTP", http)]
    if settings.web.rpartition(":")[2] == web.rpartition(":")[2]:  # started with these settings
        places.append(("OTLP/gRPC", settings.otlp_grpc))
    faults = []
    for name, address in places:
        host, _, port = address.rpartition(":")
        ok = _answers(host, int(port))
        faults.append(_say(ok, "port", f"{name} {address} " + (f"is ours (pid {running.pid})" if ok else "does not answer; see its log")))
    return [fault for fault in faults if fault]


def _answers(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host.strip("[]"), port), timeout=2):
            return True
    except OSError:
        return False


def _list_settings(settings: Settings | None) -> None:
    """Every setting with its value, where the settings could be read."""
    click.echo("\nsettings (environment, or triage.toml in lower case without the prefix):")
    names = {PREFIX + name.upper(): name for name in Settings.model_fields}
    widest = max(map(len, names))
    for shown, name in names.items():
        value = f"{_value(settings, name)}  " if settings else ""
        click.echo(f"  {shown:<{widest}}  {value}{Settings.model_fields[name].description}")


def _value(settings: Settings, name: str) -> str:
    """A setting's value as people read it; of a secret only whether it is set."""
    value = getattr(settings, name)
    mark = " (default)" if value == Settings.model_fields[name].default else ""
    if hasattr(value, "get_secret_value"):
        return f"{'set' if value.get_secret_value() else 'not set':<24}"
    words = f"{len(value)} entries" if isinstance(value, list | dict) and value and not isinstance(next(iter(value)), str) else value
    words = ", ".join(words) if isinstance(words, list | dict) else words
    return f"{(str(words) or '-') + mark:<24}"
