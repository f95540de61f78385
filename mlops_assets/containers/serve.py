"""`serve`: load and prove the model, then listen. A corrupt artifact ends the process instead.

Belongs here: the start, the settings and the end of the serving process. It must import neither
pandas nor scikit-learn nor XGBoost: they cost seconds of start and hundreds of megabytes.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
from dataclasses import dataclass
from pathlib import Path

from mlops_assets.containers.environment import ContainerError, Paths
from mlops_assets.containers.handle import ArtifactHandler, Handler
from mlops_assets.containers.reply import JSON, TYPES
from mlops_assets.ml.artifact import manifest
from mlops_assets.ml.artifact.errors import ArtifactError
from mlops_assets.ml.artifact.load import Artifact

# SageMaker kills a container 30 s after SIGTERM.
GRACE_SECONDS = 25


@dataclass(frozen=True)
class ServeSettings:
    """The serving process's settings, from the environment."""

    model: Path
    host: str
    port: int
    max_body: int
    default_accept: str
    program: str

    @classmethod
    def from_environ(cls) -> ServeSettings:
        """Read the environment. Raises ContainerError naming a variable that is wrong."""
        accept = os.environ.get("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT") or JSON
        if accept not in TYPES:
            raise ContainerError(
                f"SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT is {accept!r}: offered are {list(TYPES)}"
            )
        return cls(
            model=Paths.from_environ().model,
            host=os.environ.get("MLOPS_BIND_HOST") or "0.0.0.0",  # noqa: S104  (a container's own)
            port=_integer("SAGEMAKER_BIND_TO_PORT", 8080),
            max_body=_integer("MLOPS_MAX_BODY_BYTES", 25 * 1024**2),
            default_accept=accept,
            program=os.environ.get("SAGEMAKER_PROGRAM") or "inference.py",
        )


def serve() -> int:
    """Serve the model of this container until SIGTERM; returns the exit status."""
    # As a container's first process this one would not be ended by SIGTERM without a handler.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    try:
        settings = ServeSettings.from_environ()
        handler = load_handler(settings)
    except (ArtifactError, ContainerError, ValueError, OSError) as error:
        print(f"serve: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
        return 1
    _listen(settings, handler)
    return 0


def load_handler(settings: ServeSettings) -> Handler:
    """The engine for what the model directory holds, proven by its golden rows.

    Raises ArtifactError when the artifact is not what was sealed or answers otherwise.
    """
    script = settings.model / "code" / settings.program
    if script.is_file():
        if (settings.model / manifest.NAME).exists():
            manifest.verify(settings.model)
        from mlops_assets.containers.inference import InferenceHandler

        return InferenceHandler(script, settings.model, settings.default_accept)
    artifact = Artifact.load(settings.model)
    artifact.check_golden()
    return ArtifactHandler(artifact, settings.default_accept)


def _listen(settings: ServeSettings, handler: Handler) -> None:
    import uvicorn

    from mlops_assets.containers.asgi import App

    app = App(
        handler,
        max_body=settings.max_body,
        inline=isinstance(handler, ArtifactHandler),
        threads=len(os.sched_getaffinity(0)),
    )
    config = uvicorn.Config(
        app,
        lifespan="off",
        ws="none",
        access_log=False,
        log_config=None,
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    listener = socket.create_server((settings.host, settings.port), backlog=1024)
    host, port = listener.getsockname()[:2]
    print(f"serving on http://{host}:{port}", flush=True)
    # uvicorn stops gracefully on SIGTERM and then raises the signal again for whoever handled it
    # before: that must not be the default, which would end the process as killed.
    signal.signal(signal.SIGTERM, lambda number, frame: None)
    uvicorn.Server(config).run(sockets=[listener])


def _integer(name: str, default: int) -> int:
    text = os.environ.get(name) or str(default)
    if not text.isdigit():
        raise ContainerError(f"{name} is {text!r}: it must be a whole number")
    return int(text)
