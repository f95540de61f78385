"""`mlops ui`: Dagster's web UI, its daemon, and MLflow's UI, on the loopback interface.

Here: starting the two, saying when there is something to see, stopping all of it. Not here: what
they show, and what the webserver says of the code it loaded (`mlops_assets.cli.webserver`).
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from mlops_assets.cli.errors import CommandError
from mlops_assets.cli.webserver import load_errors
from mlops_assets.cli.world import World, console
from mlops_assets.settings import Settings

# Runs in progress get this long to stop what they started (a training job, say).
_GRACE_S = 20.0
_POLL_S = 0.25
# How often a slow start says that it goes on.
_NEWS_S = 10.0

Process = subprocess.Popen[bytes]
Handler = Callable[[int, FrameType | None], None] | signal.Handlers


def run(port: int, *, daemon: bool) -> None:
    """Serve until interrupted (Ctrl+C, SIGTERM or a closed terminal), then stop what was started.

    Raises:
        CommandError: not in the project's root, Dagster's instance or the pipelines do not load, or
            one of the processes ended by itself.
    """
    workspace = Path("workspace.yaml")
    if not workspace.is_file():
        raise CommandError(
            f"{workspace.absolute()} is missing: run mlops ui from the project's root"
        )
    # Its tables must be there before the two processes and their code servers look for them: see
    # open_instance. This also sets DAGSTER_HOME, for them too.
    world = World.open()
    with world.instance:
        pass
    chosen = _free_port(port)
    # Either of these two would otherwise end this process alone and leave the servers behind; and
    # SIGINT is ignored in what a shell's script starts in the background.
    with _handled_by(_interrupt, signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        started: list[Process] = []
        try:
            # A session each: code servers outlive whoever started them, and only the group reaches
            # those. Appended one by one: what is started must be known when the next one fails.
            # Reports that its runs write lead back to it, unless another address is declared.
            address = {
                "MLOPS_UI_URL": f"http://127.0.0.1:{chosen}",
                "MLFLOW_DISABLE_TELEMETRY": "true",
                **os.environ,
            }
            experiments = _mlflow(world.settings)
            for command in [*_commands(chosen, workspace, daemon=daemon), *experiments.values()]:
                process = subprocess.Popen(command, start_new_session=True, env=address)
                started.append(process)
            _serve(f"http://127.0.0.1:{chosen}", started, next(iter(experiments), None))
        except KeyboardInterrupt:
            console.print("\nStopping …")
        finally:
            _stop(started)


def _commands(port: int, workspace: Path, *, daemon: bool) -> list[list[str]]:
    bin_directory = Path(sys.executable).parent
    webserver = [
        str(bin_directory / "dagster-webserver"),
        *("-h", "127.0.0.1", "-p", str(port), "-w", str(workspace)),
        # Warnings and worse: what else there is to say stands in the UI.
        *("--dagster-log-level", "warning", "--code-server-log-level", "warning"),
    ]
    scheduler = [
        str(bin_directory / "dagster-daemon"),
        # On a new home it warns of cursors that cannot be there yet.
        *("run", "-w", str(workspace), "--log-level", "error"),
        # It replaces its code server every minute, and each warns that nobody asks it any more.
        *("--code-server-log-level", "error"),
    ]
    return [webserver, scheduler] if daemon else [webserver]


def _mlflow(settings: Settings) -> dict[str, list[str]]:
    """{its address: the command of MLflow's UI}, where this home has trainings to show."""
    database = settings.mlflow_uri.removeprefix("sqlite:///")
    # A tracking server that is declared has a UI of its own.
    if settings.tracking_uri or not Path(database).is_file():
        return {}
    port = str(_free_port(0))
    command = [
        *(str(Path(sys.executable).parent / "mlflow"), "server", "--workers", "1"),
        *("--backend-store-uri", settings.mlflow_uri, "--host", "127.0.0.1", "--port", port),
        *("--default-artifact-root", settings.mlflow_files or "", "--no-serve-artifacts"),
    ]
    return {f"http://127.0.0.1:{port}": command}


def _serve(url: str, started: Sequence[Process], experiments: str | None) -> None:
    console.print("Starting Dagster's UI; this takes some 15 seconds.")
    _wait_for_pipelines(url, started)
    console.print(f"[bold]{url}[/]  (Ctrl+C stops it)")
    if experiments:
        console.print(f"{experiments}  trainings and their metrics, in MLflow")
    while True:
        _check(started)
        time.sleep(_POLL_S)


def _wait_for_pipelines(url: str, started: Sequence[Process]) -> None:
    """Return when there is a graph to see: Dagster serves an empty one if the code did not load."""
    began = time.monotonic()
    news = _NEWS_S
    while (failed := load_errors(url)) is None:
        _check(started)
        waited = time.monotonic() - began
        if waited >= news:
            console.print(f"Still loading the pipelines ({waited:.0f} s).")
            news += _NEWS_S
        time.sleep(_POLL_S)
    if failed:
        raise CommandError(
            "the pipelines do not load (where, stands above). Mend this and start again:\n"
            + "\n".join(failed)
        )


def _check(started: Sequence[Process]) -> None:
    for process in started:
        if process.poll() is not None:
            name = Path(str(process.args[0])).name  # type: ignore[index]
            raise CommandError(
                f"{name} ended with exit status {process.returncode}; the reason stands above"
            )


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


@contextmanager
def _handled_by(handler: Handler, *numbers: signal.Signals) -> Iterator[None]:
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)


def _stop(started: Sequence[Process]) -> None:
    """End every group: politely, then whatever is left of it after the grace."""
    # A second Ctrl+C must not leave half of it running.
    with _handled_by(signal.SIG_IGN, signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        for process in started:
            _signal_group(process, signal.SIGTERM)
        deadline = time.monotonic() + _GRACE_S
        while time.monotonic() < deadline and any(_group_lives(process) for process in started):
            time.sleep(_POLL_S)
        for process in started:
            _signal_group(process, signal.SIGKILL)
            process.wait()


def _group_lives(process: Process) -> bool:
    process.poll()  # A zombie would count as alive.
    return _signal_group(process, 0)


def _signal_group(process: Process, number: int) -> bool:
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return False
    return True


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
