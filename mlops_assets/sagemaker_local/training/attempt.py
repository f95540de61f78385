"""One attempt at a training job: its data brought, a process for each host, what they leave.

Belongs here: the hosts of one attempt, side by side. Does not belong here: whether there is another
attempt and what the end is called (job_run.py), statuses (progress.py).
"""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mlops_assets.sagemaker_local import archives
from mlops_assets.sagemaker_local.cluster import Cluster
from mlops_assets.sagemaker_local.host_group import run_hosts
from mlops_assets.sagemaker_local.images import relocated
from mlops_assets.sagemaker_local.isolation import Network, network_of
from mlops_assets.sagemaker_local.layout import Layout
from mlops_assets.sagemaker_local.monitoring.logs import TRAINING
from mlops_assets.sagemaker_local.namespaces import MOUNT_POINT
from mlops_assets.sagemaker_local.processes import Command, Exit
from mlops_assets.sagemaker_local.setting import Setting
from mlops_assets.sagemaker_local.store import Document
from mlops_assets.sagemaker_local.training.channels import channels, download
from mlops_assets.sagemaker_local.training.checkpoints import Checkpoints
from mlops_assets.sagemaker_local.training.job_metrics import JobMetrics

_CHECKPOINT_SECONDS = 10.0

Limit = Literal["MaxRuntimeExceeded", "MaxWaitTimeExceeded", "Interrupted"]
Cause = Literal["Completed", "Failed", "Stopped", Limit]


@dataclass(frozen=True)
class Ended:
    """Why the hosts ended. Of a failure: the host that failed first, and how."""

    cause: Cause
    host: str = ""
    exit: Exit | None = None

    @property
    def infrastructure(self) -> bool:
        """Whether it failed by no fault of the script: its supervisor was killed."""
        return self.exit is not None and self.exit.code is None


class Attempt:
    """prepare(), run() and upload() once each, in that order; then remove()."""

    def __init__(self, request: Document, setting: Setting, metrics: JobMetrics) -> None:
        self._request = request
        self._setting = setting
        self._metrics = metrics
        self._name: str = request["TrainingJobName"]
        self._directory = setting.config.home / "jobs" / self._name
        self._cluster = Cluster.from_request(request["ResourceConfig"])
        self._hosts = self._cluster.hosts
        self._channels = channels(request, self._cluster)
        self._layouts = {host: Layout(self._directory / host / "ml") for host in self._hosts}
        layouts = list(self._layouts.values())
        self._checkpoints = Checkpoints(request, layouts, setting.objects)

    @property
    def hosts(self) -> int:
        """How many there are."""
        return len(self._hosts)

    def prepare(self) -> None:
        """Make every host's /opt/ml. Raises InputMissing, ArchiveError."""
        self.remove()
        for host, layout in self._layouts.items():
            described = {c.name: c.described for c in self._channels if host in c.hosts}
            layout.create(self._request.get("HyperParameters", {}), described, self._cluster, host)
        setting = self._setting
        download(self._channels, self._layouts, setting.objects, mounts=setting.mounts)
        self._checkpoints.restore()
        (self._directory / "hosts").write_text(self._cluster.hosts_file())

    def remove(self) -> None:
        """Leave nothing of it on the disk but the logs."""
        self._checkpoints.close()
        shutil.rmtree(self._directory, ignore_errors=True)

    async def run(
        self, stop: asyncio.Event, limits: Mapping[Limit, float], on_limit: Callable[[Limit], None]
    ) -> Ended:
        """Start all hosts and wait for their end, which is brought about if one fails, when asked
        to stop, and at the first of the limits, in seconds; that one is told to ``on_limit``."""
        now = int(time.time())
        logs = self._setting.logs
        paths = [logs.path(TRAINING, f"{self._name}/{host}-{now}") for host in self._hosts]
        limit = min(limits, key=lambda name: limits[name])
        mirror = asyncio.create_task(self._mirror_checkpoints())
        try:
            await self._metrics.start(paths)
            async with network_of(isolated=self._request["EnableNetworkIsolation"]) as network:
                ended = await run_hosts(
                    [self._command(h, p, network) for h, p in zip(self._hosts, paths, strict=True)],
                    self._directory / "supervisor",
                    stopping=stop,
                    limit_s=max(0.0, limits[limit]),
                    grace_s=self._setting.config.job_stop_grace,
                    on_timeout=lambda: on_limit(limit),
                )
        except asyncio.CancelledError:
            self._metrics.abandon()
            raise
        finally:
            mirror.cancel()
        if ended.timed_out:
            return Ended(limit)
        if stop.is_set():
            return Ended("Stopped")
        if ended.failed is None:
            return Ended("Completed")
        return Ended("Failed", self._hosts[ended.failed], ended.exits[ended.failed])

    def failure_text(self, host: str) -> str:
        """What a host wrote about its failure."""
        return self._layouts[host].failure_text()

    def mirror(self) -> None:
        """The checkpoints as they are now."""
        self._checkpoints.mirror()

    def upload(self, *, with_model: bool) -> None:
        """model.tar.gz and output.tar.gz, each if a host left files for it; last checkpoints."""
        self.mirror()
        root = self._request["ModelArtifacts"]["S3ModelArtifacts"].rpartition("/")[0]
        layouts = self._layouts.values()
        folders = {"output.tar.gz": [layout.output for layout in layouts]}
        if with_model:
            folders["model.tar.gz"] = [layout.model for layout in layouts]
        for name, parts in folders.items():
            whole = parts[0] if len(parts) == 1 else self._merged(name, parts)
            if archives.pack(whole, self._directory / name):
                self._setting.objects.upload(self._directory / name, f"{root}/{name}")

    def _merged(self, name: str, folders: list[Path]) -> Path:
        """The files of all hosts; where several left one of the same name, the first host's."""
        whole = self._directory / f"{name}.parts"
        for folder in folders:
            for path in folder.rglob("*"):
                target = whole / path.relative_to(folder)
                if path.is_file() and not path.is_symlink() and not target.exists():
                    target.parent.mkdir(parents=True, exist_ok=True)
                    os.link(path, target)
        whole.mkdir(exist_ok=True)
        return whole

    def _command(self, host: str, log: Path, network: Network) -> Command:
        algorithm, setting = self._request["AlgorithmSpecification"], self._setting
        image = algorithm["TrainingImage"]
        argv = algorithm.get("ContainerEntrypoint") or setting.images.command(image, "train")
        argv = [*argv, *algorithm.get("ContainerArguments", [])]
        layout = self._layouts[host]
        home = self._directory / host / "home"
        base = Path(MOUNT_POINT) if setting.mounts else layout.base
        own = {"TRAINING_JOB_NAME": self._name, "TRAINING_JOB_ARN": self._request["TrainingJobArn"]}
        home.mkdir()
        given = self._request.get("Environment", {})
        shared = len(self._hosts)
        fast = [c.folder for c in self._channels if c.mode == "FastFile" and host in c.hosts]
        return Command(
            argv=argv if setting.mounts else relocated(argv, base),
            env=setting.images.environment(image, home, base, own, given, hosts=shared),
            cwd=self._directory / host / "work",
            log=log,
            log_limit=setting.config.log_limit_bytes,
            mount=layout.base if setting.mounts else None,
            read_only=fast,
            hosts=self._directory / "hosts",
            network=network.namespaces,
            notice=network.notice,
        )

    async def _mirror_checkpoints(self) -> None:
        while self._checkpoints.wanted:
            await asyncio.sleep(_CHECKPOINT_SECONDS)
            await asyncio.to_thread(self.mirror)
