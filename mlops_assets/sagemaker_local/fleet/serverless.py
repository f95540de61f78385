"""A serverless variant's model server: started by a request, stopped when none comes.

Belongs here: the slots that MaxConcurrency gives, waking and sleeping. Does not belong here: how a
model server is started and stopped (hosting.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager


class Sleeper:
    """``wake`` and ``sleep`` start and stop it; it sleeps after ``idle_s`` without a request.

    One model server answers all slots, where the service may run one for each.
    """

    def __init__(
        self,
        slots: int,
        idle_s: float,
        *,
        awake: Callable[[], bool],
        wake: Callable[[], Awaitable[None]],
        sleep: Callable[[], Awaitable[None]],
    ) -> None:
        self.slots = slots
        self.taken = 0
        self._idle_s = idle_s
        self._awake = awake
        self._wake = wake
        self._sleep = sleep
        self._waking: asyncio.Future[None] | None = None
        self._dozing: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    @property
    def full(self) -> bool:
        return self.taken >= self.slots

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Hold a slot with the model server awake. Raises what ``wake`` raises."""
        self.taken += 1
        try:
            while not self._awake() and not self._closed:
                # Shared by all who wait, and not ended by one who gives up.
                waking = self._woken()
                await asyncio.wait({waking})
                if not waking.cancelled():  # else it was closed: the caller finds nobody awake
                    waking.result()
            yield
        finally:
            self.taken -= 1
            self.rest()

    def rest(self) -> None:
        """Sleep in a while, if nothing comes."""
        if self._timer is not None:
            self._timer.cancel()
        if not self._closed:
            self._timer = asyncio.get_running_loop().call_later(self._idle_s, self._doze)

    async def close(self) -> None:
        """Neither wake nor sleep any more."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        tasks = [task for task in (self._waking, self._dozing) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _woken(self) -> asyncio.Future[None]:
        """The start that is going on, or else one begun."""
        if self._waking is None or self._waking.done():
            self._waking = asyncio.ensure_future(self._wake())
        return self._waking

    def _doze(self) -> None:
        if not self.taken and self._awake() and not self._closed:
            # It has left the variant at once: a request that comes now starts another.
            self._dozing = asyncio.ensure_future(self._sleep())
