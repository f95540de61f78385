"""`mlops ui`: Dagster's web UI, and its daemon, on the loopback interface."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from mlops_assets.cli.errors import CommandError
from mlops_assets.cli.world import World, console


def run(port: int, *, daemon: bool) -> None:
    """Serve until interrupted; what was started is stopped with it."""
    workspace = Path("workspace.yaml")
    if not workspace.is_file():
        raise CommandError(f"{workspace.absolute()} is missing: run mlops ui from the project's root")
    chosen = _free_port(port)
    environment = {**os.environ, "DAGSTER_HOME": str(World.open().dagster_home())}
    commands = [["dagster-webserver", "-h", "127.0.0.1", "-p", str(chosen), "-w", str(workspace)]]
    if daemon:
        commands.append(["dagster-daemon", "run", "-w", str(workspace)])
    console.print(f"Dagster's UI: [bold]http://127.0.0.1:{chosen}[/]  (Ctrl+C stops it)")
    bin_directory = Path(sys.executable).parent
    started = [
        # A session each: their code servers outlive them, and only the group reaches those.
        subprocess.Popen(
            [str(bin_directory / command[0]), *command[1:]], env=environment, start_new_session=True
        )
        for command in commands
    ]
    try:
        while all(process.poll() is None for process in started):
            time.sleep(0.5)
    except KeyboardInterrupt:
        pass
    finally:
        for process in started:
            _stop_group(process)


def _stop_group(process: "subprocess.Popen[bytes]") -> None:
    for sent in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, sent)
            process.wait(10)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue


def _free_port(wanted: int) -> int:
    """``wanted`` if it is free, else one of the system's: a taken port would serve nothing."""
    for candidate in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", candidate))
            except OSError:
                console.print(f"Port {candidate} is taken; the system chooses another.")
                continue
            return int(probe.getsockname()[1])
    raise CommandError("no free port on 127.0.0.1")
