"""A copy of the embedded stores while they are in use: start the product on it, and it goes on from there.

Everything that was acknowledged before the copy began is in it. Each file is copied as one snapshot, beside the writer, who waits
only while the log of a file is copied. The order makes the copy whole: positions in followed files
before records, records with their receipts before roll-ups, both before incidents. What came in between is read, analysed and
folded again after a restore, and nothing of that counts twice.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from triage.domain.windows import rfc3339
from triage.errors import BadInput, StoreUnavailable
from triage.store.embedded.days import PINNED, DuckFiles
from triage.store.embedded.records import EmbeddedRecordStore
from triage.store.embedded.state import EmbeddedStateStore

_POSITIONS: Final = "follow"
_KEYS: Final = ("mask-key.txt", "secret-key.txt")
_ATTEMPTS: Final = 4
_STEP: Final = 4 << 20


@dataclass(frozen=True, slots=True)
class Backup:
    """A finished copy."""

    path: Path
    at_ns: int  # everything acknowledged until then is in it
    bytes: int
    seconds: float


def back_up(folder: Path, records: EmbeddedRecordStore, state: EmbeddedStateStore, target: Path) -> Backup:
    """Copy the stores under `folder` to `target`, a folder that does not exist yet or is empty. It appears when it is whole.

    Raises BadInput for a target that cannot be used, StoreUnavailable when the copy fails (a full disk); then nothing is left of it.
    """
    part = _part(folder, target)
    at_ns, began = time.time_ns(), time.perf_counter()
    try:
        if (folder / _POSITIONS).is_dir():
            shutil.copytree(folder / _POSITIONS, part / _POSITIONS)
        records.copy_to(part / "records", copy_files)
        state.copy_to(part / "state.sqlite")
        for name in _KEYS:
            if (folder / name).exists():
                shutil.copy2(folder / name, part / name)
        size = sum(file.stat().st_size for file in part.rglob("*") if file.is_file())
        (part / "backup.json").write_bytes(orjson.dumps({"at": rfc3339(at_ns), "bytes": size}))
        _sync(part)
        part.rename(target)
    except OSError as error:
        raise StoreUnavailable(f"the backup to {target} failed: {error.strerror}") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return Backup(target, at_ns, size, round(time.perf_counter() - began, 3))


def _part(folder: Path, target: Path) -> Path:
    """The folder that the copy is made in, beside the target."""
    if not target.is_absolute():
        raise BadInput("name the folder of the backup by its whole path")
    if target.resolve().is_relative_to(folder.resolve()):
        raise BadInput(f"{target} lies in the data folder; name one elsewhere, best on another disk")
    part = target.with_name(target.name + ".part")
    try:
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise BadInput(f"{target} exists already; name a new folder")
        shutil.rmtree(part, ignore_errors=True)  # of a backup that was killed
        part.mkdir(mode=0o700, parents=True)
    except OSError as error:
        raise BadInput(f"{target} cannot be made: {error.strerror}") from error
    return part


def copy_files(files: DuckFiles, target: Path, exclusive: AbstractContextManager[Any]) -> None:
    """Copy every file: days and pinned traces with their receipts, then roll-ups. The ledger's files never change.

    Nothing is written while `exclusive` is held.
    """
    target.mkdir(mode=0o700)
    for file in files.folder.iterdir():
        if file.is_file() and ".duckdb" not in file.name and not file.name.endswith(".new"):
            with contextlib.suppress(FileNotFoundError):  # an unlinked one that only its mapping holds
                _copy(file, target / file.name)
    for stem in [*(f"day-{day}" for day in files.days()), PINNED, "rollups"]:
        _copy_database(files.folder / f"{stem}.duckdb", target, exclusive)


def _copy_database(file: Path, target: Path, exclusive: AbstractContextManager[Any]) -> None:
    """A file of DuckDB as a kill would leave it: what was checkpointed, and the log of what was committed since.

    A checkpoint is all that changes the file itself; when one comes in between, the file is copied again, at last while the writer waits.
    """
    for attempt in range(_ATTEMPTS):
        last = attempt == _ATTEMPTS - 1
        with exclusive if last else contextlib.nullcontext():
            before = file.stat()
            _copy(file, target / file.name)
            with contextlib.nullcontext() if last else exclusive:
                after = file.stat()
                if (before.st_mtime_ns, before.st_size) == (after.st_mtime_ns, after.st_size):
                    for log in file.parent.glob(f"{file.name}.*"):
                        shutil.copyfile(log, target / log.name)
                    return
    raise StoreUnavailable(f"the backup of {file.name} failed: it changes although nothing is written")


def _copy(file: Path, target: Path) -> None:
    """In steps that reach the disk one by one: a commit must not wait for all that a large file left in the page cache."""
    with file.open("rb") as source, target.open("wb") as copy:
        while piece := source.read(_STEP):
            copy.write(piece)
            copy.flush()
            os.fdatasync(copy.fileno())


def _sync(folder: Path) -> None:
    for path in [*folder.rglob("*"), folder]:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
