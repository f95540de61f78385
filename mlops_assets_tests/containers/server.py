"""`python -m mlops_assets.containers serve` as a real process, for tests."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType

import requests


class Server:
    """One serving process; its output is in `log`."""

    def __init__(self, model: Path, *arguments: str, **environment: str) -> None:
        self.log = model.parent / "serve.log"
        with self.log.open("wb") as stream:
            self.process = subprocess.Popen(
                [sys.executable, *arguments, "-m", "mlops_assets.containers", "serve"],
                env={
                    "PATH": os.environ["PATH"],
                    "PYTHONPATH": os.pathsep.join(sys.path),
                    "SAGEMAKER_BASE_DIR": str(model.parent),
                    "SAGEMAKER_BIND_TO_PORT": "0",
                    "MLOPS_BIND_HOST": "127.0.0.1",
                    **environment,
                },
                stdout=stream,
                stderr=subprocess.STDOUT,
            )

    @property
    def url(self) -> str:
        """Where it listens; waits until it does. Raises if it ended instead."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            for line in self.output().splitlines():
                if line.startswith("serving on "):
                    return line.removeprefix("serving on ")
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        raise AssertionError(f"the server does not listen: {self.output()}")

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self.url.rsplit(":", 1)[1])

    def output(self) -> str:
        """Everything it has written so far."""
        return self.log.read_text()

    def post(self, body: bytes | str, content_type: str, accept: str = "") -> requests.Response:
        """POST /invocations."""
        headers = {"Content-Type": content_type, "Accept": accept or "*/*"}
        data = body.encode() if isinstance(body, str) else body
        return requests.post(f"{self.url}/invocations", data=data, headers=headers, timeout=30)


class Servers:
    """Starts servers, and kills what is left of them in the end."""

    def __init__(self) -> None:
        self._started: list[Server] = []

    def __enter__(self) -> Servers:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        for server in self._started:
            server.process.kill()
            server.process.wait()

    def start(self, model: Path, *arguments: str, **environment: str) -> Server:
        """Start a server for a model directory named `model` inside its container's /opt/ml."""
        self._started.append(Server(model, *arguments, **environment))
        return self._started[-1]
