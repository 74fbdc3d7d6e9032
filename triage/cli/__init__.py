"""The console script `triage`. Each command is a module, loaded only when it is called, so that a small one starts at once."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Final

import click

from triage import __version__
from triage.cli.ending import leave
from triage.errors import ConfigError, TriageError

_COMMANDS: Final = {
    "serve": ("roles", "All roles in one process."),
    "collect": ("roles", "The front door only (needs Elasticsearch)."),
    "web": ("roles", "The console only (needs Elasticsearch)."),
    "work": ("roles", "Analysis and notices only (needs Elasticsearch)."),
    "demo": ("demo", "`serve` with a simulated bank."),
    "ingest": ("ingest", "Send OTLP or gateway log files into the service or the store."),
    "dead-letters": ("dead_letters", "Records that the store refused: list or replay them."),
    "backup": ("backup", "Copy the embedded store into a folder, also while it is in use."),
    "lookup": ("lookup", "What happened to a request? Any ID, any spelling."),
    "group": ("group", "Group the log messages of a file."),
    "detect": ("detect", "Detect anomalies in a CSV file of timestamp,value."),
    "rank": ("rank", "Rank the components that may have caused a case."),
    "token": ("accounts", "Credentials for programs."),
    "user": ("accounts", "Accounts for people."),
    "doctor": ("doctor", "Check configuration, store, ports, clock and disk."),
}


def load(name: str) -> ModuleType:
    """A module that only some calls need."""
    return importlib.import_module(name)


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module = load(f"triage.cli.{_COMMANDS[cmd_name][0]}")
        command: click.Command = getattr(module, cmd_name.replace("-", "_"))
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _COMMANDS.items()])


@click.command(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="triage")
def commands() -> None:
    """Finds out what is broken in a bank's open-banking API platform, for whom, since when and why."""


def main() -> None:
    """Run a command; faults of the product's own kind end with a sentence, not with a stack."""
    try:
        commands(prog_name="triage")
    except ConfigError as error:
        for fault in error.faults:
            click.echo(f"triage: {fault}", err=True)
        leave(2)
    except TriageError as error:
        click.echo(f"triage: {error}", err=True)
        leave(1)
    except OSError as error:
        click.echo(f"triage: {error}", err=True)
        leave(1)
