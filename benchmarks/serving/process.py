"""A server as a process tree: started pinned to cores, asked for its memory and CPU, stopped.

Belongs here: what the operating system tells. Does not: HTTP beyond the first ping (cold start).
Linux only, like core pinning.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

START_SECONDS = 90.0
STOP_SECONDS = 15.0
MIB = 1024**2


class ServerFailed(Exception):
    """A server did not start, or ended; the message holds the end of its log."""


class Server:
    """A running server; a context manager that leaves no process behind."""

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], cores: set[int], log: Path
    ) -> None:
        self._log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        self.started = time.perf_counter()
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                command,
                env={**os.environ, **environment},
                cwd=log.parent,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=lambda: os.sched_setaffinity(0, cores),
            )

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *error: object) -> None:
        members = self._tree()
        self._process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_SECONDS)
        for member in {*members, *self._tree()}:
            try:
                member.kill()
            except psutil.NoSuchProcess:
                continue
        self._process.wait()

    def wait_for(self, port: int, ping: str) -> float:
        """Seconds from the start to the first 200 of `ping`. Raises ServerFailed if none comes."""
        while (waited := self.since_start()) < START_SECONDS:
            if self._process.poll() is not None:
                raise ServerFailed(f"ended with status {self._process.returncode}: {self.log()}")
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            try:
                connection.request("GET", ping)
                if connection.getresponse().status == 200:
                    return self.since_start()
            except (OSError, http.client.HTTPException):
                pass
            finally:
                connection.close()
            time.sleep(0.002)
        raise ServerFailed(f"no 200 from {ping} after {waited:.0f} s: {self.log()}")

    def since_start(self) -> float:
        """Seconds since the start."""
        return time.perf_counter() - self.started

    def cpu_seconds(self) -> float:
        """User and system time of all processes of the tree so far."""
        return sum(sum(member.cpu_times()[:2]) for member in self._tree())

    def memory_mib(self) -> float:
        """Resident memory of the tree, what processes share counted once (of the largest)."""
        own, shared = 0, 0
        for member in self._tree():
            memory = member.memory_full_info()
            own += memory.uss
            shared = max(shared, memory.rss - memory.uss)
        return (own + shared) / MIB

    def log(self) -> str:
        """The end of what the server wrote."""
        return self._log.read_text(errors="replace")[-2000:]

    def _tree(self) -> list[psutil.Process]:
        """Descendants, and those of the session whose parents are gone."""
        found = []
        for process in psutil.process_iter():
            try:
                if os.getsid(process.pid) == self._process.pid:
                    found.append(process)
            except (ProcessLookupError, PermissionError):
                continue
        descendants: set[psutil.Process] = set()
        for process in found:
            try:
                descendants.update(process.children(recursive=True))
            except psutil.NoSuchProcess:
                continue
        return list({*found, *descendants})


def free_port() -> int:
    """A port that nobody listens on, below 32,768: multi-model-server takes no other."""
    while True:
        port = random.randrange(10_000, 32_768)
        with socket.socket() as listener:
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
