"""Settings -> stores. The only place that knows which adapters there are, and which pairings are impossible."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from triage.errors import ConfigError
from triage.ports.records import RecordStore
from triage.ports.state import StateStore
from triage.store.dead_letters import DeadLetters, Decode, Encode
from triage.store.elastic.client import ElasticSettings, connect
from triage.store.elastic.records import ElasticRecordStore
from triage.store.elastic.state import ElasticStateStore
from triage.store.embedded.backup import Backup, back_up
from triage.store.embedded.records import EmbeddedRecordStore
from triage.store.embedded.state import EmbeddedStateStore
from triage.store.spool import SpooledRecordStore


@dataclass(frozen=True, slots=True)
class Stores:
    """Both stores of a process."""

    records: RecordStore
    state: StateStore
    name: str
    spool: SpooledRecordStore | None = None  # the same as `records`, where there is one
    back_up: Callable[[Path], Backup] | None = None  # into a new folder; None on Elasticsearch, which has snapshots

    def close(self) -> None:
        """Close both."""
        self.records.close()
        self.state.close()


def open_embedded(folder: Path, *, memory_mib: int, split_role: str = "") -> Stores:
    """The embedded stores under a folder. Refused for a process that plays one role only: the files have one owner."""
    if split_role:
        raise ConfigError([
            f"TRIAGE_STORE: the embedded store belongs to one process, so `triage {split_role}` cannot share it; run "
            "`triage serve`, which plays every role, or set TRIAGE_STORE to the address of Elasticsearch"
        ])
    records, state = EmbeddedRecordStore(folder, memory_mib=memory_mib), EmbeddedStateStore(folder / "state.sqlite")
    return Stores(records, state, "embedded", back_up=partial(back_up, folder, records, state))


def open_elastic(settings: ElasticSettings, *, prefix: str, replicas: int, shards: int = 1) -> Stores:
    """Both stores on one Elasticsearch."""
    client = connect(settings)
    return Stores(
        ElasticRecordStore(client, prefix=prefix, replicas=replicas, shards=shards),
        ElasticStateStore(client, prefix=prefix, replicas=replicas),
        "elasticsearch",
    )


def dead_letters(folder: Path, encode: Encode, decode: Decode, *, limit: int) -> DeadLetters:
    """The place of refused records of a spool's folder."""
    return DeadLetters(folder / "dead", encode, decode, limit=limit)


def with_spool(stores: Stores, folder: Path, encode: Encode, decode: Decode, *, limit: int) -> Stores:
    """The stores, with a spool of at most `limit` bytes before the records. Raises ConfigError when the folder cannot be used."""
    try:
        place = dead_letters(folder, encode, decode, limit=limit)
        spool = SpooledRecordStore(stores.records, folder, place, encode, decode, limit=limit)
    except ConfigError:
        stores.close()
        raise
    return replace(stores, records=spool, spool=spool)
