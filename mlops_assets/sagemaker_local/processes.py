"""A supervised process, seen from the server.

Belongs here: starting a supervisor, asking it to stop, learning how its command ended. Does not
belong here: what is run (images.py), or what an exit means (job_run.py, hosting.py).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import tempfile
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

SUPERVISOR = Path(__file__).with_name("supervisor.py")
NAMESPACES = SUPERVISOR.with_name("namespaces.py")
PYTHON = (sys.executable, "-I", "-S")


@dataclass(frozen=True)
class Command:
    """What to run. ``mount`` is the directory that the command sees as /opt/ml, or None.

    Only where something is mounted: ``read_only`` are folders below /opt/ml, relative to it, and
    ``hosts`` is the file that the command sees as /etc/hosts. ``network`` is the /proc/<pid>/ns of
    a process whose network the command lives in; None is the machine's. ``notice`` is logged first.
    """

    argv: Sequence[str]
    env: Mapping[str, str]
    cwd: Path
    log: Path
    log_limit: int
    mount: Path | None
    read_only: Sequence[str] = ()
    hosts: Path | None = None
    network: str | None = None
    notice: str = ""


@dataclass(frozen=True)
class Exit:
    """How a command ended: ``code`` is negative for a signal, None if its supervisor was killed.

    Times in seconds since the epoch.
    """

    code: int | None
    started: float
    ended: float

    def describe(self) -> str:
        if self.code is None:
            return "its supervisor was killed"
        return f"exit code: {self.code}" if self.code >= 0 else f"killed by signal {-self.code}"


class Process:
    """One command under its supervisor; everything it started dies with it, or with the server."""

    def __init__(self, process: asyncio.subprocess.Process, result: Path) -> None:
        self._process = process
        self._result = result
        self._exit = asyncio.ensure_future(self._wait())

    @classmethod
    async def start(cls, command: Command, directory: Path) -> Process:
        """Start it; the supervisor's own files go to ``directory``."""
        for folder in (directory, command.cwd, command.log.parent):
            folder.mkdir(parents=True, exist_ok=True)
        name = uuid.uuid4().hex[:12]
        spec, result = directory / f"{name}.json", directory / f"{name}.exit"
        document = {
            "argv": list(command.argv),
            "env": dict(command.env),
            "cwd": str(command.cwd),
            "log": str(command.log),
            "log_limit": command.log_limit,
            "result": str(result),
            "mount": None if command.mount is None else str(command.mount),
            "read_only": list(command.read_only),
            "hosts": None if command.hosts is None else str(command.hosts),
            "network": command.network,
            "notice": command.notice,
        }
        spec.touch(mode=0o600)  # the environment may hold credentials
        spec.write_text(json.dumps(document))
        # A session of its own: Ctrl-C in a terminal reaches the server only, which then stops it.
        process = await asyncio.create_subprocess_exec(
            *PYTHON,
            str(SUPERVISOR),
            str(spec),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
        return cls(process, result)

    @property
    def running(self) -> bool:
        return not self._exit.done()

    def stop(self, grace: float) -> None:
        """SIGTERM now, SIGKILL after ``grace`` seconds; 0 is at once. May be called again."""
        pipe = self._process.stdin
        if self.running and pipe is not None:
            with contextlib.suppress(ConnectionError, RuntimeError):
                pipe.write(f"stop {grace}\n".encode())

    async def wait(self) -> Exit:
        """The end of the command and of everything it started."""
        return await asyncio.shield(self._exit)

    async def _wait(self) -> Exit:
        await self._process.wait()
        try:
            found = json.loads(self._result.read_text())
        except FileNotFoundError:
            return Exit(None, 0.0, 0.0)
        return Exit(found["exit_code"], found["started"], found["ended"])


async def mounts_allowed() -> bool:
    """Whether commands can be given the literal /opt/ml on this machine."""
    if sys.platform != "linux":
        return False
    with tempfile.TemporaryDirectory() as directory:
        probe = await asyncio.create_subprocess_exec(
            *PYTHON, str(NAMESPACES), "mounts", directory, stderr=asyncio.subprocess.DEVNULL
        )
        return await probe.wait() == 0
