"""The load generator: closed loop and open loop over raw sockets, each answer checked.

Belongs here: sockets and clocks. Does not: what is right (answers.py), or where it runs: whoever
calls pins itself to a core first. One thread does some 40,000 requests/s; how near it came to that
is in `Result.busy`.
"""

from __future__ import annotations

import gc
import random
import select
import socket
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from benchmarks.serving.answers import Checker, WrongAnswer

Address = tuple[str, int]
RECEIVE = 1 << 14
# A server that says nothing for so long has failed, however slow.
SILENCE_SECONDS = 30.0


@dataclass(frozen=True)
class Result:
    """What was measured: answered requests, seconds, latencies in seconds in order of completion.

    `busy`: CPU seconds of the generator by wall seconds (1: it, not the server, is the limit).
    """

    seconds: float
    latencies: tuple[float, ...]
    busy: float

    @property
    def rate(self) -> float:
        """Requests answered a second."""
        return len(self.latencies) / self.seconds

    def quantile(self, share: float) -> float:
        """Seconds within which `share` of the requests were answered."""
        return float(np.quantile(self.latencies, share))


class _Connection:
    __slots__ = ("address", "data", "request", "socket", "started")

    def __init__(self, address: Address) -> None:
        self.address = address
        self.data = b""
        self.request = -1
        self.started = 0.0
        self.open()

    def open(self) -> None:
        self.socket = socket.create_connection(self.address, timeout=SILENCE_SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # With a timeout Python would ask poll() before every recv() and send().
        self.socket.settimeout(None)

    def send(self, body: bytes, request: int, started: float) -> None:
        self.request, self.started, self.data = request, started, b""
        self.socket.sendall(body)


class Generator:
    """Sends `requests` (whole HTTP requests) in rotation over `connections`, and checks."""

    def __init__(
        self, address: Address, requests: Sequence[bytes], checker: Checker, connections: int
    ) -> None:
        self._address = address
        self._requests = requests
        self._checker = checker
        self._next = 0
        self._connections: dict[int, _Connection] = {}
        self._poll = select.epoll()
        for _ in range(connections):
            self._register(_Connection(address))

    def close(self) -> None:
        """Close all connections."""
        for connection in self._connections.values():
            connection.socket.close()
        self._poll.close()

    def closed_loop(self, seconds: float, *, spin: bool = False) -> Result:
        """Each connection sends its next request when the last is answered.

        With `spin` the generator never sleeps: its own wake-up is not part of the latency.
        """
        latencies: list[float] = []
        connections, poll, clock = self._connections, self._poll.poll, time.perf_counter
        with _undisturbed():
            cpu, begun = time.thread_time(), clock()
            end = begun + seconds
            for connection in list(connections.values()):
                self._send(connection, clock())
            waiting = len(connections)
            while waiting:
                events = poll(0 if spin else SILENCE_SECONDS)
                if not events and (not spin or clock() > end + SILENCE_SECONDS):
                    raise WrongAnswer(f"no answer for {SILENCE_SECONDS} s")
                for descriptor, _ in events:
                    connection = connections[descriptor]
                    if not self._receive(connection):
                        continue
                    now = clock()
                    latencies.append(now - connection.started)
                    if now < end:
                        self._send(connection, now)
                    else:
                        waiting -= 1
            took = clock() - begun
            return Result(took, tuple(latencies), (time.thread_time() - cpu) / took)

    def open_loop(self, seconds: float, rate: float, most: int, seed: int = 0) -> Result:
        """Requests at random instants, `rate` a second, whatever is still unanswered.

        A latency counts from the instant at which its request was due: waiting for a free
        connection is part of it. Up to `most` connections are opened as they are needed (some
        servers give a thread to each that is open, whether it asks something or not).
        """
        latencies: list[float] = []
        random_ = random.Random(seed)
        clock = time.perf_counter
        with _undisturbed():
            cpu, begun = time.thread_time(), clock()
            arrivals, due = deque[float](), begun
            while (due := due + random_.expovariate(rate)) < begun + seconds:
                arrivals.append(due)
            total = len(arrivals)
            free = list(self._connections.values())
            heard = begun
            while len(latencies) < total:
                now = clock()
                while arrivals and arrivals[0] <= now:
                    if not free and len(self._connections) < most:
                        free.append(self._register(_Connection(self._address)))
                    if not free:
                        break
                    self._send(free.pop(), arrivals.popleft())
                for descriptor, _ in self._poll.poll(0):
                    connection = self._connections[descriptor]
                    if self._receive(connection):
                        heard = clock()
                        latencies.append(heard - connection.started)
                        free.append(connection)
                if len(free) == len(self._connections):
                    heard = now
                elif now - heard > SILENCE_SECONDS:
                    raise WrongAnswer(f"no answer for {SILENCE_SECONDS} s")
            took = clock() - begun
            return Result(took, tuple(latencies), (time.thread_time() - cpu) / took)

    def _send(self, connection: _Connection, started: float) -> None:
        request = self._next
        self._next = (request + 1) % len(self._requests)
        connection.send(self._requests[request], request, started)

    def _receive(self, connection: _Connection) -> bool:
        """Read what has come; whether the answer is complete and, if not, raise or wait."""
        data = connection.socket.recv(RECEIVE)
        if not data:
            raise WrongAnswer(f"connection closed after {connection.data[:200]!r}")
        if connection.data:
            data = connection.data + data
        if not self._checker.complete(data, connection.request):
            connection.data = data
            return False
        if self._checker.closes(data):
            del self._connections[connection.socket.fileno()]
            connection.socket.close()
            connection.open()
            self._register(connection)
        return True

    def _register(self, connection: _Connection) -> _Connection:
        descriptor = connection.socket.fileno()
        self._connections[descriptor] = connection
        self._poll.register(descriptor, select.EPOLLIN)
        return connection


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Without the garbage collector: its pauses would be the server's latencies."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
