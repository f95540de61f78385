"""The serving process's settings, each from one environment variable.

Belongs here: names, defaults and bounds. Does not: acting on them (serve.py, front.py, service.py).
It imports nothing heavy: the supervisor of several workers reads them too, and holds no model.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from mlops_assets.containers.environment import ContainerError, Paths

MIB = 1024**2

Front = Literal["protocol", "asgi"]
Device = Literal["cpu", "cuda"]
Engine = Literal["artifact", "xgboost"]
ExtraColumns = Literal["ignore", "refuse"]
Choice = TypeVar("Choice", bound=str)

FRONTS: tuple[Front, ...] = ("protocol", "asgi")
DEVICES: tuple[Device, ...] = ("cpu", "cuda")
ENGINES: tuple[Engine, ...] = ("artifact", "xgboost")
EXTRA_COLUMNS: tuple[ExtraColumns, ...] = ("ignore", "refuse")


@dataclass(frozen=True)
class ServeSettings:
    """One serving container.

    `model` is the model's directory; with `multi_model`, `models` is the parent of what is loaded.
    `workers` is a number of processes. Times in seconds: `deadline` for an answer, `read_timeout`
    for a whole request to arrive, `keep_alive` for a connection without one. `queue_limit` requests
    and `queue_bytes` bytes of bodies may be held at a time by each process.
    """

    model: Path
    models: Path
    host: str
    port: int
    max_body: int
    default_accept: str
    program: str
    front: Front
    workers: int
    deadline: int
    read_timeout: int
    keep_alive: int
    queue_limit: int
    queue_bytes: int
    device: Device
    engine: Engine
    extra_columns: ExtraColumns
    multi_model: bool
    model_capacity: int
    log_level: int

    @classmethod
    def from_environ(cls) -> ServeSettings:
        """Read the environment. Raises ContainerError naming a variable that is wrong."""
        paths = Paths.from_environ()
        max_body = _integer("MLOPS_MAX_BODY_BYTES", 25 * MIB)
        multi_model = _choice("SAGEMAKER_MULTI_MODEL", ("false", "true")) == "true"
        workers = _workers(most=1 if multi_model else cores())
        if multi_model and workers > 1:
            raise ContainerError(
                f"SAGEMAKER_MODEL_SERVER_WORKERS is {workers}: with SAGEMAKER_MULTI_MODEL each"
                " process would hold other models; leave it at 1"
            )
        return cls(
            model=paths.model,
            models=paths.base / "models",
            host=os.environ.get("MLOPS_BIND_HOST") or "0.0.0.0",  # noqa: S104  (a container's own)
            port=_integer("SAGEMAKER_BIND_TO_PORT", 8080),
            max_body=max_body,
            default_accept=os.environ.get("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT", ""),
            program=os.environ.get("SAGEMAKER_PROGRAM") or "inference.py",
            front=_choice("MLOPS_FRONT", FRONTS),
            workers=workers,
            deadline=_integer("SAGEMAKER_MODEL_SERVER_TIMEOUT", 60, least=1),
            read_timeout=_integer("MLOPS_READ_TIMEOUT", 30, least=1),
            keep_alive=_integer("MLOPS_KEEP_ALIVE", 75, least=1),
            queue_limit=_integer("MLOPS_QUEUE_LIMIT", 64, least=1),
            queue_bytes=max(_integer("MLOPS_QUEUE_BYTES", 256 * MIB), max_body),
            device=_choice("MLOPS_DEVICE", DEVICES),
            engine=_choice("MLOPS_ENGINE", ENGINES),
            extra_columns=_choice("MLOPS_EXTRA_COLUMNS", EXTRA_COLUMNS),
            multi_model=multi_model,
            model_capacity=_integer("MLOPS_MODEL_CAPACITY", 16, least=1),
            log_level=_integer("SAGEMAKER_CONTAINER_LOG_LEVEL", 20),
        )

    @property
    def threads(self) -> int:
        """Threads of one process's pool: the cores, shared out among the processes."""
        return max(1, cores() // self.workers)


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):  # Linux; there a container may have been given fewer
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _workers(*, most: int) -> int:
    """The processes asked for; `most` where the image leaves the number open ("auto")."""
    name = "SAGEMAKER_MODEL_SERVER_WORKERS"
    if os.environ.get(name) == "auto":
        return most
    return _integer(name, 1, least=1)


def _choice(name: str, offered: tuple[Choice, ...]) -> Choice:
    """The variable's value, the first one offered if it is not set."""
    value = os.environ.get(name) or offered[0]
    for choice in offered:
        if choice == value:
            return choice
    raise ContainerError(f"{name} is {value!r}: offered are {list(offered)}")


def _integer(name: str, default: int, *, least: int = 0) -> int:
    text = os.environ.get(name) or str(default)
    if not (text.isascii() and text.isdigit()):
        raise ContainerError(f"{name} is {text!r}: it must be a whole number")
    if int(text) < least:
        raise ContainerError(f"{name} is {text!r}: it must be at least {least}")
    return int(text)
