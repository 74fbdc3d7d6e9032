"""`triage lookup ID`: the complaint desk in the terminal; asks the running service."""

from __future__ import annotations

import sys
import textwrap
from typing import Any

import click
import orjson
import urllib3

from triage.cli.target import target_settings
from triage.errors import TriageError
from triage.runfile import RunFile

_WORDS = (("What happened", "what_happened"), ("Whose side", "side"), ("Is it known", "known_incident"),
          ("Tell the customer", "tell_customer"))


@click.command()
@click.argument("query", nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="Print the answer of /api/v1/lookup.")
@click.option("--url", help="Address of the console, where no service runs on this data folder.")
@click.option("--token", help="Token for --url.")
def lookup(query: tuple[str, ...], as_json: bool, url: str | None, token: str | None) -> None:
    """Look an ID up, in any spelling, or a pasted text that holds one."""
    answer = _ask(" ".join(query), url, token)
    if as_json:
        click.echo(orjson.dumps(answer, option=orjson.OPT_INDENT_2))
    else:
        _show(answer)
    sys.exit(0 if answer.get("matched") else 1)


def _ask(query: str, url: str | None, token: str | None) -> dict[str, Any]:
    running = RunFile.read(target_settings().local_folder())
    base, secret = url or (running.web if running else None), token or (running.token if running else "")
    if not base:
        raise TriageError("no service runs on this data folder; start `triage serve`, or name one with --url and --token")
    answer = urllib3.request("GET", base.rstrip("/") + "/api/v1/lookup", fields={"q": query},
                             headers={"authorization": f"Bearer {secret}"}, retries=False, timeout=30)
    if answer.status != 200:
        raise TriageError(f"the service answers {answer.status}: {answer.data[:300].decode('utf-8', 'replace')}")
    body: dict[str, Any] = orjson.loads(answer.data)
    return body


def _show(answer: dict[str, Any]) -> None:
    told = answer.get("answer") or {}
    click.secho(str(told.get("headline") or ""), bold=True)
    if answer.get("reason"):
        click.echo(f"({str(answer['reason']).replace('_', ' ')})")
    for title, name in _WORDS:
        if told.get(name):
            text = told[name]
            body = text.get("title", "") if isinstance(text, dict) else str(text)
            click.echo(f"\n{title}\n" + textwrap.indent(textwrap.fill(body, 76), "  "))
    for call in answer.get("calls") or []:
        said = [call[name] for name in ("at", "partner", "api", "status", "outcome")]
        said += [f"trace {call['trace_id']}"] if call["trace_id"] else []
        click.echo("\n  " + "  ".join(str(word) for word in said if word))
