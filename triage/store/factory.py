"""Settings -> stores. The only place that knows which adapters there are, and which pairings are impossible."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from triage.errors import ConfigError
from triage.ports.records import RecordStore
from triage.ports.state import StateStore
from triage.store.elastic_client import ElasticSettings, connect
from triage.store.elastic_records import ElasticRecordStore
from triage.store.elastic_state import ElasticStateStore
from triage.store.embedded_records import EmbeddedRecordStore
from triage.store.embedded_state import EmbeddedStateStore


@dataclass(frozen=True, slots=True)
class Stores:
    """Both stores of a process."""

    records: RecordStore
    state: StateStore
    name: str

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
    return Stores(EmbeddedRecordStore(folder, memory_mib=memory_mib), EmbeddedStateStore(folder / "state.sqlite"), "embedded")


def open_elastic(settings: ElasticSettings, *, prefix: str, replicas: int) -> Stores:
    """Both stores on one Elasticsearch."""
    client = connect(settings)
    return Stores(
        ElasticRecordStore(client, prefix=prefix, replicas=replicas), ElasticStateStore(client, prefix=prefix, replicas=replicas),
        "elasticsearch",
    )
