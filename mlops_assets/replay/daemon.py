"""Dagster's daemon, running for as long as a replay needs it.

Here: its home's configuration, starting it, ending it and what it started. Not here: what it runs
(`location`), nor waiting for that (`waiting`).
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from mlops_assets.replay.plan import ReplayError, folder

_GRACE_S = 30.0
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


@contextmanager
def running(home: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The daemon on the replay's definitions, in a process group of its own, ended at the end.

    Interrupted, its runs are killed rather than asked to fail: a killed run is started once more
    (`failures.bury`), and adopts its training job; one that failed would not be.
    """
    log = folder(home) / "daemon.log"
    # What an idle thread of a training or a scoring burns, others need: there are few cores.
    environment = {"OMP_WAIT_POLICY": "PASSIVE", **os.environ}
    environment |= {"MLOPS_HOME": str(home), "DAGSTER_HOME": str(home / "dagster")}
    command = [
        str(Path(sys.executable).with_name("dagster-daemon")),
        *("run", "-m", _LOCATION, "-d", str(Path.cwd())),
        *("--log-level", "warning", "--code-server-log-level", "error"),
    ]
    with log.open("ab") as file:
        process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    at_rest = False
    try:
        yield process
        at_rest = True
    finally:
        _end(process, politely=at_rest)


def check(process: subprocess.Popen[bytes], home: Path) -> None:
    """Raise ReplayError, with the end of its log, if the daemon has ended by itself."""
    if process.poll() is None:
        return
    log = folder(home) / "daemon.log"
    said = log.read_text(errors="replace")[-2000:]
    raise ReplayError(
        f"the daemon ended with exit status {process.returncode}. The end of {log}:\n{said}"
    )


def _end(process: subprocess.Popen[bytes], *, politely: bool) -> None:
    """The whole group: code servers outlive whoever started them."""
    deadline = time.monotonic() + (_GRACE_S if politely else 0.0)
    _signal(process, signal.SIGTERM if politely else signal.SIGKILL)
    while time.monotonic() < deadline and _signal(process, 0):
        time.sleep(_POLL_S)
    _signal(process, signal.SIGKILL)
    process.wait()


def _signal(process: subprocess.Popen[bytes], number: int) -> bool:
    process.poll()  # a zombie would count as alive
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return False
    return True
