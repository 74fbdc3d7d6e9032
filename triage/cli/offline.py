"""`triage group`, `detect` and `rank`: the analysis on files, without a service. Formats: JSON lines, and a JSON array for `rank`.

Each loads what it needs only when it is called: grouping a file must not wait for scikit-learn.
"""

from __future__ import annotations

import csv
import importlib
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
import orjson

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


def _room(name: str) -> Any:
    return importlib.import_module(f"triage.analyse.{name}")


def _write(rows: Iterable[Any]) -> None:
    out = sys.stdout.buffer
    for row in rows:
        out.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
    out.flush()


@click.command()
@click.argument("file", type=_FILE)
@click.option("--explain", is_flag=True, help="One entry a group: its template, the commonest values and the nearest groups.")
def group(file: Path, explain: bool) -> None:
    """Group the messages of FILE, one a line: {"group", "template"} for each, in order."""
    with file.open(encoding="utf-8", errors="surrogateescape", newline="\n") as lines:
        if explain:
            _write(_room("explain_groups").explain_file(lines))
        else:
            sys.stdout.writelines(line + "\n" for line in _room("group_file").group_json(lines))


@click.command()
@click.argument("file", type=_FILE)
def detect(file: Path) -> None:
    """Score the rows of FILE (columns timestamp,value): {"timestamp", "score", "anomaly"} for each, in order."""
    with file.open(encoding="utf-8", errors="replace", newline="") as handle:
        rows = csv.DictReader(handle)
        if not rows.fieldnames or not {"timestamp", "value"} <= set(rows.fieldnames):
            raise click.ClickException("the file needs the columns timestamp and value")
        _write(_room("detect_file").detect_file((row["timestamp"], row["value"]) for row in rows))


@click.command()
@click.argument("case_dir", type=click.Path(exists=True, file_okay=False, path_type=Path))
def rank(case_dir: Path) -> None:
    """Rank the components of CASE_DIR, best first: [{"component", "score", "why"}]."""
    sys.stdout.buffer.write(orjson.dumps(_room("rank_case").rank_case(case_dir), option=orjson.OPT_APPEND_NEWLINE))
