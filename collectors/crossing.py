"""Results on their way from threads into the event loop. Those that come together cross together: a group commit answers hundreds
of requests at once, and to wake the loop for each of them would cost more than to answer."""

from __future__ import annotations

import asyncio
from collections import deque
from concurrent.futures import Future
from typing import Any


class Crossing:
    """Of one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._called = False

    async def wait(self, future: Future[Any]) -> None:
        """Return in the loop when the future is done, whatever its result."""
        if future.done():
            return
        here: asyncio.Future[None] = self._loop.create_future()
        future.add_done_callback(lambda _: self._arrive(here))
        await here

    def _arrive(self, here: asyncio.Future[None]) -> None:
        """On any thread."""
        self._waiting.append(here)
        if not self._called:
            self._called = True
            self._loop.call_soon_threadsafe(self._land)

    def _land(self) -> None:
        self._called = False  # before the queue is emptied: who comes later calls again
        while self._waiting:
            here = self._waiting.popleft()
            if not here.done():
                here.set_result(None)
