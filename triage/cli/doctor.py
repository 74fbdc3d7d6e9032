"""`triage doctor`: checks configuration, store, ports, clock and disk, and says what to do."""

from __future__ import annotations

import shutil
import socket
import sys
import time
from pathlib import Path

import click

from triage.bootstrap import open_stores
from triage.cli.target import target_settings
from triage.config import PREFIX, Settings
from triage.errors import ConfigError, TriageError
from triage.runfile import RunFile

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
        _list_settings()
        sys.exit(2)
    faults = [fault for fault in (_store(settings), _clock(), _disk(settings), *_ports(settings)) if fault]
    _list_settings()
    sys.exit(1 if faults else 0)


def _say(ok: bool, subject: str, text: str) -> str:
    click.echo(f"{'ok' if ok else 'wrong':<8} {subject:<9} {text}")
    return "" if ok else text


def _running(settings: Settings) -> RunFile | None:
    return RunFile.read(settings.local_folder())


def _store(settings: Settings) -> str:
    running = _running(settings)
    if running:
        return _say(True, "store", f"{settings.store}: in use by the service with pid {running.pid}")
    try:
        stores = open_stores(settings)
    except TriageError as error:
        return _say(False, "store", f"{settings.store}: {error}")
    try:
        stores.records.ping()
        kept = stores.records.counts().kept
        return _say(True, "store", f"{settings.store}: holds " + ", ".join(f"{n:,} {s}" for s, n in kept.items()))
    except TriageError as error:
        return _say(False, "store", f"{settings.store}: {error}")
    finally:
        stores.close()


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
    if _running(settings):
        return []
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


def _list_settings() -> None:
    click.echo("\nsettings (environment, or triage.toml in lower case without the prefix):")
    for name, field in Settings.model_fields.items():
        click.echo(f"  {PREFIX + name.upper():<28} {field.description}")
