"""Send payloads through the product's front door like any other client: keep-alive, back-off, counts."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

import urllib3

from triage.simulator.traffic import Payload, Simulator

RETRY_STATUSES: Final = frozenset({429, 502, 503, 504})
_TRIES: Final = 8
_FIRST_PAUSE_S: Final = 0.2
_LONGEST_PAUSE_S: Final = 5.0
_CATCH_UP_NS: Final = 600 * 1_000_000_000
_TIMEOUT_S: Final = 30.0


@dataclass(slots=True)
class Sent:
    """What came of the sending. Records count when their request was acknowledged."""

    requests: int = 0
    calls: int = 0
    spans: int = 0
    logs: int = 0
    retries: int = 0
    refused: Counter[str] = field(default_factory=Counter)  # 'path status' of requests that were given up


Progress = Callable[[Sent], None]


class Sender:
    """One connection to the front door."""

    def __init__(
        self,
        base_url: str,
        token: str | None = None,
        *,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._base_url, self._sleep = base_url.rstrip("/"), sleep
        self._pool = urllib3.PoolManager(num_pools=1, maxsize=1, retries=False, timeout=_TIMEOUT_S)
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    def __call__(self, payload: Payload, sent: Sent) -> None:
        """Send one payload, with patience for a busy or restarting service, and count what came of it."""
        status, pause = "", _FIRST_PAUSE_S
        for attempt in range(_TRIES):
            if attempt:
                sent.retries += 1
                self._sleep(pause)
            status, wish = self._post(payload)
            if status == "200":
                sent.requests, sent.calls = sent.requests + 1, sent.calls + payload.calls
                sent.spans, sent.logs = sent.spans + payload.spans, sent.logs + payload.logs
                return
            if status != "unreachable" and int(status) not in RETRY_STATUSES:
                break
            pause = min(wish or _FIRST_PAUSE_S * 2**attempt, _LONGEST_PAUSE_S)
        sent.refused[f"{payload.path} {status}"] += 1

    def _post(self, payload: Payload) -> tuple[str, float]:
        """Status of one attempt and the pause that the service asked for in seconds, 0 without one."""
        headers = {"Content-Type": payload.content_type, **self._headers}
        try:
            answer = self._pool.request(
                "POST", self._base_url + payload.path, body=payload.body, headers=headers
            )
        except urllib3.exceptions.HTTPError:
            return "unreachable", 0.0
        wish = answer.headers.get("Retry-After", "")
        return str(answer.status), float(wish) if wish.isdigit() else 0.0


def send(
    payloads: Iterable[Payload],
    base_url: str,
    token: str | None = None,
    progress: Progress | None = None,
) -> Sent:
    """Send all payloads one after the other; `progress` hears the counts after each."""
    sender, sent = Sender(base_url, token), Sent()
    for payload in payloads:
        sender(payload, sent)
        if progress is not None:
            progress(sent)
    return sent


def run_live(
    simulator: Simulator,
    base_url: str,
    clock: Callable[[], int],
    stop: threading.Event,
    *,
    token: str | None = None,
    slice_s: float = 1.0,
    since_ns: int | None = None,
    progress: Progress | None = None,
) -> Sent:
    """Send calls as they are answered, a slice of time at once, until `stop` is set.

    `clock` tells nanoseconds since 1970. Sending begins at `since_ns` (the end of a back-fill) or now; after a long
    pause of the machine at most ten minutes are made up for.
    """
    sender, sent = Sender(base_url, token, sleep=stop.wait), Sent()
    done_ns = clock() if since_ns is None else since_ns
    while not stop.wait(slice_s):
        now_ns = clock()
        done_ns = max(done_ns, now_ns - _CATCH_UP_NS)
        for payload in simulator.play(done_ns, now_ns):
            sender(payload, sent)
            if progress is not None:
                progress(sent)
            if stop.is_set():
                break
        done_ns = max(done_ns, now_ns)
    return sent
