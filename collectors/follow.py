"""Follows log files that grow: rotation by rename or by copy and truncation, restarts, and files that vanish and come back.

One batch is on its way at a time; no more is read until the store has acknowledged it, and only then the position moves. After a
crash at most that batch is read again, with the same IDs, which changes nothing.
"""

from __future__ import annotations

import glob
import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Final

from collectors.follow_state import FollowState
from collectors.gateways import KINDS
from collectors.gateways.append import Identities
from collectors.intake import Intake
from collectors.tail import Batch, Key, Position, Tail, find_again, is_plain, successors
from triage.errors import BadInput, StoreError, counted_as

FORMATS: Final = ("auto", *sorted(KINDS))
POLL_S: Final = 0.5
"""How long lines may wait to be gathered into one batch."""
GRACE_S: Final = 10.0
"""How long a file that was rotated away is still watched, for a writer that has it open."""
_LONGEST_PAUSE_S: Final = 30.0
_LOG: Final = logging.getLogger("triage.follow")


@dataclass(slots=True)
class Follower:
    """Follows the files that `patterns` (paths or globs) lead to, now and later. One thread at a time."""

    patterns: tuple[str, ...]
    format: str  # of FORMATS
    intake: Intake
    state: FollowState
    clock: Callable[[], float] = time.monotonic
    _tails: dict[Key, Tail] = field(default_factory=dict)  # older files of a stream stand before newer ones
    _met: bool = False  # there are files of which the state does not know yet
    _waiting: list[Position] | None = None  # of the last run, to be found again

    def run(self, stopping: threading.Event) -> None:
        """Follow until told to stop. What cannot be kept now is tried again, ever more rarely."""
        failures = 0
        while not stopping.is_set():
            try:
                pause = 0.0 if self.step() else POLL_S
                failures = 0
            except (StoreError, OSError) as error:
                pause = min(_LONGEST_PAUSE_S, POLL_S * 2**failures)
                failures = min(failures + 1, 10)
                _LOG.warning("lines wait in their files for %.1f s: %s", pause, error)
            except Exception:  # the thread must live on; the lines stay where they are
                pause = _LONGEST_PAUSE_S
                _LOG.exception("cannot follow")
            stopping.wait(pause)

    def step(self) -> bool:
        """Look at every file once and send at most one batch a stream; whether there was any.

        Raises StoreError when a batch was not acknowledged: the next step reads the same lines. Raises OSError when the state
        cannot be written: what was acknowledged is not read again before a restart.
        """
        self._discover()
        busy: set[str] = set()
        for tail in list(self._tails.values()):
            if tail.position.stream not in busy and self._advance(tail):
                busy.add(tail.position.stream)
        return bool(busy)

    def close(self) -> None:
        """Let the files go."""
        for tail in self._tails.values():
            tail.close()
        self._tails.clear()

    # -- which files there are -------------------------------------------------------------------------------------

    def _discover(self) -> None:
        self._restore()
        visible = dict(self._visible())
        for key, tail in self._tails.items():
            tail.seen_ns = tail.changed_ns()
            if key in visible:
                tail.position.path, tail.gone_at = str(visible[key]), None
            elif tail.gone_at is None:
                tail.gone_at = self.clock()
        for tail in list(self._tails.values()):
            if tail.was_replaced():
                self._begin_again(tail)
        for stream in list(self.state.streams):
            if any(stream == pattern or fnmatch(stream, pattern) for pattern in self.patterns):
                self._catch_up(stream, set(visible))
        for key, path in visible.items():
            if key not in self._tails:
                self._open(path, str(path))
        if self._met:  # known from now on, whatever becomes of them before they are read
            self.state.save(tail.position for tail in self._tails.values())
            self._met = False

    def _visible(self) -> Iterator[tuple[Key, Path]]:
        for pattern in self.patterns:
            for name in sorted(glob.glob(pattern, recursive=True)) if glob.has_magic(pattern) else [pattern]:  # noqa: PTH207
                path = Path(name)
                try:
                    if is_plain(path):
                        status = path.stat()
                        yield (status.st_dev, status.st_ino), path
                except OSError:
                    continue

    def _restore(self) -> None:
        """Find the files of the last run again, whatever they are called now."""
        if self._waiting is None:
            self._waiting = list(self.state.positions)
        while self._waiting:
            position = self._waiting[0]
            found = find_again(position, set(self._tails))
            if found is None:
                _LOG.warning("%s was cut off or deleted while it was not followed; it had been read up to byte %d",
                             position.path, position.offset)
                self.state.finish(position, deleted=True)
            else:
                self._add(Tail.open(found, position.stream, position))
            self._waiting.pop(0)

    def _catch_up(self, stream: str, visible: set[Key]) -> None:
        """Files that came to a path and were rotated away since the last look: renamed, or copied and truncated."""
        taken = visible | set(self._tails) | {position.key for position in self.state.finished if not position.deleted}
        for missed in successors(Path(stream), self.state.streams[stream].changed_ns, taken):
            self._open(missed, stream)

    def _open(self, path: Path, stream: str) -> None:
        try:
            tail = Tail.open(path, stream)
        except OSError as error:
            _LOG.warning("cannot open %s: %s", path, error.strerror)
            return
        rotated = str(path) != stream or stream not in self.state.streams
        if rotated and any(tail.repeats(other) and not other.is_deleted() for other in self._tails.values()):
            tail.close()  # a copy of what is followed: read when the original is truncated, see `_begin_again`
            return
        self._resume(tail)
        self._add(tail)

    def _resume(self, tail: Tail) -> None:
        """A file that was let go or deleted, and is back: go on where it was left, so that nothing is counted twice."""
        for other in list(self._tails.values()):
            if other.is_deleted() and tail.begins_like(other.position) and not tail.is_shorter(other.size()):
                self._let_go(other)
        for known in reversed(self.state.finished):
            if (known.deleted or known.key == tail.position.key) and tail.begins_like(known):
                own = tail.position
                tail.position = replace(known, path=own.path, device=own.device, inode=own.inode, deleted=False)
                return

    def _let_go(self, tail: Tail) -> None:
        del self._tails[tail.position.key]
        recent = self.state.stream(tail.position.stream)
        recent.changed_ns = max(recent.changed_ns, tail.seen_ns)
        self.state.finish(tail.position, deleted=tail.is_deleted())
        self.state.prune({other.position.stream for other in self._tails.values()})
        tail.close()

    def _add(self, tail: Tail) -> None:
        if tail.position.key in self._tails:  # the path changed hands between the look and the opening
            tail.close()
            return
        self._tails[tail.position.key] = tail
        tail.read_at = self.clock()
        if tail.position.stream not in self.state.streams:
            self.state.stream(tail.position.stream).changed_ns = tail.changed_ns()
        self._met = True
        _LOG.info("following %s from byte %d", tail.position.path, tail.position.offset)

    # -- reading ---------------------------------------------------------------------------------------------------

    def _advance(self, tail: Tail) -> bool:
        """Send the next batch of a file; whether there was one."""
        batch = tail.read()
        if tail.was_replaced():  # asked after reading: what was read came from the old content, or is not used
            self._begin_again(tail)
            return True
        if batch is None and tail.gone_at is not None and self.clock() - max(tail.gone_at, tail.read_at) >= GRACE_S:
            batch = tail.read(last=True)
            if batch is None:
                self._let_go(tail)
                self.state.save(other.position for other in self._tails.values())
                return False
        if batch is None:
            return False
        self._send(tail, batch)
        return True

    def _begin_again(self, tail: Tail) -> None:
        """The file was truncated or written anew. What was not read of the old content may stand in a copy beside it."""
        old = tail.position
        copy = find_again(old, set(self._tails))
        tail.position = Position(old.path, old.stream, old.device, old.inode, kind=old.kind)
        del self._tails[old.key]
        if copy is not None:
            self._add(Tail.open(copy, old.stream, old))
        self._tails[tail.position.key] = tail  # behind its copy

    def _send(self, tail: Tail, batch: Batch) -> None:
        position, recent = tail.position, self.state.stream(tail.position.stream)
        try:
            kind = self._keep(tail, batch, Identities(recent))
            recent.write()
        except BaseException:
            recent.undo()
            raise
        tail.advance(batch)
        position.kind = position.kind or kind
        tail.read_at = self.clock()
        recent.changed_ns = max(recent.changed_ns, tail.seen_ns)
        self.state.save(other.position for other in self._tails.values())
        recent.turn()

    def _keep(self, tail: Tail, batch: Batch, identities: Identities) -> str:
        """Decode and keep; the gateway kind that the lines have, '' when none was recognised."""
        position = tail.position
        kind = position.kind or self.format
        try:
            records = self.intake.decode("gateway", "json", batch.data, gateway=kind, identities=identities,
                                         first_line=position.line)
        except BadInput as error:
            counters = self.intake.counters
            with counters.lock:
                counters.rejected[counted_as(error.reason)] += batch.lines
            _LOG.warning("%s: %d lines from line %d on: %s", position.path, batch.lines, position.line, error.reason)
            return ""
        sources = records.calls["source"]
        kind = str(sources[0]) if kind == "auto" and sources else kind
        self.intake.take(records, kind)
        return "" if kind == "auto" else kind
