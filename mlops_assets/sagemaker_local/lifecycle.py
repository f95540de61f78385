"""One server per home: found, started and stopped from any process, race-safe.

Belongs here: ensure_running, running, stop, and the two locks that they stand on. Does not belong
here: what the server does.

``server.lock`` is held by the server for as long as it lives, however it ends; whoever can lock it
knows that none is running. ``start.lock`` is held by whoever is starting one.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

LOG_NAME = "server.log"
_START_SECONDS = 60.0
_STOP_SECONDS = 15.0


@dataclass(frozen=True)
class Server:
    """A running server: its endpoint URL and process id."""

    url: str
    pid: int


class StartError(RuntimeError):
    """The server did not start; the message holds the end of its log."""


def default_objects(home: Path) -> str:
    """Buckets beside the home, as directories."""
    return f"dir:{home.parent / 'buckets'}"


def ensure_running(home: Path, *, objects: str | None = None) -> Server:
    """The server of ``home``, started as a detached process if there is none.

    ``objects`` is what open_objects takes (default: directories in ``<home>/../buckets``) and
    matters only if a server has to be started. Any number of processes may call this at once; one
    server results. Raises StartError with the server's own words if it cannot start.
    """
    home = home.absolute()
    home.mkdir(parents=True, exist_ok=True)
    with _locked(home / "start.lock"):
        found = running(home)
        if found is not None:
            return found
        command = [sys.executable, "-m", "mlops_assets.sagemaker_local", "--daemon"]
        command += ["--home", str(home), "--objects", objects or default_objects(home)]
        # The child finds this package where this process did, installed or not.
        paths = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
        env = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
        try:
            started = subprocess.run(
                command,
                env=env,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
                timeout=_START_SECONDS,
            )
            said = started.stderr.strip()[-2000:]
        except subprocess.TimeoutExpired:
            said = f"it was not ready after {_START_SECONDS:g} s"
        found = running(home)
    if found is None:
        raise StartError(
            f"The local SageMaker API did not start: {said} (its log: {home / LOG_NAME})"
        )
    return found


def running(home: Path) -> Server | None:
    """The server of ``home``, or None if none is running (or it is not ready yet)."""
    path = home / "server.lock"
    try:
        with path.open("rb") as file:
            if _try_lock(file, fcntl.LOCK_SH):
                return None
            found = json.loads(file.read() or b"null")
    except FileNotFoundError:
        return None
    return None if found is None else Server(found["url"], found["pid"])


def stop(home: Path) -> bool:
    """End the server of ``home`` and all that it runs; False if none was running.

    SIGTERM, and SIGKILL for a server that does not end; returns when it is gone.
    """
    with _locked(home / "start.lock") if home.is_dir() else contextlib.nullcontext():
        found = running(home)
        if found is None:
            return False
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.kill(found.pid, number)
            deadline = time.monotonic() + _STOP_SECONDS
            while time.monotonic() < deadline:
                if running(home) is None:
                    return True
                time.sleep(0.02)
    raise RuntimeError(f"process {found.pid} does not end")


@contextlib.contextmanager
def hold(home: Path) -> Iterator[BinaryIO]:
    """Be the server of ``home``: the lock, for publish(). Raises StartError if there is one."""
    # Not truncated on opening: until the lock is held, the text belongs to another server.
    descriptor = os.open(home / "server.lock", os.O_RDWR | os.O_CREAT, 0o600)
    with open(descriptor, "r+b", buffering=0) as file:
        deadline = time.monotonic() + 1.0  # running() holds the lock for an instant, too
        while not _try_lock(file, fcntl.LOCK_EX):
            if time.monotonic() > deadline:
                raise StartError(f"another server runs in {home}: {file.read().decode()}")
            time.sleep(0.01)
        file.truncate(0)
        yield file
        file.truncate(0)


def publish(lock: BinaryIO, url: str) -> None:
    """Tell other processes where this server is; by one write, so that it is read whole."""
    lock.seek(0)
    lock.write(json.dumps({"url": url, "pid": os.getpid()}).encode())


def _try_lock(file: BinaryIO, mode: int) -> bool:
    try:
        fcntl.flock(file, mode | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
