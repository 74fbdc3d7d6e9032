"""docs/interface.md names what there is: every command, option, gateway kind, JSON path and word of the vocabularies."""

from __future__ import annotations

import re
from typing import Final, get_args

import click
import pytest
from rules.source import ROOT

from collectors.gateways import KINDS as GATEWAY_KINDS
from dashboards.api.openapi import OPERATIONS
from dashboards.changes import KINDS as CHANGE_KINDS
from triage.accounts.permissions import ROLES
from triage.cli import commands
from triage.domain.calls import OUTCOMES, Side
from triage.domain.incident import KINDS, SEVERITIES, STATES
from triage.domain.notice import Format

DOCUMENT: Final = (ROOT / "docs" / "interface.md").read_text("utf-8")
README: Final = (ROOT / "README.md").read_text("utf-8")
JSON_ROWS: Final = {
    (method.strip().lower(), path)
    for methods, paths in re.findall(r"^\| ((?:[A-Z]+(?:, )?)+) \| (`/.*?`) \|", DOCUMENT, re.MULTILINE)
    for method in methods.split(",") for path in re.findall(r"`(.+?)`", paths)
}


def leaves() -> list[tuple[str, click.Command]]:
    """Every command that does something, with its full name."""
    found: list[tuple[str, click.Command]] = []
    context = click.Context(commands)
    for name in commands.list_commands(context):
        command = commands.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            found += [(f"{name} {inner}", leaf) for inner, leaf in command.commands.items()]
        else:
            found.append((name, command))
    return found


@pytest.mark.parametrize(("name", "command"), leaves())
def test_every_command_and_option_is_named(name: str, command: click.Command) -> None:
    assert f"`triage {name}" in DOCUMENT
    row = next(line for line in DOCUMENT.splitlines() if f"`triage {name}" in line)
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.opts[0] in row, parameter.opts


def test_every_json_operation_has_its_row() -> None:
    assert {(operation.method, operation.path) for operation in OPERATIONS} == JSON_ROWS


@pytest.mark.parametrize("text", [DOCUMENT, README], ids=["interface", "readme"])
def test_every_gateway_kind_and_webhook_format_is_named(text: str) -> None:
    assert not [word for word in (*GATEWAY_KINDS, *get_args(Format)) if f"`{word}`" not in text]


def test_the_vocabularies_are_complete() -> None:
    words = (*OUTCOMES, *SEVERITIES, *STATES, *KINDS, *CHANGE_KINDS, *get_args(Side))
    assert not [word for word in words if f"`{word}`" not in DOCUMENT]


def test_the_readme_names_every_role() -> None:
    assert re.findall(r"^\| `(\w+)` \|", README, re.MULTILINE) == list(ROLES)
