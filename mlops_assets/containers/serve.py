"""`serve`: load and prove the model, then listen. A corrupt artifact ends the process instead.

Belongs here: the start of the serving process, or of its supervisor. It must import neither pandas
nor scikit-learn nor XGBoost: they cost seconds of start and hundreds of megabytes.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from mlops_assets.containers.environment import ContainerError
from mlops_assets.containers.http.membership import Membership, announce, bind
from mlops_assets.containers.serve_settings import ServeSettings

if TYPE_CHECKING:
    from mlops_assets.containers.handle import Handler
    from mlops_assets.containers.http.service import Service

# How long a thread computes in Python before the event loop gets its turn. The default of 5 ms
# would be paid several times by a small request that comes while a large one is parsed.
SWITCH_SECONDS = 0.0005


def serve() -> int:
    """Serve the model of this container until SIGTERM; returns the exit status."""
    # As a container's first process this one would not be ended by SIGTERM without a handler.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
    try:
        settings = ServeSettings.from_environ()
        member = Membership.from_environ()
        if settings.workers > 1 and member is None:
            from mlops_assets.containers.http.supervisor import Supervisor

            return Supervisor(settings).run()
    except (ContainerError, OSError) as error:
        return _failed(error)
    return _work(settings, member)


def _work(settings: ServeSettings, member: Membership | None) -> int:
    from mlops_assets.containers.http import logs
    from mlops_assets.containers.http.front import BACKLOG, FRONTS
    from mlops_assets.ml.artifact.errors import ArtifactError

    logs.configure(settings.log_level)
    try:
        service = _service(settings, member)
        # What the model and the modules hold is never garbage: it need not be looked through.
        gc.collect()
        gc.freeze()
        if member:
            member.wait_for_the_others()
        listener = bind(settings.host, settings.port, shared=member is not None)
        listener.listen(BACKLOG)
    except (ArtifactError, ContainerError, ValueError, OSError) as error:
        return _failed(error)
    sys.setswitchinterval(SWITCH_SECONDS)
    if member:
        member.listens()
    else:
        announce(listener)
    FRONTS[settings.front](service, listener)
    return 0


def _service(settings: ServeSettings, member: Membership | None) -> Service:
    from mlops_assets.containers.engines import load_handler
    from mlops_assets.containers.http.service import Service
    from mlops_assets.containers.reply import JSON, TYPES
    from mlops_assets.ml.artifact import manifest

    accept = settings.default_accept or JSON
    if accept not in TYPES:
        raise ContainerError(
            f"SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT is {accept!r}: offered are {list(TYPES)}"
        )
    board = member.board if member else None

    def load(model: Path) -> Handler:
        return load_handler(
            model,
            program=settings.program,
            default_accept=accept,
            device=settings.device,
            extra_columns=settings.extra_columns,
            engine=settings.engine,
        )

    if settings.multi_model:
        from mlops_assets.containers.http.multi_model import ModelRoutes
        from mlops_assets.containers.pool import ModelPool

        pool = ModelPool(load, root=settings.models, capacity=settings.model_capacity)
        return Service(None, settings, more=ModelRoutes(pool))
    handler = load(settings.model)
    if online := os.environ.get("MLOPS_ONLINE"):
        from mlops_assets.containers.online_features.online import with_online_features

        handler = with_online_features(handler, online, settings.model)
    sealed = settings.model / manifest.NAME
    digest = manifest.Manifest.from_bytes(sealed.read_bytes()).digest() if sealed.exists() else ""
    return Service(handler, settings, digest=digest, board=board)


def _failed(error: Exception) -> int:
    print(f"serve: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
    return 1
