"""One processing job from its start to its end.

Belongs here: the container contract in time: download, run on each host, stop, upload, and what
each end is called. Does not belong here: the operations (processing_jobs.py), the folders
(processing_layout.py).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
import time
from pathlib import Path

from mlops_assets.sagemaker_local.cluster import Cluster
from mlops_assets.sagemaker_local.faults.job_faults import INTERNAL_ERROR, NO_CAPACITY, JobFaults
from mlops_assets.sagemaker_local.host_group import GroupExit, run_hosts
from mlops_assets.sagemaker_local.images import relocated
from mlops_assets.sagemaker_local.inputs import InputMissing
from mlops_assets.sagemaker_local.isolation import Network, network_of
from mlops_assets.sagemaker_local.monitoring.logs import PROCESSING as LOG_GROUP
from mlops_assets.sagemaker_local.namespaces import MOUNT_POINT
from mlops_assets.sagemaker_local.plain_jobs import PROCESSING
from mlops_assets.sagemaker_local.processes import Command
from mlops_assets.sagemaker_local.processing.processing_layout import (
    MESSAGE_BYTES,
    MessageUnreadable,
    ProcessingLayout,
)
from mlops_assets.sagemaker_local.processing.processing_outputs import Outputs
from mlops_assets.sagemaker_local.setting import Setting
from mlops_assets.sagemaker_local.store import Document, Store

_DEFAULT_RUNTIME_S = 86_400
_TURN_PAUSE_S = 0.1
log = logging.getLogger(__name__)


class ProcessingRun:
    """One job's execution; run() is called once, stop() any number of times.

    ``alone`` is held by jobs of several hosts: two such would listen on the same ports.
    """

    def __init__(
        self,
        document: Document,
        *,
        directory: Path,
        store: Store,
        setting: Setting,
        faults: JobFaults,
        alone: asyncio.Lock,
    ) -> None:
        self.name: str = document["ProcessingJobName"]
        self._request = document
        self._directory = directory
        self._store = store
        self._setting = setting
        self._faults = faults
        self._alone = alone
        self._stopping = asyncio.Event()
        self._cluster = Cluster.from_request(document["ProcessingResources"]["ClusterConfig"])
        bases = {host: directory / host / "ml" for host in self._cluster.hosts}
        self._layouts = [
            ProcessingLayout(
                base, host, self._cluster, Path(MOUNT_POINT) if setting.mounts else base
            )
            for host, base in bases.items()
        ]
        self._outputs = Outputs(document, self._layouts, setting.objects)

    def stop(self) -> None:
        """Ask for the end: SIGTERM, and after the grace SIGKILL."""
        self._stopping.set()

    async def run(self) -> None:
        """Execute the job; every end, also an unexpected one, is recorded in the store."""
        try:
            await asyncio.to_thread(shutil.rmtree, self._directory, ignore_errors=True)
            if len(self._layouts) == 1:
                await self._execute()
            else:
                while self._alone.locked() and not self._stopping.is_set():
                    await self._pause(_TURN_PAUSE_S)
                async with contextlib.nullcontext() if self._stopping.is_set() else self._alone:
                    await self._execute()
        except (InputMissing, MessageUnreadable) as error:
            self._end("Failed", reason=str(error))
        except Exception as error:
            log.exception("processing job %s failed", self.name)
            self._end("Failed", reason=f"InternalServerError: {error!r}")
        finally:
            await asyncio.to_thread(shutil.rmtree, self._directory, ignore_errors=True)

    async def _execute(self) -> None:
        await self._pause(self._faults.slow_start)
        if self._faults.capacity_error is not None and not self._stopping.is_set():
            await self._pause(self._faults.capacity_error)
            return self._end("Failed", reason=NO_CAPACITY)
        if self._stopping.is_set():
            return self._end("Stopped")
        PROCESSING.started(self._store, self.name)
        if self._faults.internal_errors:
            return self._end("Failed", reason=INTERNAL_ERROR)
        await asyncio.to_thread(self._prepare)
        if self._stopping.is_set():
            return self._end("Stopped")
        uploads = asyncio.create_task(self._outputs.follow())
        try:
            isolated = self._request.get("NetworkConfig", {}).get("EnableNetworkIsolation", False)
            async with network_of(isolated=isolated) as network:
                ended = await run_hosts(
                    [self._command(layout, network) for layout in self._layouts],
                    self._directory / "supervisor",
                    stopping=self._stopping,
                    limit_s=self._limit_s(),
                    grace_s=self._setting.config.job_stop_grace,
                    on_timeout=self._times_out,
                )
        finally:
            uploads.cancel()
            await asyncio.gather(uploads, return_exceptions=True)
        await asyncio.to_thread(self._outputs.store, "Continuous")
        message = "".join(layout.message() for layout in self._layouts)
        if ended.failed is not None:
            return self._end("Failed", reason=_reason(ended), message=message)
        if ended.timed_out or self._stopping.is_set():
            return self._end("Stopped", message=message)
        await asyncio.to_thread(self._outputs.store, "EndOfJob")
        return self._end("Completed", message=message)

    async def _pause(self, seconds: float) -> None:
        """So long, or until the job is stopped."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)

    def _prepare(self) -> None:
        self._directory.mkdir(parents=True)
        (self._directory / "hosts").write_text(self._cluster.hosts_file())
        for layout in self._layouts:
            layout.create(self._request)
            layout.download(self._request, self._setting.objects)

    def _limit_s(self) -> int:
        limit: int = self._request.get("StoppingCondition", {}).get(
            "MaxRuntimeInSeconds", _DEFAULT_RUNTIME_S
        )
        return limit

    def _command(self, layout: ProcessingLayout, network: Network) -> Command:
        application = self._request["AppSpecification"]
        image, images = application["ImageUri"], self._setting.images
        argv = application.get("ContainerEntrypoint") or images.command(image, "process")
        argv = [*argv, *application.get("ContainerArguments", [])]
        home = self._directory / layout.host / "home"
        home.mkdir()
        given = self._request.get("Environment", {})
        return Command(
            argv=argv if self._setting.mounts else relocated(argv, layout.base),
            env=images.environment(image, home, layout.seen, {}, given, hosts=len(self._layouts)),
            cwd=self._directory / layout.host / "work",
            log=self._setting.logs.path(LOG_GROUP, f"{self.name}/{layout.host}-{int(time.time())}"),
            log_limit=self._setting.config.log_limit_bytes,
            mount=layout.base if self._setting.mounts else None,
            hosts=self._directory / "hosts",
            network=network.namespaces,
            notice=network.notice,
        )

    def _times_out(self) -> None:
        self._store.update(PROCESSING.resource, self.name, ProcessingJobStatus="Stopping")

    def _end(self, status: str, *, reason: str = "", message: str = "") -> None:
        members: Document = {}
        if message:
            members["ExitMessage"] = message.encode()[:MESSAGE_BYTES].decode(errors="ignore")
        PROCESSING.ended(self._store, self.name, status, reason=reason, **members)


def _reason(ended: GroupExit) -> str:
    number = ended.failed or 0
    where = f" on algo-{number + 1}" if len(ended.exits) > 1 else ""
    end = ended.exits[number].describe()
    return f"AlgorithmError: See job logs for more information, {end}{where}"
