"""Which IDs lie in the files of a spool, so that a look-up can say that a record is on its way."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

import numpy as np

from triage.domain.columns import SIGNALS
from triage.errors import BadInput
from triage.ports.masked import MaskedRecords
from triage.store.dead_letters import Decode
from triage.store.keys import Keys, text_key, text_keys
from triage.store.ledger_ids import entries_of
from triage.store.spool_files import frames_of


class WaitingIds:
    """Hashes of the IDs of each file, 8 bytes an ID. Thread-safe."""

    def __init__(self, decode: Decode) -> None:
        self._decode = decode
        self._lock = threading.Lock()
        self._ids: dict[Path, Keys] = {}

    def add(self, file: Path, batches: Iterable[MaskedRecords]) -> None:
        """Know a file that is about to be written."""
        ids = _ids_of(batches)
        with self._lock:
            self._ids[file] = ids

    def forget(self, file: Path) -> None:
        """The file is gone."""
        with self._lock:
            self._ids.pop(file, None)

    def among(self, values: Collection[str], files: Collection[Path]) -> set[str]:
        """Which of these IDs, spelled as they are kept, lie in the files."""
        known = [self._of(file) for file in files]
        return {value for value in values if any(_has(ids, text_key(value)) for ids in known)}

    def _of(self, file: Path) -> Keys:
        """The IDs of a file; one of an earlier process is read when somebody asks for the first time."""
        with self._lock:
            ids = self._ids.get(file)
        if ids is not None:
            return ids
        try:
            ids = _ids_of(self._batches(file.read_bytes()))
        except FileNotFoundError:  # the store has it now
            return np.zeros(0, np.uint64)
        with self._lock:
            return self._ids.setdefault(file, ids)

    def _batches(self, data: bytes) -> Iterator[MaskedRecords]:
        for frame, good in frames_of(data):
            with contextlib.suppress(BadInput):
                if good:
                    yield self._decode(frame)


def _ids_of(batches: Iterable[MaskedRecords]) -> Keys:
    """The hashes of every ID in these batches, span IDs too, ascending."""
    parts = [np.zeros(0, np.uint64)]
    for batch in batches:
        for signal in SIGNALS:
            if batch.size(signal):
                table = batch.table(signal)
                parts += [entries_of(signal, table)[0], text_keys(table.column("span_id"))]
    return np.unique(np.concatenate(parts))


def _has(ids: Keys, key: int) -> bool:
    wanted = np.uint64(key)
    place = int(ids.searchsorted(wanted))
    return place < len(ids) and bool(ids[place] == wanted)
