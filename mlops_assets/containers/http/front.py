"""The serving process's event loop: listening, time limits, and the end.

Belongs here: what concerns all connections at once. Does not: one connection (protocol.py) or one
request (service.py).
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
from collections.abc import Callable
from time import perf_counter

import uvloop

from mlops_assets.containers.http.outgoing import Outgoing
from mlops_assets.containers.http.protocol import Connection
from mlops_assets.containers.http.service import Service

log = logging.getLogger(__name__)

# SageMaker kills a container 30 s after SIGTERM.
GRACE_SECONDS = 25.0

BACKLOG = 2048

# After SIGTERM a connection without a request stays open so long: what its caller had sent when the
# signal came is still answered, with `Connection: close`.
QUIET_SECONDS = 0.1


class Front:
    """All connections of this process."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.connections: set[Outgoing] = set()
        self.stopping = False

    async def run(self, listener: socket.socket) -> bool:
        """Serve until SIGTERM or SIGINT; whether every request was answered within the grace."""
        loop, stop = self.service.loop, asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        server = await loop.create_server(lambda: Connection(self), sock=listener, backlog=BACKLOG)
        limits = asyncio.create_task(self._keep_limits())
        await stop.wait()
        self.stopping = True
        server.close()
        listener.close()
        await asyncio.sleep(QUIET_SECONDS)
        deadline = perf_counter() + GRACE_SECONDS
        while (self.connections or self.service.metrics.pending) and perf_counter() < deadline:
            for connection in tuple(self.connections):
                connection.close_if_idle()
            await asyncio.sleep(0.01)
        limits.cancel()
        return not (self.connections or self.service.metrics.pending)

    async def _keep_limits(self) -> None:
        settings = self.service.settings
        shortest = min(settings.read_timeout, settings.keep_alive)
        while True:
            await asyncio.sleep(min(1.0, shortest / 4))
            now = perf_counter()
            for connection in tuple(self.connections):
                connection.check(now, settings.read_timeout, settings.keep_alive)


def serve_protocol(service: Service, listener: socket.socket) -> None:
    """Serve on httptools and uvloop until SIGTERM."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        answered = runner.run(Front(service).run(listener))
        service.close()
        if not answered:
            _give_up(service)


def serve_asgi(service: Service, listener: socket.socket) -> None:
    """Serve by uvicorn until SIGTERM: the other front, to compare with and to fall back to."""
    import uvicorn

    from mlops_assets.containers.http.asgi import App

    config = uvicorn.Config(
        App(service),
        loop="uvloop",
        http="httptools",
        lifespan="off",
        ws="none",
        access_log=False,
        log_config=None,
        server_header=False,
        date_header=False,
        backlog=BACKLOG,
        timeout_keep_alive=service.settings.keep_alive,
        timeout_graceful_shutdown=int(GRACE_SECONDS),
    )
    # uvicorn stops gracefully on SIGTERM and then raises the signal again for whoever handled it
    # before: that must not be the default, which would end the process as killed.
    signal.signal(signal.SIGTERM, lambda number, frame: None)
    uvicorn.Server(config).run(sockets=[listener])
    service.close()
    if service.metrics.pending:
        _give_up(service)


FRONTS: dict[str, Callable[[Service, socket.socket], None]] = {
    "protocol": serve_protocol,
    "asgi": serve_asgi,
}


def _give_up(service: Service) -> None:
    """End in spite of a thread that does not: the interpreter would wait for it."""
    log.error("%d requests were not answered in time for the end", service.metrics.pending)
    logging.shutdown()
    os._exit(1)
