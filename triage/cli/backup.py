"""`triage backup PATH`: a copy of the embedded store, also while the service runs."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import orjson
import urllib3

from triage.bootstrap.build import open_stores
from triage.cli.target import target_settings
from triage.errors import ConfigError, StoreUnavailable
from triage.runfile import RunFile

_PATIENCE_S = 6 * 3600


@click.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def backup(path: Path, as_json: bool) -> None:
    """Copy everything that is kept into a new folder PATH: records, incidents, accounts and keys, so keep it as safe as these.

    Start the product on it to go on from there: TRIAGE_STORE=embedded:PATH.
    """
    settings = target_settings()
    folder = settings.embedded_path()
    if folder is None:
        raise ConfigError(["TRIAGE_STORE: the records lie in Elasticsearch: back them up with its snapshots"])
    running = RunFile.read(folder)
    if running is not None:
        done = _asked(running, path.absolute())
    else:
        stores = open_stores(settings)
        try:
            done = asdict(stores.back_up(path.absolute())) if stores.back_up else {}
        finally:
            stores.close()
    if as_json:
        click.echo(orjson.dumps({name: done[name] for name in ("path", "bytes", "seconds")}, default=str))
    else:
        click.echo(f"{done['path']}: {done['bytes'] / 2**20:,.1f} MiB in {done['seconds']:.1f} s")


def _asked(running: RunFile, path: Path) -> dict[str, Any]:
    """Let the running service make it: it owns the files."""
    timeout = urllib3.Timeout(connect=10, read=_PATIENCE_S)
    try:
        answer = urllib3.PoolManager(retries=False).request(
            "POST", f"{running.web}/api/v1/backup", body=orjson.dumps({"path": str(path)}), timeout=timeout,
            headers={"authorization": f"Bearer {running.token}", "content-type": "application/json"})
    except urllib3.exceptions.HTTPError as error:
        raise StoreUnavailable(f"the running service does not answer at {running.web}") from error
    found: dict[str, Any] = orjson.loads(answer.data)
    if answer.status != 200:
        raise StoreUnavailable(str(found.get("detail", f"the service answered {answer.status}")))
    return found
