"""Which data folder a command means: the one of the settings, or the demo's below it while only the demo runs."""

from __future__ import annotations

import click

from triage.config import Settings, load_settings
from triage.runfile import RunFile


def target_settings() -> Settings:
    """The settings; on the demo's data when a demo runs there and no service runs on the usual folder."""
    settings = load_settings()
    folder = settings.embedded_path()
    if folder is None or RunFile.read(folder) is not None or RunFile.read(folder / "demo") is None:
        return settings
    click.echo(f"triage: the demo runs on {folder / 'demo'}; using that", err=True)
    return settings.model_copy(update={"store": f"embedded:{folder / 'demo'}"})
