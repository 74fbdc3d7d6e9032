"""`triage group`, `detect` and `rank`: the analysis on files, without a service. Formats: JSON lines, and a JSON array for `rank`."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
import orjson

from triage.analyse.detect_file import detect_file
from triage.analyse.group_file import group_file
from triage.analyse.rank_case import rank_case

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


def _lines(rows: Iterable[Any]) -> None:
    out = sys.stdout.buffer
    for row in rows:
        out.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
    out.flush()


@click.command()
@click.argument("file", type=_FILE)
def group(file: Path) -> None:
    """Group the messages of FILE, one a line: {"group", "template"} for each, in order."""
    with file.open("r", encoding="utf-8", errors="replace", newline="\n") as lines:
        _lines(group_file(line.rstrip("\n").rstrip("\r") for line in lines))


@click.command()
@click.argument("file", type=_FILE)
def detect(file: Path) -> None:
    """Score the rows of FILE (columns timestamp,value): {"timestamp", "score", "anomaly"} for each, in order."""
    with file.open(encoding="utf-8", errors="replace", newline="") as handle:
        rows = csv.DictReader(handle)
        if not rows.fieldnames or not {"timestamp", "value"} <= set(rows.fieldnames):
            raise click.ClickException("the file needs the columns timestamp and value")
        _lines(detect_file((row["timestamp"], row["value"]) for row in rows))


@click.command()
@click.argument("case_dir", type=click.Path(exists=True, file_okay=False, path_type=Path))
def rank(case_dir: Path) -> None:
    """Rank the components of CASE_DIR, best first: [{"component", "score", "why"}]."""
    sys.stdout.buffer.write(orjson.dumps(rank_case(case_dir), option=orjson.OPT_APPEND_NEWLINE))
