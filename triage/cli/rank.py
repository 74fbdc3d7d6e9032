"""`triage rank CASE_DIR`: the components that may have caused a case, without a service."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import orjson

from triage.analyse.ranking.rank_case import rank_case


@click.command()
@click.argument("case_dir", type=click.Path(exists=True, file_okay=False, path_type=Path))
def rank(case_dir: Path) -> None:
    """Rank the components of CASE_DIR, best first: [{"component", "score", "why"}]."""
    sys.stdout.buffer.write(orjson.dumps(rank_case(case_dir), option=orjson.OPT_APPEND_NEWLINE))
