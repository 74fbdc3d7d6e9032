"""What a writer must know of the cluster, asked for once a minute: how many copies to wait for, and which days were dropped.

Also that the cluster has the templates of our indices: no write goes out before.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from elasticsearch import Elasticsearch

from triage.domain.columns import SIGNALS
from triage.domain.windows import HOUR_NS, day_of
from triage.errors import StoreFormatError, StoreUnavailable
from triage.store.elastic.client import translated
from triage.store.elastic.schema import Names

_FRESH_NS: Final = 60 * 1_000_000_000
_EXISTS: Final = 400
_OPENING_S: Final = 10.0  # a start does not wait longer for a cluster that hangs
_LOG: Final = logging.getLogger("triage.store")
Prepare = Callable[[Elasticsearch], None]


@dataclass(frozen=True, slots=True)
class ClusterView:
    """What was seen at `at_ns`."""

    at_ns: int
    copies: int  # active copies that a write waits for
    pinned: frozenset[str]  # indices of what is pinned of dropped days


class ClusterWatch:
    """Keeps the view fresh, and makes the next day's indices within the hour before it begins.

    `prepare` installs the templates; it is called until it has succeeded once.
    """

    def __init__(
        self, client: Elasticsearch, names: Names, prepare: Prepare, *, replicas: int, clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._client = client
        self._prepare: Prepare | None = prepare
        self._names = names
        self._replicas = replicas
        self._clock = clock
        self._lock = threading.Lock()
        self._view: ClusterView | None = None
        self._made = ""  # the day whose indices were made early

    def open(self) -> None:
        """Prepare the cluster now; one that is away is prepared when it returns. Raises StoreFormatError."""
        try:
            with self._lock:
                self._prepare_once(self._client.options(request_timeout=_OPENING_S))
        except StoreUnavailable as error:
            _LOG.warning("%s; it is prepared when it returns", error)

    def check_prepared(self) -> None:
        """Prepare the cluster if that is not done yet. Raises StoreUnavailable."""
        if self._prepare is None:
            return
        try:
            with self._lock:
                self._prepare_once(self._client)
        except StoreFormatError as error:  # not the fault of what is written, which can wait for the newer version
            raise StoreUnavailable(str(error), 60) from error

    def view(self) -> ClusterView:
        """The view, at most a minute old."""
        self.check_prepared()
        now = self._clock()
        with self._lock:
            if self._view is None or not 0 <= now - self._view.at_ns < _FRESH_NS:
                self._view = self._look(now)
                self._make_early(now)
            return self._view

    def forget(self) -> None:
        """Look again at the next call: something was dropped, or a write failed for want of copies."""
        with self._lock:
            self._view = None

    def _prepare_once(self, client: Elasticsearch) -> None:
        if self._prepare is not None:
            self._prepare(client)
            self._prepare = None

    def _look(self, now: int) -> ClusterView:
        with translated():
            nodes = self._client.cluster.health(filter_path="number_of_data_nodes", timeout="5s")["number_of_data_nodes"]
            pinned = self._client.indices.get_alias(index=self._names.all_pinned).body
        return ClusterView(now, 2 if nodes > 1 and self._replicas else 1, frozenset(pinned))

    def _make_early(self, now: int) -> None:
        """Spare the first writer after midnight the wait for new indices; a signal that has none today needs none."""
        today, day = day_of(now), day_of(now + HOUR_NS)
        if day in (today, self._made):
            return
        with translated():
            for signal in SIGNALS:
                if self._client.indices.exists(index=self._names.of_day(signal, today)):
                    self._client.options(ignore_status=_EXISTS).indices.create(index=self._names.of_day(signal, day))
        self._made = day
