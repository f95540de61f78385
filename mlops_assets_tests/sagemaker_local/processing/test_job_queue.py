"""The queue that all kinds of jobs wait in."""

from __future__ import annotations

import asyncio

import pytest

from mlops_assets.sagemaker_local.errors import ApiError
from mlops_assets.sagemaker_local.job_queue import JobQueue


class Waits:
    """A job that ends when it is told to."""

    def __init__(self, log: list[str], name: str) -> None:
        self._log = log
        self._name = name
        self._ends = asyncio.Event()

    def stop(self) -> None:
        self._ends.set()

    async def run(self) -> None:
        self._log.append(f"{self._name} begins")
        try:
            await self._ends.wait()
            self._log.append(f"{self._name} ends")
        except asyncio.CancelledError:
            self._log.append(f"{self._name} is killed")
            raise


def test_jobs_wait_in_order_can_be_taken_away_and_are_killed_with_the_server() -> None:
    """A stopped job that runs after all, or one that outlives its server."""

    async def story() -> list[str]:
        log: list[str] = []
        queue = JobQueue("jobs", workers=1, limit=3)
        for name in ("one", "two", "three"):
            queue.check_room()
            queue.submit(name, lambda name=name: Waits(log, name))
        with pytest.raises(ApiError, match="3 jobs run or wait already"):
            queue.check_room()
        await asyncio.sleep(0.01)
        assert (queue.running("one"), queue.running("two")) == (True, False)
        assert queue.stop("two") is True
        assert queue.stop("one") is False
        await asyncio.sleep(0.01)
        queue.check_room()
        await queue.shutdown()
        return log

    assert asyncio.run(story()) == ["one begins", "one ends", "three begins", "three is killed"]
