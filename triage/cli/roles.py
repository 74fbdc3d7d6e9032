"""`triage serve`, `collect`, `web`, `work`."""

from __future__ import annotations

import click

from triage.bootstrap import Service, base_url, run_service
from triage.config import load_settings
from triage.telemetry import set_up_logs


def announce(service: Service) -> None:
    """Say that the service is ready, and where."""
    lines = []
    if service.web_port:
        lines.append(f"console    {base_url(service.settings)}")
    if service.http_port:
        lines.append(f"OTLP/HTTP  http://{service.settings.otlp_http}   gateway logs: POST /gateway/<kind>")
        lines.append(f"OTLP/gRPC  {service.settings.otlp_grpc}")
    if service.web_port and not service.accounts.has_users():
        lines.append("no account yet: make one with `triage user create --name NAME --role administrator`")
    click.echo("\n".join(["Gateway Triage is ready", *("  " + line for line in lines)]))


def _run(roles: tuple[str, ...], split_role: str = "") -> None:
    settings = load_settings()
    set_up_logs(settings.log_level)
    run_service(settings, roles, ready=announce, split_role=split_role)


@click.command()
def serve() -> None:
    """All roles in one process."""
    _run(("collect", "web", "work"))


@click.command()
def collect() -> None:
    """The front door only: OTLP and gateway logs. Needs Elasticsearch."""
    _run(("collect",), "collect")


@click.command()
def web() -> None:
    """The console only. Needs Elasticsearch."""
    _run(("web",), "web")


@click.command()
def work() -> None:
    """Analysis, notices and retention only. Needs Elasticsearch."""
    _run(("work",), "work")
