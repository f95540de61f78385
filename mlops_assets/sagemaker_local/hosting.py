"""The model servers of one endpoint configuration: a fleet that starts and stops as one.

Belongs here: variants, their models unpacked, their replicas, and who gets the next request. Does
not belong here: which fleet an endpoint uses (endpoints.py), the life of one process (replica.py).
"""

from __future__ import annotations

import asyncio
import shutil
import uuid
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlops_assets.objects import ObjectNotFound, Objects
from mlops_assets.sagemaker_local import archives
from mlops_assets.sagemaker_local.config import Config
from mlops_assets.sagemaker_local.images import Images, relocated
from mlops_assets.sagemaker_local.logs import ENDPOINTS, Logs
from mlops_assets.sagemaker_local.processes import Command
from mlops_assets.sagemaker_local.replica import HOST, Replica, Unhealthy
from mlops_assets.sagemaker_local.supervisor import MOUNT_POINT

_DRAIN_PAUSE = 0.02


class FleetError(Exception):
    """The fleet could not be started; the message is the endpoint's FailureReason."""


@dataclass(frozen=True)
class VariantSpec:
    """A production variant with its model resolved: it starts without looking anything up."""

    name: str
    image: str
    model_data_url: str | None
    environment: Mapping[str, str]
    instances: int
    weight: float
    start_limit: float


@dataclass(frozen=True)
class FleetSpec:
    """All variants of an endpoint configuration, for one endpoint."""

    endpoint: str
    config: str
    variants: tuple[VariantSpec, ...]


class Variant:
    """A started variant; ``credit`` is its claim on the next request."""

    def __init__(self, spec: VariantSpec, replicas: list[Replica]) -> None:
        self.spec = spec
        self.replicas = replicas
        self.credit = 0.0

    def next_replica(self) -> Replica | None:
        """The least busy one that is ready."""
        ready = [replica for replica in self.replicas if replica.ready]
        return min(ready, key=lambda replica: replica.in_flight, default=None)


class Fleet:
    """start() once, stop() once."""

    def __init__(
        self,
        spec: FleetSpec,
        *,
        config: Config,
        objects: Objects,
        images: Images,
        logs: Logs,
        mounts: bool,
    ) -> None:
        self.spec = spec
        self._config = config
        self._objects = objects
        self._images = images
        self._logs = logs
        self._mounts = mounts
        self._group = f"{ENDPOINTS}/{spec.endpoint}"
        self._generation = uuid.uuid4().hex[:12]
        self._directory = config.home / "endpoints" / spec.endpoint / self._generation
        self.variants = [
            Variant(variant, [self._replica(variant, n) for n in range(variant.instances)])
            for variant in spec.variants
        ]

    async def start(self) -> None:
        """Return when every replica is healthy. Raises FleetError, with nothing left running."""
        try:
            await _together(*(self._start(variant) for variant in self.variants))
        except BaseException:
            await self.stop(0.0)
            raise

    async def stop(self, grace: float) -> None:
        """Wait until no request is being answered (one invocation's limit), then end it all."""
        replicas = [replica for variant in self.variants for replica in variant.replicas]
        patience = self._config.invoke_limit if grace else 0.0
        while patience > 0 and any(replica.in_flight for replica in replicas):
            await asyncio.sleep(_DRAIN_PAUSE)
            patience -= _DRAIN_PAUSE
        await asyncio.gather(*(replica.stop(grace) for replica in replicas))
        await asyncio.to_thread(shutil.rmtree, self._directory, ignore_errors=True)

    def choose(self, name: str | None) -> Variant | None:
        """The variant that gets the next request: the named one, or the weights' turn."""
        if name is not None:
            return next((v for v in self.variants if v.spec.name == name), None)
        for variant in self.variants:
            variant.credit += variant.spec.weight
        chosen = max(self.variants, key=lambda variant: variant.credit)
        chosen.credit -= sum(variant.spec.weight for variant in self.variants)
        return chosen

    async def _start(self, variant: Variant) -> None:
        spec = variant.spec
        try:
            await asyncio.to_thread(self._fetch_model, spec)
        except (ObjectNotFound, archives.ArchiveError) as error:
            raise FleetError(f"The model of production variant {spec.name}: {error}") from error
        try:
            await _together(*(replica.start() for replica in variant.replicas))
        except Unhealthy as error:
            streams = [self._stream(spec, number) for number in range(spec.instances)]
            said = [self._logs.last_line(self._group, stream) for stream in streams]
            raise FleetError(
                f"The primary container for production variant {spec.name} did not pass the ping "
                f"health check. Please check CloudWatch logs for this endpoint: {error}; its log "
                f"ends: {next(filter(None, said), 'empty')[:500]}"
            ) from error

    def _fetch_model(self, spec: VariantSpec) -> None:
        folder = self._directory / spec.name
        (folder / "ml" / "model").mkdir(parents=True)
        (folder / "home").mkdir()
        if spec.model_data_url is not None:
            archive = folder / "model.tar.gz"
            self._objects.download(spec.model_data_url, archive)
            archives.unpack(archive, folder / "ml" / "model")
            archive.unlink()

    def _replica(self, spec: VariantSpec, number: int) -> Replica:
        folder = self._directory / spec.name

        def command(port: int) -> Command:
            argv = self._images.command(spec.image, "serve")
            base = Path(MOUNT_POINT) if self._mounts else folder / "ml"
            own = {"MLOPS_BIND_HOST": HOST, "SAGEMAKER_BIND_TO_PORT": str(port)}
            home, given = folder / "home", spec.environment
            return Command(
                argv=argv if self._mounts else relocated(argv, base),
                env=self._images.environment(spec.image, home, base, own, given),
                cwd=folder / "work",
                log=self._logs.path(self._group, self._stream(spec, number)),
                log_limit=self._config.log_limit_bytes,
                mount=folder / "ml" if self._mounts else None,
            )

        return Replica(command, folder / "supervisor", spec.start_limit)

    def _stream(self, spec: VariantSpec, number: int) -> str:
        return f"{spec.name}/i-{self._generation}{number:02}"


async def _together(*works: Coroutine[Any, Any, None]) -> None:
    """Do all at once; when one fails, end the others before its error is raised."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise
