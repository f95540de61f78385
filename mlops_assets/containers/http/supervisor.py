"""Several serving processes on one port, one a core: started, watched, restarted and ended.

Belongs here: the workers' lives. Does not: serving, or anything that holds a model: this process
stays small. It reserves the port without listening; the kernel spreads connections over the workers
that do (SO_REUSEPORT).
"""

from __future__ import annotations

import os
import selectors
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass, replace
from math import inf
from time import monotonic

from mlops_assets.containers.http import board
from mlops_assets.containers.http.membership import GO, LISTENS, READY, VARIABLE, announce, bind
from mlops_assets.containers.serve_settings import ServeSettings

# Workers get 25 s for what is in flight; SageMaker kills the container after 30.
GRACE_SECONDS = 27.0

# A worker that lived for less is not replaced at once.
SHORT_LIFE_SECONDS = 10.0
PAUSE_SECONDS = 1.0


@dataclass(frozen=True)
class Worker:
    """A serving process, and the supervisor's end of its channel."""

    index: int
    process: subprocess.Popen[bytes]
    channel: socket.socket
    since: float
    state: bytes = b""


class Supervisor:
    """Runs `settings.workers` processes until SIGTERM."""

    def __init__(self, settings: ServeSettings) -> None:
        self._settings = settings
        self._port = bind(settings.host, settings.port, shared=True)
        self._board = board.create(settings.workers)
        self._selector = selectors.DefaultSelector()
        self._workers: dict[int, Worker] = {}
        self._due: dict[int, float] = {}  # when a worker is to be replaced
        self._opened = self._announced = False
        self._asked = False  # to stop, by a signal
        self._kill_at: float | None = None  # set while stopping
        self._status = 0

    def run(self) -> int:
        """Serve; returns the exit status: 0 after SIGTERM, a worker's own if it never got ready."""
        woken, waker = socket.socketpair()
        woken.setblocking(False)
        waker.setblocking(False)
        signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda number, frame: self._ask())
        self._selector.register(woken, selectors.EVENT_READ, None)
        for index in range(self._settings.workers):
            self._start(index)
        try:
            while self._workers or self._due:
                self._turn(woken)
        finally:
            for worker in self._workers.values():
                worker.process.kill()
                worker.process.wait()
        return self._status

    def _turn(self, woken: socket.socket) -> None:
        if self._asked and self._kill_at is None:
            self._stop()
        times = [*self._due.values(), *([self._kill_at] if self._kill_at else [])]
        timeout = max(0.0, min(times) - monotonic()) if times else inf
        for key, _ in self._selector.select(timeout if timeout < inf else None):
            if key.data is None:
                woken.recv(4096)
            else:
                self._heard(self._workers[key.data])
        if self._kill_at and monotonic() > self._kill_at:
            for worker in self._workers.values():
                worker.process.kill()
            self._kill_at = inf
        for index in [i for i, due in self._due.items() if due <= monotonic()]:
            del self._due[index]
            self._start(index)

    def _start(self, index: int) -> None:
        ours, theirs = socket.socketpair()
        port = self._port.getsockname()[1]
        process = subprocess.Popen(
            [sys.executable, *sys.orig_argv[1:]],
            env={
                **os.environ,
                "SAGEMAKER_BIND_TO_PORT": str(port),
                VARIABLE: f"{index},{theirs.fileno()},{self._board}",
            },
            pass_fds=(theirs.fileno(), self._board),
        )
        theirs.close()
        self._workers[index] = Worker(index, process, ours, monotonic())
        self._selector.register(ours, selectors.EVENT_READ, index)

    def _heard(self, worker: Worker) -> None:
        try:
            said = worker.channel.recv(1)
        except ConnectionResetError:
            said = b""
        if not said:
            self._ended(worker)
            return
        self._workers[worker.index] = replace(worker, state=said)
        states = [other.state for other in self._workers.values()]
        if said == READY and self._opened:
            worker.channel.sendall(GO)
        elif len(states) == self._settings.workers and all(state == READY for state in states):
            self._opened = True
            for other in self._workers.values():
                other.channel.sendall(GO)
        if not self._announced and states.count(LISTENS) == self._settings.workers:
            self._announced = True
            announce(self._port)

    def _ended(self, worker: Worker) -> None:
        self._selector.unregister(worker.channel)
        worker.channel.close()
        status = worker.process.wait()
        del self._workers[worker.index]
        if self._kill_at is not None:
            return
        if not self._opened:  # what one cannot load, none can
            self._status = status if status > 0 else 1
            self._stop()
            return
        print(f"serve: worker {worker.index} ended with status {status}", file=sys.stderr)
        short = monotonic() - worker.since < SHORT_LIFE_SECONDS
        self._due[worker.index] = monotonic() + (PAUSE_SECONDS if short else 0.0)

    def _ask(self) -> None:
        """The signal handler; the wake-up descriptor ends the wait of `_turn`."""
        self._asked = True

    def _stop(self) -> None:
        """Pass the signal on; what a worker has in flight it finishes."""
        self._due.clear()
        self._kill_at = monotonic() + GRACE_SECONDS
        for worker in self._workers.values():
            worker.process.terminate()
