"""`triage dead-letters`: records that the store refused for good."""

from __future__ import annotations

import sys
from dataclasses import asdict

import click
import orjson

from triage.bootstrap.build import open_dead_letters, open_stores
from triage.config import load_settings
from triage.domain.windows import rfc3339


@click.group("dead-letters")
def dead_letters() -> None:
    """Records that the store refused for good: list them, or give them to the store again."""


@dead_letters.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON lines.")
def list_(as_json: bool) -> None:
    """What there is, the oldest first."""
    for letter in open_dead_letters(load_settings()).list():
        if as_json:
            click.echo(orjson.dumps({**asdict(letter), "at": rfc3339(letter.at_ns)}))
            continue
        held = ", ".join(f"{number:,} {signal}" for signal, number in letter.records.items() if number) or "unreadable"
        click.echo(f"{letter.name}  {rfc3339(letter.at_ns)}  {held}: {letter.reason}")


@dead_letters.command()
def replay() -> None:
    """Give everything to the store again; what it still refuses stays. Exit 1 when something stayed."""
    settings = load_settings()
    letters = open_dead_letters(settings)
    stores = open_stores(settings)
    try:
        done = letters.replay(stores.records)
    finally:
        stores.close()
    click.echo(f"kept {done.kept:,} records; {done.refused:,} pieces were refused again")
    sys.exit(1 if done.refused else 0)
