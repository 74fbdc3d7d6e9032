"""Real Elasticsearch nodes whose processes can be killed and started again one by one."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import urllib3
from elastic_node.node import running_node
from system.rig import until

from triage.store.elastic.client import ElasticSettings, connect
from triage.store.elastic.records import ElasticRecordStore


@dataclass(slots=True)
class Cluster:
    """Nodes on neighbouring ports, from `port` on; their data and pids lie in `folder`."""

    folder: Path
    port: int
    nodes: int

    @property
    def urls(self) -> list[str]:
        """The address of every node."""
        return [f"http://127.0.0.1:{self.port + number}" for number in range(self.nodes)]

    def end(self, number: int, how: signal.Signals) -> list[bytes]:
        """Send a node a signal, wait for its end, and return the command that starts it again."""
        pid = int(self._pid(number).read_text("ascii"))
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[:-1]
        os.kill(pid, how)
        until(lambda: not Path(f"/proc/{pid}/exe").exists(), "the node's end")
        return command

    def start(self, number: int, command: list[bytes]) -> None:
        """Start a node again and wait until it answers as part of the whole cluster."""
        with (self.folder / f"node-{number}.log").open("ab") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)
        self._pid(number).write_text(str(process.pid), "ascii")
        until(lambda: self.joined(number), f"node {number}")

    def joined(self, number: int) -> bool:
        """Whether a node sees all the others."""
        return self._health(number).get("number_of_nodes") == self.nodes

    def green(self) -> bool:
        """Whether every copy of every shard is active."""
        return any(self._health(number).get("status") == "green" for number in range(self.nodes))

    def _health(self, number: int) -> dict[str, object]:
        try:
            answer = urllib3.request("GET", f"{self.urls[number]}/_cluster/health?timeout=2s", retries=False, timeout=5)
            return dict(answer.json()) if answer.status == 200 else {}
        except urllib3.exceptions.HTTPError:
            return {}

    def _pid(self, number: int) -> Path:
        return self.folder / f"node-{number}.pid"


@contextmanager
def running_cluster(folder: Path, nodes: int = 1) -> Iterator[Cluster]:
    """A fresh cluster."""
    with running_node(folder, nodes) as url:
        yield Cluster(folder, int(url.rpartition(":")[2]), nodes)


@contextmanager
def records_of(cluster: Cluster, prefix: str) -> Iterator[ElasticRecordStore]:
    """The records under a prefix, as a reader of its own sees them after a refresh."""
    client = connect(ElasticSettings(tuple(cluster.urls)))
    store = ElasticRecordStore(client, prefix)
    try:
        store.settle_reads()
        yield store
    finally:
        store.close()
        client.close()
