"""Results cross from threads into the event loop: all of them, together, and past those who no longer wait."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from typing import Any

from collectors.crossing import Crossing


def test_all_arrive_whichever_thread_they_come_from() -> None:
    futures: list[Future[int]] = [Future() for _ in range(400)]
    failed: Future[int] = Future()

    async def run() -> int:
        crossing = Crossing(asyncio.get_running_loop())
        threads = [threading.Thread(target=lambda part: [f.set_result(1) for f in part], args=(futures[i::4],)) for i in range(4)]
        threads.append(threading.Thread(target=failed.set_exception, args=(ValueError(),)))
        waiting = [asyncio.ensure_future(crossing.wait(future)) for future in (*futures, failed)]
        await asyncio.sleep(0)
        for thread in threads:
            thread.start()
        done, late = await asyncio.wait(waiting, timeout=30)
        assert not late and all(task.exception() is None for task in done), "what failed is the asker's to look at"
        await crossing.wait(futures[0])  # done already
        return len(done)

    assert asyncio.run(run()) == 401


def test_results_that_come_together_wake_the_loop_once() -> None:
    async def run() -> int:
        loop = asyncio.get_running_loop()
        calls: list[Any] = []
        crossing = Crossing(loop)
        wake, loop.call_soon_threadsafe = loop.call_soon_threadsafe, lambda *a, **k: (calls.append(a), wake(*a, **k))[1]  # type: ignore
        futures: list[Future[int]] = [Future() for _ in range(50)]
        waiting = [asyncio.ensure_future(crossing.wait(future)) for future in futures]
        await asyncio.sleep(0)
        for future in futures:
            future.set_result(1)
        await asyncio.gather(*waiting)
        return len(calls)

    assert asyncio.run(run()) == 1


def test_who_no_longer_waits_holds_up_nobody() -> None:
    async def run() -> None:
        crossing = Crossing(asyncio.get_running_loop())
        gone: Future[int] = Future()
        here: Future[int] = Future()
        left = asyncio.ensure_future(crossing.wait(gone))
        stays = asyncio.ensure_future(crossing.wait(here))
        await asyncio.sleep(0)
        left.cancel()
        gone.set_result(1)
        here.set_result(1)
        await asyncio.wait_for(stays, 30)
        assert left.cancelled()

    asyncio.run(run())
