"""``python -m mlops_assets.sagemaker_local --home DIR``: the server as a program.

Belongs here: arguments, logging, becoming a daemon. Does not belong here: the server (server.py).
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import logging.handlers
import os
import sys
from dataclasses import replace
from pathlib import Path

from mlops_assets.sagemaker_local import lifecycle
from mlops_assets.sagemaker_local.config import Config


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="mlops_assets.sagemaker_local", description=__doc__)
    parser.add_argument("--home", type=Path, required=True, help="state, logs and jobs are here")
    parser.add_argument("--port", type=int, default=0, help="0 takes any that is free")
    parser.add_argument("--objects", help="dir:/path or s3; default: directories beside the home")
    parser.add_argument("--daemon", action="store_true", help="return once the server is ready")
    parser.add_argument("--job-workers", type=int, help="training jobs that run at a time")
    parser.add_argument("--job-stop-grace", type=float, help="seconds between SIGTERM and SIGKILL")
    parser.add_argument("--invoke-limit", type=float, help="seconds that an invocation may take")
    parser.add_argument("--start-limit", type=float, help="seconds until a model server is healthy")
    parser.add_argument("--capture-flush", type=float, help="seconds that captured data waits")
    parser.add_argument("--serverless-idle", type=float, help="seconds until one is stopped")
    parser.add_argument("--scaling-window", type=float, help="seconds that autoscaling looks back")
    parser.add_argument("--scaling-pause", type=float, help="seconds between its looks")
    return parser.parse_args()


def _config(arguments: argparse.Namespace) -> Config:
    home = arguments.home.absolute()
    config = Config(home, arguments.objects or lifecycle.default_objects(home), arguments.port)
    names = ("job_workers", "job_stop_grace", "invoke_limit")
    given = {name: getattr(arguments, name) for name in names}
    given["capture_flush_s"] = arguments.capture_flush
    given["serverless_idle_s"] = arguments.serverless_idle
    given["scaling_window_s"] = arguments.scaling_window
    given["scaling_pause_s"] = arguments.scaling_pause
    given["replica_start_limit"] = arguments.start_limit
    return replace(config, **{name: value for name, value in given.items() if value is not None})


def _run(config: Config, ready: int | None) -> int:
    """Serve; ``ready`` is a pipe's end to say so on, or None to say it on standard output."""
    from mlops_assets.sagemaker_local.server import serve  # after the fork: it loads uvicorn

    def on_ready(url: str) -> None:
        lifecycle.publish(lock, url)
        if ready is None:
            sys.stdout.write(f"{url}\n")
            sys.stdout.flush()
        else:
            os.write(ready, b"ready")
            os.close(ready)

    try:
        with lifecycle.hold(config.home) as lock:
            serve(config, on_ready)
    except Exception as error:
        logging.getLogger(__name__).exception("the server failed")
        if ready is not None:
            with contextlib.suppress(OSError):
                os.write(ready, f"error: {error}".encode())
        return 1
    return 0


def _detach(config: Config) -> int:
    """Fork a server in a session of its own and wait until it is ready or has failed."""
    ours, theirs = os.pipe()
    if os.fork() == 0:
        os.close(ours)
        os.setsid()
        log = os.open(config.home / lifecycle.LOG_NAME, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        null = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((null, 0), (log, 1), (log, 2)):
            os.dup2(source, target)
        os.chdir("/")
        os._exit(_run(config, theirs))
    os.close(theirs)
    with open(ours, "rb") as pipe:
        text = pipe.read().decode()
    if text != "ready":
        sys.stderr.write(text or "it ended without a word")
        return 1
    return 0


def main() -> int:
    """Run the server in the foreground, or start it as a daemon."""
    arguments = _arguments()
    config = _config(arguments)
    config.home.mkdir(parents=True, exist_ok=True)
    log = config.home / lifecycle.LOG_NAME
    handler = logging.handlers.RotatingFileHandler(log, maxBytes=8 * 2**20, backupCount=1)
    line = "%(asctime)s %(levelname)s %(name)s %(message)s"
    logging.basicConfig(level=logging.INFO, handlers=[handler], format=line)
    return _detach(config) if arguments.daemon else _run(config, None)


if __name__ == "__main__":
    sys.exit(main())
