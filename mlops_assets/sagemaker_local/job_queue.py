"""Jobs before and while they run: they wait for a worker, run, can be stopped, end with the server.

Belongs here: what training, processing and transform jobs have in common between Create and their
end. Does not belong here: what a job does, and which status an end is recorded under.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from mlops_assets.sagemaker_local.errors import over_limit


class Run(Protocol):
    """One job's execution; it records its own end."""

    async def run(self) -> None:
        """Called once."""
        ...

    def stop(self) -> None:
        """Ask for the end; may be called again."""
        ...


class JobQueue:
    """At most ``workers`` jobs run at a time, at most ``limit`` run or wait.

    Args:
        noun: what the jobs are called in a refusal, in the plural.
    """

    def __init__(self, noun: str, *, workers: int, limit: int) -> None:
        self._noun = noun
        self._limit = limit
        self._workers = asyncio.Semaphore(workers)
        self._runs: dict[str, Run] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def check_room(self) -> None:
        """Raise ResourceLimitExceeded where no more jobs are taken."""
        if len(self._tasks) >= self._limit:
            raise over_limit(f"{len(self._tasks)} {self._noun} run or wait already: try later")

    def submit(self, name: str, new_run: Callable[[], Run]) -> None:
        """Run it once a worker is free; ``new_run`` is called then."""
        self._tasks[name] = task = asyncio.create_task(self._work(name, new_run))
        task.add_done_callback(lambda _: self._tasks.pop(name, None))

    def running(self, name: str) -> bool:
        """Whether it has got a worker."""
        return name in self._runs

    def stop(self, name: str) -> bool:
        """Ask a running job to end, or take a waiting one away: True if it was waiting.

        Who takes a job away records its end: nothing has been done of it yet.
        """
        if name in self._runs:
            self._runs[name].stop()
            return False
        self._tasks[name].cancel()
        return True

    async def shutdown(self) -> None:
        """Kill what runs; after a restart the truth is told about it."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _work(self, name: str, new_run: Callable[[], Run]) -> None:
        async with self._workers:
            self._runs[name] = run = new_run()
            try:
                await run.run()
            finally:
                del self._runs[name]
