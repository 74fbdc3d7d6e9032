"""APScheduler lives here only: runs plain functions, never overlapping, and stops when told."""

from __future__ import annotations

import logging
from collections.abc import Callable

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler


class Jobs:
    """Named jobs at fixed intervals. A run that is missed because the last one is still going is caught up with one run."""

    def __init__(self) -> None:
        self._scheduler = BackgroundScheduler(
            executors={"default": ThreadPoolExecutor(8)}, timezone="UTC",
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )

    def every(self, seconds: float, name: str, work: Callable[[], object]) -> None:
        """Run `work` now and then every `seconds`. What it raises is logged, and the next run comes as usual."""

        def guarded() -> None:
            try:
                work()
            except Exception:
                logging.getLogger("triage.scheduler").exception("the job %s failed; it runs again at its next time", name)

        self._scheduler.add_job(guarded, "interval", seconds=seconds, id=name)

    def start(self) -> None:
        """Begin."""
        self._scheduler.start()

    def stop(self) -> None:
        """Let running jobs end, and start no more."""
        self._scheduler.shutdown(wait=True)
