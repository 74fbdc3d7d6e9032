"""`triage group FILE`: group log messages, without a service."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import orjson

from triage.analyse.grouping.group_file import group_json
from triage.cli import load


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--explain", is_flag=True, help="One entry a group: its template, the commonest values and the nearest groups.")
def group(file: Path, explain: bool) -> None:
    """Group the messages of FILE, one a line: {"group", "template"} for each, in order."""
    with file.open(encoding="utf-8", errors="surrogateescape", newline="\n") as lines:
        if explain:
            explain_file = load("triage.analyse.grouping.explain_groups").explain_file  # scikit-learn takes a second to load
            sys.stdout.buffer.writelines(orjson.dumps(entry, option=orjson.OPT_APPEND_NEWLINE) for entry in explain_file(lines))
        else:
            sys.stdout.writelines(line + "\n" for line in group_json(lines))
