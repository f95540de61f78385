"""The model servers of one endpoint configuration: a fleet that starts and stops as one.

Belongs here: variants, their models unpacked, their replicas. Does not belong here: which fleet
gets a request (traffic.py) or serves an endpoint (endpoints.py), one process (replica.py).
"""

from __future__ import annotations

import asyncio
import shutil
import time
import uuid
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any

from mlops_assets.objects import ObjectNotFound, Objects
from mlops_assets.sagemaker_local import archives
from mlops_assets.sagemaker_local.config import Config
from mlops_assets.sagemaker_local.faults.job_faults import NO_ENDPOINT_FAULTS, EndpointFaults
from mlops_assets.sagemaker_local.fleet.fleet_spec import FleetSpec, VariantSpec
from mlops_assets.sagemaker_local.fleet.replica import HOST, Replica, Unhealthy
from mlops_assets.sagemaker_local.fleet.serverless import Sleeper
from mlops_assets.sagemaker_local.images import Images, relocated
from mlops_assets.sagemaker_local.invoking.capture import Capture
from mlops_assets.sagemaker_local.monitoring.logs import ENDPOINTS, Logs
from mlops_assets.sagemaker_local.monitoring.meter import VariantMeter
from mlops_assets.sagemaker_local.monitoring.metric_store import MetricStore
from mlops_assets.sagemaker_local.namespaces import MOUNT_POINT
from mlops_assets.sagemaker_local.processes import Command

_DRAIN_PAUSE = 0.02


class FleetError(Exception):
    """The fleet could not be started; the message is the endpoint's FailureReason."""


class Variant:
    """A variant of a running fleet."""

    def __init__(self, spec: VariantSpec, meter: VariantMeter) -> None:
        self.spec = spec
        self.meter = meter
        self.weight = spec.weight
        self.credit = 0.0  # of a shadow: its claim on a copy of the next request
        self.replicas: list[Replica] = []
        self.next_number = 0
        self.sleeper: Sleeper | None = None  # of a serverless variant

    def next_replica(self) -> Replica | None:
        """The least busy one that is ready."""
        if len(self.replicas) == 1:
            only = self.replicas[0]
            return only if only.ready else None
        ready = [replica for replica in self.replicas if replica.ready]
        return min(ready, key=lambda replica: replica.in_flight, default=None)


class Fleet:
    """start() once, resize() as wanted, stop() once."""

    def __init__(
        self,
        spec: FleetSpec,
        *,
        config: Config,
        objects: Objects,
        images: Images,
        logs: Logs,
        metrics: MetricStore,
        mounts: bool,
        group: str | None = None,
        directory: Path | None = None,
        faults: Callable[[], EndpointFaults] = lambda: NO_ENDPOINT_FAULTS,
    ) -> None:
        self.spec = spec
        self._faults = faults
        self._config = config
        self._objects = objects
        self._images = images
        self._logs = logs
        self._mounts = mounts
        self._group = group or f"{ENDPOINTS}/{spec.endpoint}"
        self._generation = uuid.uuid4().hex[:12]
        folder = directory or config.home / "endpoints" / spec.endpoint
        self._directory = folder / self._generation

        def variant(of: VariantSpec) -> Variant:
            return Variant(of, VariantMeter(metrics, spec.endpoint, spec.config, of.name))

        self._leaving: list[Replica] = []
        self.variants = [variant(of) for of in spec.variants]
        for each in self.variants:
            each.sleeper = self._sleeper(each)
        self.shadows = [variant(of) for of in spec.shadows]
        self.capture = (
            None if spec.capture is None else Capture(spec.endpoint, spec.capture, config, objects)
        )

    def variant(self, name: str) -> Variant | None:
        """The production variant of that name."""
        return next((variant for variant in self.variants if variant.spec.name == name), None)

    async def start(self, counts: Mapping[str, int] | None = None) -> None:
        """Return when every replica is healthy; ``counts``: other than the specification's.

        Raises FleetError, with nothing left running.
        """
        wanted = self.spec.counts() | dict(counts or {})
        try:
            await self._get_capacity()
            await _together(
                *(self._start(variant, wanted[variant.spec.name]) for variant in self.variants),
                *(self._start(variant, variant.spec.instances) for variant in self.shadows),
            )
        except BaseException:
            await self.stop(0.0)
            raise
        for variant in self.variants:
            if variant.sleeper is not None:
                variant.sleeper.rest()

    async def _get_capacity(self) -> None:
        """Nothing, unless a fault is asked for."""
        faults = self._faults()
        await asyncio.sleep(faults.slow_start)
        if faults.capacity_error is not None:
            await asyncio.sleep(faults.capacity_error)
            raise FleetError(
                "Unable to provision requested ML compute capacity due to "
                "InsufficientInstanceCapacity error. Please retry using a different ML instance "
                "type or after some time."
            )

    async def resize(self, counts: Mapping[str, int]) -> None:
        """Start what is missing of the production variants, then drain and stop what is too many.

        Raises FleetError, with the replicas that were there before still running.
        """
        await _together(
            *(
                self._add(variant, counts[variant.spec.name] - len(variant.replicas))
                for variant in self.variants
                if counts.get(variant.spec.name, 0) > len(variant.replicas)
            )
        )
        for variant in self.variants:
            keep = counts.get(variant.spec.name, len(variant.replicas))
            self._leaving += variant.replicas[keep:]
            del variant.replicas[keep:]
        leaving = [*self._leaving]
        await self._end(leaving, self._config.replica_stop_grace)
        self._leaving = [replica for replica in self._leaving if replica not in leaving]

    def reweigh(self, spec: FleetSpec) -> None:
        """Give the production variants that specification's weights."""
        for wanted in spec.variants:
            if (variant := self.variant(wanted.name)) is not None:
                variant.weight = wanted.weight

    async def stop(self, grace: float) -> None:
        """Wait until no request is being answered (one invocation's limit), then end it all."""
        variants = [*self.variants, *self.shadows]
        sleepers = [variant.sleeper for variant in variants if variant.sleeper is not None]
        await asyncio.gather(*(sleeper.close() for sleeper in sleepers))
        replicas = [replica for variant in variants for replica in variant.replicas]
        try:
            await self._end([*replicas, *self._leaving], grace)
        finally:  # also when the server ends while this fleet is still draining
            if self.capture is not None:
                await self.capture.close()
        await asyncio.to_thread(shutil.rmtree, self._directory, ignore_errors=True)

    def _sleeper(self, variant: Variant) -> Sleeper | None:
        if variant.spec.serverless is None:
            return None

        async def sleep() -> None:
            ending = [*variant.replicas]
            variant.replicas.clear()
            self._leaving += ending
            await self._end(ending, self._config.replica_stop_grace)
            self._leaving = [replica for replica in self._leaving if replica not in ending]

        return Sleeper(
            variant.spec.serverless["MaxConcurrency"],
            self._config.serverless_idle_s,
            awake=lambda: bool(variant.replicas),
            wake=lambda: self._add(variant, 1),
            sleep=sleep,
        )

    async def _end(self, replicas: Sequence[Replica], grace: float) -> None:
        patience = self._config.invoke_limit if grace and self._config.drain else 0.0
        while patience > 0 and any(replica.in_flight for replica in replicas):
            await asyncio.sleep(_DRAIN_PAUSE)
            patience -= _DRAIN_PAUSE
        grace = grace if self._config.drain else 0.0
        await asyncio.gather(*(replica.stop(grace) for replica in replicas))

    async def _start(self, variant: Variant, count: int) -> None:
        spec = variant.spec
        try:
            await asyncio.to_thread(self._fetch_model, spec)
        except (ObjectNotFound, archives.ArchiveError) as error:
            raise FleetError(f"The model of production variant {spec.name}: {error}") from error
        await self._add(variant, count)

    async def _add(self, variant: Variant, count: int) -> None:
        spec = variant.spec
        numbers = range(variant.next_number, variant.next_number + count)
        variant.next_number += count
        added = [self._replica(spec, number) for number in numbers]
        try:
            await _together(*(replica.start() for replica in added))
        except Unhealthy as error:
            await asyncio.gather(*(replica.stop(0.0) for replica in added))
            said = [self._logs.last_line(self._group, self._stream(spec, n)) for n in numbers]
            raise FleetError(
                f"The primary container for production variant {spec.name} did not pass the ping "
                f"health check. Please check CloudWatch logs for this endpoint: {error}; its log "
                f"ends: {next(filter(None, said), 'empty')[:500]}"
            ) from error
        except BaseException:
            await asyncio.gather(*(replica.stop(0.0) for replica in added))
            raise
        variant.replicas += added

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

        made = time.monotonic()

        def sick() -> bool:
            after = self._faults().unhealthy_after
            return after is not None and time.monotonic() - made >= after

        return Replica(command, folder / "supervisor", spec.start_limit, sick)

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
