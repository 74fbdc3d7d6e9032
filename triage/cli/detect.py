"""`triage detect FILE.csv`: anomalies of one metric, without a service."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import click
import orjson

from triage.analyse.anomalies.detect_file import detect_file


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def detect(file: Path) -> None:
    """Score the rows of FILE (columns timestamp,value): {"timestamp", "score", "anomaly"} for each, in order."""
    with file.open(encoding="utf-8", errors="replace", newline="") as handle:
        rows = csv.DictReader(handle)
        if not rows.fieldnames or not {"timestamp", "value"} <= set(rows.fieldnames):
            raise click.ClickException("the file needs the columns timestamp and value")
        judged = detect_file((row["timestamp"], row["value"]) for row in rows)
        sys.stdout.buffer.writelines(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in judged)
