"""One training job from Starting to its end.

Belongs here: the container contract in time: download, run, stop, upload, and what each end is
called. Does not belong here: the operations and the queue (jobs.py), the folders (layout.py).
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
import shutil
import sys
import time
from pathlib import Path

from mlops_assets.objects import Objects
from mlops_assets.sagemaker_local import archives
from mlops_assets.sagemaker_local.config import Config
from mlops_assets.sagemaker_local.images import Images, relocated
from mlops_assets.sagemaker_local.layout import HOST, InputMissing, Layout
from mlops_assets.sagemaker_local.monitoring import metrics
from mlops_assets.sagemaker_local.monitoring.logs import TRAINING, Logs
from mlops_assets.sagemaker_local.processes import Command, Exit, Process
from mlops_assets.sagemaker_local.store import Document, Store
from mlops_assets.sagemaker_local.supervisor import MOUNT_POINT

KIND = "training-job"
_CHECKPOINT_SECONDS = 10.0
_MESSAGES = {
    "Starting": "Starting the training job",
    "Downloading": "Downloading input data",
    "Training": "Training image is running. Training in progress.",
    "Stopping": "Stopping the training job",
    "Uploading": "Uploading generated training model",
    "Completed": "Training job completed",
    "Failed": "Training job failed",
    "Stopped": "Training job stopped",
    "MaxRuntimeExceeded": "Training job runtime exceeded MaxRuntimeInSeconds provided",
}
log = logging.getLogger(__name__)


def advance(store: Store, name: str, secondary: str, **members: object) -> None:
    """Move a job to its next secondary status, closing the transition before."""
    now = time.time()
    document = store.get(KIND, name)
    if document is None:
        raise KeyError(name)
    transitions = document["SecondaryStatusTransitions"]
    if transitions:
        transitions[-1].setdefault("EndTime", now)
    transitions.append(
        {"Status": secondary, "StartTime": now, "StatusMessage": _MESSAGES[secondary]}
    )
    if members.get("TrainingJobStatus") in ("Completed", "Failed", "Stopped"):
        transitions[-1]["EndTime"] = now
    store.update(
        KIND,
        name,
        SecondaryStatus=secondary,
        SecondaryStatusTransitions=transitions,
        **members,
    )


class JobRun:
    """One job's execution; run() is called once, stop() any number of times."""

    def __init__(
        self,
        document: Document,
        *,
        config: Config,
        store: Store,
        objects: Objects,
        images: Images,
        logs: Logs,
        mounts: bool,
    ) -> None:
        self.name: str = document["TrainingJobName"]
        self._request: Document = document
        self._config = config
        self._store = store
        self._objects = objects
        self._images = images
        self._mounts = mounts
        self._directory = config.home / "jobs" / self.name
        self._layout = Layout(self._directory / "ml")
        self._log = logs.path(TRAINING, f"{self.name}/{HOST}-{int(time.time())}")
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Ask for the end: SIGTERM, and after the grace SIGKILL."""
        self._stopping.set()

    async def run(self) -> None:
        """Execute the job; every end, also an unexpected one, is recorded in the store."""
        started = time.time()
        try:
            await asyncio.to_thread(shutil.rmtree, self._directory, ignore_errors=True)
            await self._execute(started)
        except (InputMissing, archives.ArchiveError) as error:
            self._end("Failed", started, reason=str(error))
        except Exception as error:
            log.exception("training job %s failed", self.name)
            self._end("Failed", started, reason=f"InternalServerError: {error!r}")
        finally:
            await asyncio.to_thread(shutil.rmtree, self._directory, ignore_errors=True)

    async def _execute(self, started: float) -> None:
        advance(self._store, self.name, "Downloading", TrainingStartTime=started)
        await asyncio.to_thread(self._prepare)
        if self._stopping.is_set():
            return self._end("Stopped", started)
        advance(self._store, self.name, "Training")
        process = await Process.start(self._command(), self._directory / "supervisor")
        exit_, timed_out = await self._shepherd(process)
        secondary = "Stopping" if self._stopping.is_set() else "Uploading"
        if secondary == "Uploading":
            advance(self._store, self.name, "Uploading")
        stopped = timed_out or self._stopping.is_set()
        found = await self._metrics()
        if exit_.code == 0 or stopped:
            await asyncio.to_thread(self._upload, True)
            final = "MaxRuntimeExceeded" if timed_out else "Stopped" if stopped else "Completed"
            return self._end(final, started, found=found)
        await asyncio.to_thread(self._upload, False)
        return self._end("Failed", started, found=found, reason=self._reason(exit_))

    def _prepare(self) -> None:
        self._layout.create(self._request)
        self._layout.download(self._request, self._objects)
        if uri := self._checkpoints_uri():
            self._objects.download_tree(uri, self._layout.checkpoints)

    def _command(self) -> Command:
        algorithm = self._request["AlgorithmSpecification"]
        image = algorithm["TrainingImage"]
        argv = algorithm.get("ContainerEntrypoint") or self._images.command(image, "train")
        argv = [*argv, *algorithm.get("ContainerArguments", [])]
        home = self._directory / "home"
        work = self._directory / "work"
        base = Path(MOUNT_POINT) if self._mounts else self._layout.base
        own = {
            "TRAINING_JOB_NAME": self.name,
            "TRAINING_JOB_ARN": self._request["TrainingJobArn"],
        }
        home.mkdir()
        given = self._request.get("Environment", {})
        return Command(
            argv=argv if self._mounts else relocated(argv, base),
            env=self._images.environment(image, home, base, own, given),
            cwd=work,
            log=self._log,
            log_limit=self._config.log_limit_bytes,
            mount=self._layout.base if self._mounts else None,
        )

    async def _shepherd(self, process: Process) -> tuple[Exit, bool]:
        """Wait for the end, stopping the job when asked or out of time; True if out of time."""
        limit = self._request["StoppingCondition"].get("MaxRuntimeInSeconds", 86_400)
        ended = asyncio.create_task(process.wait())
        stopping = asyncio.create_task(self._stopping.wait())
        mirror = asyncio.create_task(self._mirror_checkpoints())
        try:
            await asyncio.wait(
                {ended, stopping}, timeout=limit, return_when=asyncio.FIRST_COMPLETED
            )
            timed_out = not ended.done() and not stopping.done()
            if timed_out:
                advance(self._store, self.name, "Stopping", TrainingJobStatus="Stopping")
            process.stop(self._config.job_stop_grace)
            return await ended, timed_out
        finally:
            stopping.cancel()
            mirror.cancel()
            process.stop(0)  # if this task is cancelled; no effect on an ended process

    async def _mirror_checkpoints(self) -> None:
        while self._checkpoints_uri():
            await asyncio.sleep(_CHECKPOINT_SECONDS)
            await asyncio.to_thread(self._mirror)

    def _mirror(self) -> None:
        """The checkpoints' folder to the store, deletions included."""
        uri = self._checkpoints_uri()
        if uri is None:
            return
        kept = {path for path in self._layout.checkpoints.rglob("*") if path.is_file()}
        prefix = uri.rstrip("/")
        self._objects.upload_tree(self._layout.checkpoints, prefix)
        for info in list(self._objects.list(prefix)):
            if self._layout.checkpoints / info.uri.removeprefix(prefix).lstrip("/") not in kept:
                self._objects.delete(info.uri)

    def _checkpoints_uri(self) -> str | None:
        uri = self._request.get("CheckpointConfig", {}).get("S3Uri")
        return None if uri is None else str(uri)

    async def _metrics(self) -> list[Document]:
        definitions = self._request["AlgorithmSpecification"].get("MetricDefinitions", [])
        if not definitions:
            return []
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-I", "-S", str(Path(metrics.__file__)), str(self._log)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        output, _ = await process.communicate(json.dumps(definitions).encode())
        if process.returncode != 0:
            log.warning("%s: its MetricDefinitions failed or took too long", self.name)
            return []
        found: list[Document] = json.loads(output)
        return found

    def _upload(self, with_model: bool) -> None:
        """model.tar.gz and output.tar.gz, each if its folder holds files; last checkpoints."""
        self._mirror()
        root = self._request["ModelArtifacts"]["S3ModelArtifacts"].rpartition("/")[0]
        folders = {"output.tar.gz": self._layout.output}
        if with_model:
            folders["model.tar.gz"] = self._layout.model
        for name, folder in folders.items():
            if archives.pack(folder, self._directory / name):
                self._objects.upload(self._directory / name, f"{root}/{name}")

    def _reason(self, exit_: Exit) -> str:
        """AlgorithmError, with the container's own words if it left any."""
        text, end = self._layout.failure_text(), exit_.describe()
        return f"AlgorithmError: {text[: 1000 - len(end)]}, {end}"

    def _end(
        self, final: str, started: float, *, found: list[Document] | None = None, reason: str = ""
    ) -> None:
        now = time.time()
        billable = math.ceil(now - started)
        members: dict[str, object] = {
            "TrainingJobStatus": "Stopped" if final == "MaxRuntimeExceeded" else final,
            "TrainingEndTime": now,
            "TrainingTimeInSeconds": billable,
            "BillableTimeInSeconds": billable,
            "FinalMetricDataList": found or [],
        }
        if reason:
            members["FailureReason"] = reason[:1024]
        with self._store.transaction():
            advance(self._store, self.name, final, **members)
            self._store.bill_seconds(self.name, billable)
