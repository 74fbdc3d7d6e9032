"""The copy of a DuckDB file is whole although the file changes while it is copied."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from builders import call, masked, span, uuid

from triage.store.embedded.backup import copy_files
from triage.store.embedded.days import DuckFiles
from triage.store.embedded.records import EmbeddedRecordStore


@pytest.mark.parametrize("changes", [0, 1, 2, 4])
def test_a_checkpoint_in_between_leaves_a_whole_copy(tmp_path: Path, changes: int) -> None:
    store = EmbeddedRecordStore(tmp_path / "store")
    store.append(masked([span(1)], calls=[call(1)]))
    left = [changes]

    def copy(files: DuckFiles, target: Path, exclusive: threading.Lock) -> None:
        @contextmanager
        def busy() -> Iterator[None]:
            """Held as the writer's lock is, but that before it is got, something is committed and checkpointed."""
            if left[0]:
                left[0] -= 1
                files.cursor().execute("INSERT INTO d20260302.receipts VALUES (?, 1, [1])", [f"receipt-{left[0]}"])
                files.cursor().execute("CHECKPOINT d20260302")
            with exclusive:
                yield

        class Busy:
            def __enter__(self) -> None:
                self.held = busy()
                self.held.__enter__()

            def __exit__(self, *error: object) -> None:
                self.held.__exit__(None, None, None)

        copy_files(files, target, Busy())

    (tmp_path / "copy").mkdir()
    store.copy_to(tmp_path / "copy" / "records", copy)  # type: ignore[arg-type]
    store.close()
    copied = EmbeddedRecordStore(tmp_path / "copy")
    assert copied.counts().kept == {"spans": 1, "logs": 0, "calls": 1}
    assert copied.find(uuid(1))
    assert len(copied.receipts()) == 1 + changes
    copied.close()
