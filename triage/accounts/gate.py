"""Who may send records. Asked at every request, so it remembers its answers for a moment, and for as long as the store is away:
a sender that was allowed goes on being allowed then, also by a process that starts meanwhile, and its batches reach the spool."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError, ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from triage.accounts.accounts import Accounts
from triage.accounts.permissions import Role
from triage.domain.windows import DAY_NS, HOUR_NS, NS
from triage.errors import StoreUnavailable

_FRESH_NS: Final = NS
_AWAY_NS: Final = 5 * NS  # before the store is asked again, which may take long
_PATIENCE_S: Final = 2.0  # of a sender whose token must be looked up; senders give up after 10 s
_MOST: Final = 10_000  # answers
_MOST_ASKED: Final = 1_000  # at a time
INGEST: Final[tuple[Role, ...]] = ("ingest", "administrator")
Answer = str | None
_REFUSED: Final = "the token is unknown, revoked or not for ingest; make one with `triage token create --role ingest`"
_NEEDED: Final = "an ingest token is needed: send `Authorization: Bearer <token>`"
_EMPTY: Final = sha256(b"").digest()


class IngestGate:
    """Threads and event loops may share it: `answer` never waits for the store.

    `open_until_token`: let senders in without a token until one exists (on loopback only). `memory`: a file where answers outlive
    this process; it holds hashes of headers, which hold 192 random bits.
    """

    def __init__(
        self, accounts: Accounts, clock: Callable[[], int], *, open_until_token: bool = True, memory: Path | None = None,
        roles: tuple[Role, ...] = INGEST, refused: str = _REFUSED, patience_s: float = _PATIENCE_S,
    ) -> None:
        self._accounts, self._clock, self._open, self._memory = accounts, clock, open_until_token, memory
        self._roles, self._refused, self._patience_s = roles, refused, patience_s
        self._answers: dict[bytes, tuple[Answer, int]] = {}  # by hash of the header: the answer, and until when it is fresh
        self._asked: dict[bytes, Future[Answer]] = {}
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(2, "tokens")
        self._kept = _remembered(memory, clock()) if memory else {}  # what the file holds: the answer, and when it was given
        self._answers.update((key, (answer, 0)) for key, (answer, _) in self._kept.items())

    def refusal(self, header: str) -> Answer:
        """`answer`, waited for. Raises StoreUnavailable."""
        found = self.answer(header)
        return found.result() if isinstance(found, Future) else found

    def answer(self, header: str) -> Answer | Future[Answer]:
        """None when ingest is allowed with this Authorization header, else the reason; a future of it where the store must be asked.

        The future comes within the patience. It raises StoreUnavailable for a header that was not seen before the store went away.
        """
        key, now = sha256(header.encode("utf-8", "replace")).digest(), self._clock()
        known = self._answers.get(key)
        if known and now < known[1] <= now + _AWAY_NS:
            return known[0]
        with self._lock:
            asked = self._asked.get(key)
            if asked is not None:
                return known[0] if known else asked
            if len(self._asked) >= _MOST_ASKED:
                raise StoreUnavailable("too many tokens wait to be checked; send again later")
            asked = self._asked[key] = Future()
        patience = threading.Timer(self._patience_s, self._settle, (key, asked, StoreUnavailable("the store does not answer"), None))
        patience.daemon = True
        patience.start()
        self._pool.submit(self._look_up, key, header, asked, patience)
        return asked

    def close(self) -> None:
        """End, without waiting for a store that hangs."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _look_up(self, key: bytes, header: str, asked: Future[Answer], patience: threading.Timer) -> None:
        try:
            answer, error = self._ask(header, self._clock()), None
        except StoreUnavailable as away:
            answer, error = None, away
        patience.cancel()
        self._settle(key, asked, error, answer)
        with self._lock:
            self._asked.pop(key, None)
        if error is None:
            self._remember(key, answer)

    def _settle(self, key: bytes, asked: Future[Answer], error: StoreUnavailable | None, answer: Answer) -> None:
        """Give the answer, or without the store the last one; and keep it for a while."""
        known, now = self._answers.get(key), self._clock()
        if error is None:
            self._keep(key, answer, now + _FRESH_NS)
        elif known or (key == _EMPTY and self._open):
            answer = known[0] if known else None
            self._keep(key, answer, now + _AWAY_NS)
            error = None
        with contextlib.suppress(InvalidStateError):  # it was settled already, when the patience ended
            if error is None:
                asked.set_result(answer)
            else:
                asked.set_exception(StoreUnavailable(f"the token cannot be checked: {error}", error.retry_after_s))

    def _keep(self, key: bytes, answer: Answer, until_ns: int) -> None:
        if len(self._answers) >= _MOST:
            self._answers.clear()
        self._answers[key] = (answer, until_ns)

    def _ask(self, header: str, now_ns: int) -> Answer:
        token = header.removeprefix("Bearer ").strip()
        if token:
            principal = self._accounts.verify_token(token, now_ns)
            return None if principal is not None and principal.role in self._roles else self._refused
        return None if self._open and not self._accounts.has_tokens("ingest") else _NEEDED

    def _remember(self, key: bytes, answer: Answer) -> None:
        """Write the file when it would say something else after a new start."""
        now, kept = self._clock(), self._kept.get(key)
        if self._memory is None or (kept and kept[0] == answer and now - kept[1] < HOUR_NS):
            return
        with self._lock:
            self._kept = {k: v for k, v in self._kept.items() if now - v[1] < DAY_NS}
            if answer is None or key == _EMPTY:
                self._kept[key] = (answer, now)
            elif self._kept.pop(key, None) is None:
                return
            lines: list[Any] = [[k.hex(), text, at] for k, (text, at) in self._kept.items()]
            with contextlib.suppress(OSError):  # the disk is full or gone: the next start knows less
                new = self._memory.with_suffix(".part")
                new.touch(mode=0o600)
                new.write_text(json.dumps(lines), "ascii")
                new.replace(self._memory)


def _remembered(file: Path, now_ns: int) -> dict[bytes, tuple[Answer, int]]:
    try:
        return {bytes.fromhex(key): (answer, at) for key, answer, at in json.loads(file.read_bytes()) if now_ns - at < DAY_NS}
    except (OSError, ValueError, TypeError):  # none yet, or cut off by a loss of power
        return {}
