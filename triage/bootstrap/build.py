"""Settings in, the parts of a service out: stores, keys, names. Nothing listens and no job runs yet."""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import orjson

from collectors.intake import Intake
from collectors.naming import Naming
from collectors.routes import RouteCatalogue
from triage.accounts.accounts import Accounts
from triage.config import Settings
from triage.decoding.pool import Pool
from triage.decoding.work import Options, intake_of
from triage.directory import Directory
from triage.errors import ConfigError
from triage.mask.masker import Masker
from triage.mask.transfer import from_bytes, to_bytes
from triage.scheduler import Jobs
from triage.store.dead_letters import DeadLetters
from triage.store.elastic.client import ElasticSettings
from triage.store.factory import Stores, dead_letters, open_elastic, open_embedded, with_spool
from triage.telemetry import Telemetry

Clock = Callable[[], int]
LOOPBACK = ("127.0.0.1", "localhost", "::1")


def open_stores(settings: Settings, split_role: str = "") -> Stores:
    """The stores that the settings name."""
    folder = settings.embedded_path()
    if folder is not None:
        return open_embedded(folder, memory_mib=settings.store_memory_mib, split_role=split_role)
    elastic = ElasticSettings(
        hosts=tuple(settings.hosts()), api_key=settings.elastic_api_key.get_secret_value(),
        username=settings.elastic_username, password=settings.elastic_password.get_secret_value(),
        ca_certs=settings.elastic_ca_certs,
    )
    return open_elastic(elastic, prefix=settings.elastic_prefix, replicas=settings.elastic_replicas, shards=settings.elastic_shards)


def open_dead_letters(settings: Settings) -> DeadLetters:
    """The refused records. Raises ConfigError where there is no spool, beside which they lie."""
    folder = settings.spool_path()
    if folder is None:
        raise ConfigError(["TRIAGE_SPOOL: without a spool there are no dead letters; the embedded store has none unless it is set"])
    return dead_letters(folder, to_bytes, from_bytes, limit=settings.spool_mib << 20)


def naming_of(settings: Settings) -> Naming:
    """The lists of attribute names, a bank's own in front."""
    plain = Naming(gateway_services=frozenset(settings.gateway_services))
    own: dict[str, Any] = {part: (*names, *getattr(plain, part)) for part, names in settings.names.items()}
    return replace(plain, **own)


def routes_of(settings: Settings) -> RouteCatalogue:
    """The known route templates: of the API catalogue and of the OpenAPI file. Raises ConfigError."""
    templates = [entry.route.rpartition(" ")[2] for entry in settings.api]
    if not settings.openapi:
        return RouteCatalogue(templates)
    try:
        document = orjson.loads(Path(settings.openapi).read_bytes())
    except (OSError, orjson.JSONDecodeError) as error:
        raise ConfigError([f"TRIAGE_OPENAPI: {settings.openapi} cannot be read as JSON: {error}"]) from error
    return RouteCatalogue(templates, [document])


def decoding_of(settings: Settings, mask_key: bytes, directory: Directory) -> Options:
    """All that decides what a body becomes: the same for the service, its helper processes and `triage ingest`."""
    return Options(mask_key, settings.retention_days, naming_of(settings), routes_of(settings), directory.aliases(), settings.days_kept())


def key_of(settings: Settings, name: str, split_role: str = "") -> str:
    """A key from the settings, or the one kept in the data folder (made on first use). Raises ConfigError where several
    processes must share one."""
    given: str = getattr(settings, name).get_secret_value()
    if given:
        return given
    if split_role:
        raise ConfigError([f"TRIAGE_{name.upper()} (or TRIAGE_{name.upper()}_FILE) is needed by `triage {split_role}`: every process "
                           "must use the same one; make it with `openssl rand -hex 32`"])
    folder = settings.local_folder()
    file = folder / f"{name.replace('_', '-')}.txt"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with contextlib.suppress(FileExistsError):
        handle = os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(handle, "w") as out:
            out.write(secrets.token_hex(32))
    return file.read_text("ascii").strip()


@dataclass(slots=True)
class Service:
    """A running service in one or more roles."""

    settings: Settings
    stores: Stores
    masker: Masker
    clock: Clock
    accounts: Accounts
    directory: Directory
    telemetry: Telemetry
    intake: Intake
    decoding: Options
    helpers: Pool | None = None  # of the role that collects; they start when the service is ready
    jobs: Jobs = field(default_factory=Jobs)
    stopping: threading.Event = field(default_factory=threading.Event)
    cleanups: list[tuple[str, Callable[[], object]]] = field(default_factory=list)
    split_role: str = ""
    http_port: int = 0
    grpc_port: int = 0
    web_port: int = 0

    def stop(self) -> None:
        """Last in, first out: doors, jobs, stores."""
        for name, cleanup in reversed(self.cleanups):
            try:
                cleanup()
            except Exception:
                logging.getLogger("triage").exception("cannot stop %s cleanly", name)
        self.cleanups.clear()


def build(settings: Settings, clock: Clock = time.time_ns, split_role: str = "") -> Service:
    """Open the stores and make the parts; nothing listens and no job runs yet."""
    stores = open_stores(settings, split_role)
    spool = settings.spool_path()
    if spool is not None and split_role in ("", "collect"):  # the other roles take nothing in
        stores = with_spool(stores, spool, to_bytes, from_bytes, limit=settings.spool_mib << 20)
    key = key_of(settings, "mask_key", split_role).encode()
    masker = Masker(key)
    directory = Directory.of(settings.partner, settings.api)
    decoding = decoding_of(settings, key, directory)
    service = Service(settings, stores, masker, clock, Accounts(stores.state), directory, Telemetry(settings.otel_endpoint),
                      intake_of(decoding, masker, stores.records, clock), decoding, split_role=split_role)
    service.cleanups.append(("stores", stores.close))
    service.cleanups.append(("telemetry", service.telemetry.close))
    return service


def base_url(settings: Settings) -> str:
    """Where people find the console."""
    return settings.base_url.rstrip("/") or f"http://{settings.web}"


def on_loopback(address: str) -> bool:
    """Whether only this machine can reach it."""
    return address.rpartition(":")[0].strip("[]") in LOOPBACK
