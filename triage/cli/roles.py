"""`triage serve`, `collect`, `web`, `work`."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click

from collectors.follow import FORMATS
from triage.bootstrap.build import Service, base_url
from triage.bootstrap.collect import Follow
from triage.bootstrap.running import run_service
from triage.cli.ending import leave
from triage.config import load_settings
from triage.errors import StoreUnavailable
from triage.telemetry import set_up_logs

_FOLLOW: Final = (
    click.argument("more", nargs=-1, metavar="[PATH]..."),
    click.option("--follow", "paths", multiple=True, metavar="PATH", help="Follow log files, also through rotation: paths or globs."),
    click.option("--format", "format_", type=click.Choice(FORMATS), default="auto", show_default=True, help="Their gateway."),
    click.option("--state", type=click.Path(file_okay=False, path_type=Path), help="Folder of the positions in followed files."),
)


def _following(command: Callable[..., None]) -> Callable[..., None]:
    """The options of `--follow`, on a role that collects."""
    for option in reversed(_FOLLOW):
        command = option(command)
    return command


def _follow(paths: tuple[str, ...], more: tuple[str, ...], format_: str, state: Path | None) -> Follow | None:
    if more and not paths:
        raise click.UsageError(f"unexpected {more[0]}; files are named after --follow")
    return Follow((*paths, *more), format_, state) if paths else None


def announce(service: Service) -> None:
    """Say that the service is ready, and where."""
    lines = []
    if service.web_port:
        lines.append(f"console    {base_url(service.settings)}")
    if service.http_port:
        lines.append(f"OTLP/HTTP  http://{service.settings.otlp_http}   gateway logs: POST /gateway/<kind>")
        lines.append(f"OTLP/gRPC  {service.settings.otlp_grpc}")
    with contextlib.suppress(StoreUnavailable):  # its pages say that the store is away
        if service.web_port and not service.accounts.has_users():
            lines.append("no account yet: make one with `triage user create --name NAME --role administrator`")
    click.echo("\n".join(["Gateway Triage is ready", *("  " + line for line in lines)]))


def _run(roles: tuple[str, ...], split_role: str = "", follow: Follow | None = None) -> None:
    settings = load_settings()
    set_up_logs(settings.log_level)
    run_service(settings, roles, ready=announce, split_role=split_role, follow=follow)
    leave()


@click.command()
@_following
def serve(**options: Any) -> None:
    """All roles in one process."""
    _run(("collect", "web", "work"), follow=_follow(**options))


@click.command()
@_following
def collect(**options: Any) -> None:
    """The front door only: OTLP and gateway logs. Needs Elasticsearch."""
    _run(("collect",), "collect", _follow(**options))


@click.command()
def web() -> None:
    """The console only. Needs Elasticsearch."""
    _run(("web",), "web")


@click.command()
def work() -> None:
    """Analysis, notices and retention only. Needs Elasticsearch."""
    _run(("work",), "work")
