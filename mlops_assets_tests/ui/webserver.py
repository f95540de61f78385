"""A Dagster webserver over the project's workspace, in a home of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).parents[2]
PATIENCE = 150.0


def clean_environment(home: Path) -> dict[str, str]:
    """This process's, less whatever would point the platform to another world."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "DAGSTER_", "MLOPS_"))}
    return {**kept, "MLOPS_HOME": str(home)}


class Webserver:
    """Started by the constructor, answering when that returns."""

    def __init__(self, home: Path) -> None:
        dagster_home = home / "dagster"
        dagster_home.mkdir(parents=True)
        shutil.copyfile(ROOT / "dagster.yaml", dagster_home / "dagster.yaml")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self.log = home / "webserver.log"
        with self.log.open("wb") as log:
            # A session of its own: the code server outlives its parent, only the group reaches it.
            self.process = subprocess.Popen(
                [
                    str(Path(sys.executable).with_name("dagster-webserver")),
                    *("-h", "127.0.0.1", "-p", str(port), "-w", "workspace.yaml"),
                ],
                cwd=ROOT,
                env={**clean_environment(home), "DAGSTER_HOME": str(dagster_home)},
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            self._wait()
        except BaseException:
            self.stop()
            raise

    def _wait(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                urllib.request.urlopen(f"{self.url}/server_info", timeout=5).close()  # noqa: S310
            except OSError:
                time.sleep(0.2)
            else:
                return
        raise AssertionError(f"the webserver does not answer:\n{self.log.read_text()}")

    def stop(self) -> None:
        """End the whole group; the home is a temporary one, nothing needs saving."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
