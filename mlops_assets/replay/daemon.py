"""Dagster's daemon, running for as long as a replay needs it.

Here: its home's configuration, starting it and its code server, ending both and what they started.
Not here: what it runs (`location`), nor waiting for that (`waiting`).
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from mlops_assets.replay.plan import ReplayError, folder

_LOADED_S = 300.0
# How long the daemon waits for a run's process: on a busy machine a minute is not enough, and the
# run fails for it.
_PATIENT = {"DAGSTER_GRPC_TIMEOUT_SECONDS": "300"}
_POLL_S = 0.1
_LOCATION = "mlops_assets.replay.location"
# The project's own configuration with the queue and the sensors looked after more often.
_PACE: dict[str, Any] = {
    "telemetry": {"enabled": False},
    "run_queue": {"dequeue_interval_seconds": 1},
    "sensors": {"use_threads": True, "num_workers": 4},
    # What was interrupted with the replay is started once more when it goes on.
    "run_retries": {"enabled": True, "max_retries": 2, "retry_on_asset_or_op_failure": False},
}


def prepare(home: Path) -> Path:
    """Dagster's home within the replay's, with its ``dagster.yaml``; returns it."""
    own = Path("dagster.yaml")
    given = yaml.safe_load(own.read_text()) if own.is_file() else {}
    dagster_home = home / "dagster"
    dagster_home.mkdir(parents=True, exist_ok=True)
    (dagster_home / "dagster.yaml").write_text(yaml.safe_dump({**given, **_PACE}))
    return dagster_home


@dataclass(frozen=True)
class Daemon:
    """The daemon and the code server that it asks, each in a process group of its own.

    The server is one for the whole replay: of one that the daemon starts itself it would start
    another every minute, and each imports everything anew.
    """

    home: Path
    server: subprocess.Popen[bytes]
    process: subprocess.Popen[bytes]

    def check(self) -> None:
        """Raise ReplayError, with the end of the log, if either has ended by itself."""
        for name, process in (("daemon", self.process), ("code server", self.server)):
            if process.poll() is None:
                continue
            log = _log(self.home)
            said = log.read_text(errors="replace")[-2000:]
            raise ReplayError(
                f"the {name} ended with exit status {process.returncode}. The end of {log}:\n{said}"
            )


@contextmanager
def running(home: Path) -> Iterator[Daemon]:
    """The daemon on the replay's definitions, ended at the end.

    Both are killed rather than asked to end. Asked, Dagster fails the ticks that just begin, and
    the runs: a killed tick counts as begun, and the next daemon looks again; a killed run is
    started once more (`failures.bury`), and adopts its training job, which a failed one would not.

    Raises:
        ReplayError: the definitions cannot be loaded.
    """
    with tempfile.TemporaryDirectory(prefix="mlops-") as place:  # a socket's path must be short
        socket = Path(place) / "code"
        workspace = home / "dagster" / "workspace.yaml"
        location = {"grpc_server": {"socket": str(socket), "location_name": _LOCATION}}
        workspace.write_text(yaml.safe_dump({"load_from": [location]}))
        code = ("-m", _LOCATION, "-d", str(Path.cwd()), "-s", str(socket))
        server = _start(home, "dagster", "api", "grpc", *code, "--log-level", "error")
        try:
            _until_answers(home, server, socket)
            process = _start(
                home, "dagster-daemon", "run", "-w", str(workspace), "--log-level", "warning"
            )
            try:
                yield Daemon(home, server, process)
            finally:
                _end(process)
        finally:
            _end(server)


def _start(home: Path, program: str, *arguments: str) -> subprocess.Popen[bytes]:
    # What an idle thread of a training or a scoring burns, others need: there are few cores.
    environment = {"OMP_WAIT_POLICY": "PASSIVE", **_PATIENT, **os.environ}
    environment |= {"MLOPS_HOME": str(home), "DAGSTER_HOME": str(home / "dagster")}
    with _log(home).open("ab") as file:
        return subprocess.Popen(
            [str(Path(sys.executable).with_name(program)), *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _until_answers(home: Path, server: subprocess.Popen[bytes], socket: Path) -> None:
    from dagster._core.errors import DagsterUserCodeUnreachableError
    from dagster._grpc.client import DagsterGrpcClient

    client, deadline = DagsterGrpcClient(socket=str(socket)), time.monotonic() + _LOADED_S
    while True:
        try:
            client.ping("")
            return
        except DagsterUserCodeUnreachableError:
            if server.poll() is not None or time.monotonic() > deadline:
                said = _log(home).read_text(errors="replace")[-2000:]
                raise ReplayError(
                    f"{_LOCATION} does not load. The end of {_log(home)}:\n{said}"
                ) from None
        time.sleep(_POLL_S)


def _log(home: Path) -> Path:
    return folder(home) / "daemon.log"


def _end(process: subprocess.Popen[bytes]) -> None:
    """A process and its whole group: runs would outlive the server that started them."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
