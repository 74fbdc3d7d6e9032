"""`triage token create`, `triage user create`: credentials; a secret is printed once."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager

import click

from triage.accounts.accounts import Accounts
from triage.accounts.permissions import ROLES, Role
from triage.cli.target import target_settings
from triage.config import Settings
from triage.ports.state import StateStore
from triage.store.elastic.client import ElasticSettings, connect
from triage.store.elastic.state import ElasticStateStore
from triage.store.embedded.state import EmbeddedStateStore

_ROLE = click.Choice(list(ROLES))


@contextmanager
def state_store(settings: Settings) -> Iterator[StateStore]:
    """The state store, also beside a running service: SQLite allows several processes."""
    folder = settings.embedded_path()
    store: StateStore
    if folder is not None:
        store = EmbeddedStateStore(folder / "state.sqlite")
    else:
        store = ElasticStateStore(connect(ElasticSettings(
            hosts=tuple(settings.hosts()), api_key=settings.elastic_api_key.get_secret_value(),
            username=settings.elastic_username, password=settings.elastic_password.get_secret_value(),
            ca_certs=settings.elastic_ca_certs,
        )), prefix=settings.elastic_prefix, replicas=settings.elastic_replicas)
    try:
        yield store
    finally:
        store.close()


@click.group()
def token() -> None:
    """Credentials for programs."""


@token.command("create")
@click.option("--name", required=True, help="What it is for.")
@click.option("--role", type=_ROLE, required=True)
def create_token(name: str, role: Role) -> None:
    """Make a token and print it, once."""
    with state_store(target_settings()) as store:
        _, text = Accounts(store).create_token(name, role, time.time_ns())
        click.echo(text.written())


@click.group()
def user() -> None:
    """Accounts for people."""


@user.command("create")
@click.option("--name", required=True)
@click.option("--role", type=_ROLE, default="responder", show_default=True)
@click.option("--password", help="Made and printed once if not given.")
def create_user(name: str, role: Role, password: str | None) -> None:
    """Make an account."""
    with state_store(target_settings()) as store:
        chosen = password or secrets.token_urlsafe(12)
        Accounts(store).create_user(name, chosen, role, time.time_ns())
        click.echo(f"user {name} with role {role}" + ("" if password else f"; password (shown once): {chosen}"))
