"""One model server process: started, pinged until healthy, restarted if it dies.

Belongs here: the life of one process. Does not belong here: which model it serves and how many of
it there are (hosting.py), requests (runtime.py).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import socket
from collections.abc import Callable
from pathlib import Path

from mlops_assets.sagemaker_local.http_client import Client
from mlops_assets.sagemaker_local.processes import Command, Exit, Process

HOST = "127.0.0.1"
_PING_SECONDS = 2.0
_PING_PAUSE = 0.05
# A server with one thread may be busy for an invocation's 60 s; longer is dead.
_WATCH_SECONDS, _UNANSWERED = 10.0, 7
_FIRST_PORT, _PORTS = 20_000, 12_000  # below the range from which outgoing connections are numbered
log = logging.getLogger(__name__)


class Unhealthy(Exception):
    """The process ended, or did not answer 200 to /ping in time."""


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    while True:
        port = _FIRST_PORT + secrets.randbelow(_PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((HOST, port))
            return port


class Replica:
    """``in_flight`` counts the requests that are being answered; ``ready`` says it may get more."""

    def __init__(
        self,
        command: Callable[[int], Command],
        directory: Path,
        limit: float,
        sick: Callable[[], bool] = lambda: False,
    ) -> None:
        """``sick``: whether /ping is to count as not answered, whatever it answers."""
        self._command = command
        self._sick = sick
        self._directory = directory
        self._limit = limit
        self._process: Process | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._stopping = False
        self.client: Client | None = None
        self.in_flight = 0

    @property
    def ready(self) -> bool:
        return self.client is not None and not self._stopping

    async def start(self) -> None:
        """Return when /ping has answered 200. Raises Unhealthy, with nothing left running."""
        await self._launch()
        self._keeper = asyncio.create_task(self._keep())

    async def stop(self, grace: float) -> None:
        """SIGTERM, and SIGKILL after ``grace`` seconds."""
        self._stopping = True
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        if self.client is not None:
            self.client.close()
        if self._process is not None:
            self._process.stop(grace)
            await self._process.wait()

    async def _launch(self) -> None:
        port = free_port()
        self._process = process = await Process.start(self._command(port), self._directory)
        client = Client(HOST, port)
        try:
            async with asyncio.timeout(self._limit):
                while not await self._healthy(client):
                    if not process.running:
                        raise Unhealthy(f"it ended ({(await process.wait()).describe()})")
                    await asyncio.sleep(_PING_PAUSE)
        except BaseException as error:
            client.close()
            process.stop(0)
            await process.wait()
            if isinstance(error, TimeoutError):
                raise Unhealthy(f"no 200 from /ping within {self._limit:g} s") from error
            raise
        self.client = client

    async def _healthy(self, client: Client) -> bool:
        if self._sick():
            return False
        with contextlib.suppress(ConnectionError, TimeoutError):
            async with asyncio.timeout(_PING_SECONDS):
                return (await client.request("GET", "/ping", {}, b"", 65536)).status == 200
        return False

    async def _watch(self, process: Process) -> Exit:
        """The end of the process, which is brought about if it stops answering pings."""
        unanswered = 0
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_WATCH_SECONDS):
                    return await process.wait()
            if self.client is not None and await self._healthy(self.client):
                unanswered = 0
            else:
                unanswered += 1
            if unanswered == _UNANSWERED:
                log.warning("a model server in %s does not answer /ping", self._directory)
                process.stop(0)

    async def _keep(self) -> None:
        """Start it again whenever it has died, with growing pauses while that does not help."""
        pause = 0.1
        while True:
            assert self._process is not None  # noqa: S101
            exit_ = await self._watch(self._process)
            client, self.client = self.client, None
            if client is not None:
                client.close()
                pause = 0.1
            log.warning("a model server in %s ended (%s)", self._directory, exit_.describe())
            await asyncio.sleep(pause)
            pause = min(2 * pause, 10.0)
            with contextlib.suppress(Unhealthy):
                await self._launch()
