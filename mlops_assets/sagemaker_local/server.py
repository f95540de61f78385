"""The server: its parts put together, its socket, its start and its end.

Belongs here: assembly, recovery at the start, order at the end. Does not belong here: what a route
or an operation does; finding or starting a server from another process (lifecycle.py).
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import uvicorn
import uvloop

from mlops_assets.objects import open_objects
from mlops_assets.sagemaker_local.automl.automl_jobs import AutoMLJobs
from mlops_assets.sagemaker_local.autoscaling.scaling import Scaling
from mlops_assets.sagemaker_local.autoscaling.scaling_loop import ScalingLoop
from mlops_assets.sagemaker_local.config import Config
from mlops_assets.sagemaker_local.deployment.endpoint_runs import EndpointRuns
from mlops_assets.sagemaker_local.deployment.endpoints import Endpoints
from mlops_assets.sagemaker_local.faults.faults import Faults
from mlops_assets.sagemaker_local.features.feature_store import FeatureStore
from mlops_assets.sagemaker_local.fleet.fleet_spec import FleetSpec, fleet_spec
from mlops_assets.sagemaker_local.fleet.hosting import Fleet
from mlops_assets.sagemaker_local.fleet.models import Models
from mlops_assets.sagemaker_local.http import Application
from mlops_assets.sagemaker_local.images import Images
from mlops_assets.sagemaker_local.invoking.async_invocations import AsyncInvocations
from mlops_assets.sagemaker_local.invoking.runtime import Runtime
from mlops_assets.sagemaker_local.monitoring.alarms import Alarms
from mlops_assets.sagemaker_local.monitoring.cloudwatch import CloudWatch
from mlops_assets.sagemaker_local.monitoring.log_push import LogPush
from mlops_assets.sagemaker_local.monitoring.logs import TRANSFORM as TRANSFORM_LOGS
from mlops_assets.sagemaker_local.monitoring.logs import Logs
from mlops_assets.sagemaker_local.monitoring.metric_store import MetricStore
from mlops_assets.sagemaker_local.packages import ModelPackages
from mlops_assets.sagemaker_local.plain_jobs import PROCESSING, TRANSFORM
from mlops_assets.sagemaker_local.processes import mounts_allowed
from mlops_assets.sagemaker_local.processing.processing_jobs import ProcessingJobs
from mlops_assets.sagemaker_local.processing.processing_run import ProcessingRun
from mlops_assets.sagemaker_local.protocol import SERVICES, Api, service_model
from mlops_assets.sagemaker_local.setting import Setting
from mlops_assets.sagemaker_local.store import Document, Store
from mlops_assets.sagemaker_local.tags import Tags
from mlops_assets.sagemaker_local.training.job_metrics import MetricPoints
from mlops_assets.sagemaker_local.training.job_run import JobRun
from mlops_assets.sagemaker_local.training.jobs import TrainingJobs
from mlops_assets.sagemaker_local.transforming.transform_run import TransformRun
from mlops_assets.sagemaker_local.transforming.transforms import TransformJobs
from mlops_assets.sagemaker_local.tuning.tunings import TuningJobs

HOST = "127.0.0.1"
log = logging.getLogger(__name__)


class Backend:
    """Everything behind the port."""

    def __init__(self, config: Config, mounts: bool, url: str) -> None:
        self.store = store = Store(config.home)
        objects = open_objects(config.objects)
        images, logs, metrics = Images(config, url), Logs(config), MetricStore()

        self.faults = faults = Faults(config, store)
        self.metric_points = points = MetricPoints(metrics)
        setting, alone = Setting(config, objects, images, logs, mounts), asyncio.Lock()

        def new_run(document: Document) -> JobRun:
            return JobRun(
                document,
                store=store,
                setting=setting,
                points=points,
                faults=faults.of_training(document),
                alone=alone,
            )

        def new_processing_run(document: Document, directory: Path) -> ProcessingRun:
            return ProcessingRun(
                document,
                directory=directory,
                store=store,
                setting=setting,
                faults=PROCESSING.faults(faults, document),
                alone=alone,
            )

        def new_fleet(spec: FleetSpec) -> Fleet:
            return Fleet(
                spec,
                config=config,
                objects=objects,
                images=images,
                logs=logs,
                metrics=metrics,
                mounts=mounts,
                faults=lambda: faults.endpoint(spec.endpoint),
            )

        def new_transform_run(document: Document, directory: Path) -> TransformRun:
            fleet = Fleet(
                fleet_spec(document["Fleet"]),
                config=config,
                objects=objects,
                images=images,
                logs=logs,
                metrics=MetricStore(),  # its requests are no endpoint's
                mounts=mounts,
                group=TRANSFORM_LOGS,
                directory=directory / "fleet",
            )
            return TransformRun(
                document,
                directory=directory,
                store=store,
                objects=objects,
                fleet=fleet,
                faults=TRANSFORM.faults(faults, document),
            )

        self.jobs = TrainingJobs(config, store, images, faults, new_run, mounts=mounts)

        def values(job: str, metric: str) -> list[float]:
            return [point.value for point in points.of(job, metric)]

        self.tunings = TuningJobs(config, store, images, self.jobs, values)
        self.automl = AutoMLJobs(config, store, objects, self.tunings)
        self.processing = ProcessingJobs(config, store, images, faults, new_processing_run)
        packages = ModelPackages(config, store, objects)
        models = Models(config, store, objects, images, packages)
        self.transforms = TransformJobs(config, store, models, faults, new_transform_run)
        self.alarms = Alarms(config, store, metrics)
        self.endpoints = EndpointRuns(config, store, self.alarms, new_fleet)
        endpoints = Endpoints(config, store, models, self.alarms, self.endpoints)
        others = config.push_logs_to
        # A client's environment may name this very server, where the lines are already.
        self.push = None if others in (None, url) else LogPush(config, others)
        self.features = FeatureStore(config, store, objects)
        parts = (
            self.jobs,
            self.tunings,
            self.automl,
            self.processing,
            models,
            endpoints,
            self.transforms,
            packages,
            self.features,
            Tags(store),
        )
        operations = {name: do for part in parts for name, do in part.operations().items()}
        scaling = Scaling(config, store)
        self.scaling = ScalingLoop(config, store, metrics, endpoints, self.endpoints, scaling)
        watching = CloudWatch(metrics).operations() | self.alarms.operations()
        self.api = Api(
            {
                "SageMaker": operations,
                "Logs_20140328": logs.operations(),
                "GraniteServiceVersion20100801": watching,
                "AnyScaleFrontendService": scaling.operations(),
            },
            before=faults.before,
        )
        self.runtime = Runtime(config, self.endpoints, faults.fails)
        self.invocations = AsyncInvocations(store, objects, self.endpoints, self.runtime)

    def start(self) -> None:
        self.alarms.start()
        self.jobs.recover()
        self.automl.recover()
        self.tunings.recover()  # it reads what became of the training jobs
        self.processing.recover()
        self.transforms.recover()
        self.endpoints.recover()
        self.invocations.recover()
        self.scaling.start()
        self.features.start()
        if self.push is not None:
            self.push.start()

    async def stop(self) -> None:
        await asyncio.gather(
            self.invocations.shutdown(),
            self.scaling.shutdown(),
            self.automl.shutdown(),
            self.tunings.shutdown(),
        )
        await asyncio.gather(
            self.jobs.shutdown(),
            self.processing.shutdown(),
            self.transforms.shutdown(),
            self.endpoints.shutdown(),
            self.features.shutdown(),
        )
        await self.alarms.shutdown()
        if self.push is not None:
            await self.push.shutdown()
        self.store.close()


class _Server(uvicorn.Server):
    """uvicorn, saying when it is ready."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_ready()


async def _serve(config: Config, on_ready: Callable[[str], None]) -> None:
    # With the protocol named, asyncio switches Nagle's algorithm off: replies would take 40 ms.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, config.port))
        url = f"http://{HOST}:{listener.getsockname()[1]}"
        loading = asyncio.to_thread(lambda: [service_model(name) for name in SERVICES.values()])
        mounts, _ = await asyncio.gather(mounts_allowed(), loading)
        backend = Backend(config, mounts, url)
        health: dict[str, Any] = {"status": "ok", "pid": os.getpid(), "home": str(config.home)}
        application = Application(
            backend.api,
            backend.runtime.invoke,
            backend.invocations.accept,
            backend.features.answer,
            health,
        )
        settings = uvicorn.Config(
            application,
            lifespan="off",
            log_config=None,
            access_log=False,
            # Who is at the other end is asked of the kernel, never of the request.
            proxy_headers=False,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=5,
        )
        backend.start()
        log.info("serving %s at %s; /opt/ml %s", config.home, url, "mounted" if mounts else "moved")
        try:
            await _Server(settings, lambda: on_ready(url)).serve(sockets=[listener])
        finally:
            await backend.stop()
            log.info("stopped")


def serve(config: Config, on_ready: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT; ``on_ready`` gets the URL once requests are answered."""
    # uvicorn handles the signals while it serves and raises them again afterwards: by then they
    # must not end the process before the jobs and model servers have been stopped.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(config, on_ready))
