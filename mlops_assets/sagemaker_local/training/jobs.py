"""The training-job operations, the queue before the workers, and what a restart makes of jobs.

Belongs here: Create, Describe, List, StopTrainingJob. Does not belong here: what a running job
does (job_run.py), which requests are right (limits.py).
"""

from __future__ import annotations

import asyncio
import logging
import shutil
import time
from collections.abc import Callable

from mlops_assets.sagemaker_local import listing, tags
from mlops_assets.sagemaker_local.config import Config
from mlops_assets.sagemaker_local.errors import in_use, invalid, over_limit
from mlops_assets.sagemaker_local.images import Images
from mlops_assets.sagemaker_local.limits import check_training_job
from mlops_assets.sagemaker_local.protocol import Handler
from mlops_assets.sagemaker_local.store import Document, Store
from mlops_assets.sagemaker_local.training.job_run import KIND, JobRun, advance

_INTERRUPTED = (
    "InternalServerError: the local SageMaker API was stopped or killed while the job was running;"
    " its processes were ended with it and nothing was uploaded"
)
log = logging.getLogger(__name__)


class TrainingJobs:
    """All training jobs of one server; at most ``job_workers`` run at a time."""

    def __init__(
        self, config: Config, store: Store, images: Images, new_run: Callable[[Document], JobRun]
    ) -> None:
        self._config = config
        self._store = store
        self._images = images
        self._new_run = new_run
        self._workers = asyncio.Semaphore(config.job_workers)
        self._runs: dict[str, JobRun] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def operations(self) -> dict[str, Handler]:
        return {
            "CreateTrainingJob": self.create,
            "DescribeTrainingJob": self.describe,
            "ListTrainingJobs": self.list,
            "StopTrainingJob": self.stop,
        }

    def recover(self) -> None:
        """After a restart: what ran has failed, what only waited waits again."""
        shutil.rmtree(self._config.home / "jobs", ignore_errors=True)
        for document in sorted(self._store.all(KIND), key=lambda job: job["CreationTime"]):
            name = document["TrainingJobName"]
            if document["TrainingJobStatus"] not in ("InProgress", "Stopping"):
                continue
            if document["SecondaryStatus"] == "Starting":
                self._submit(document)
                continue
            with self._store.transaction():
                end = {"TrainingEndTime": time.time(), "FailureReason": _INTERRUPTED}
                advance(self._store, name, "Failed", TrainingJobStatus="Failed", **end)

    async def shutdown(self) -> None:
        """Kill what runs; recover() tells the truth about it at the next start."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def create(self, request: Document) -> Document:
        check_training_job(request)
        name, algorithm = request["TrainingJobName"], request["AlgorithmSpecification"]
        if "ContainerEntrypoint" not in algorithm:
            self._images.command(algorithm["TrainingImage"], "train")  # refused now, not later
        arn = self._config.arn("training-job", name)
        if self._store.get(KIND, name) is not None:
            raise in_use(
                "Job name must be unique within an AWS account and region, and a job with this "
                f"name already exists ({arn})"
            )
        if len(self._tasks) >= self._config.queue_limit:
            raise over_limit(f"{len(self._tasks)} training jobs run or wait already: try later")
        given_tags = tags.from_request(request)
        now = time.time()
        output = request["OutputDataConfig"]["S3OutputPath"].rstrip("/")
        document = {name: value for name, value in request.items() if name != "Tags"} | {
            "Arn": arn,
            "TrainingJobArn": arn,
            "TrainingJobStatus": "InProgress",
            "SecondaryStatus": "Starting",
            "SecondaryStatusTransitions": [],
            "ModelArtifacts": {"S3ModelArtifacts": f"{output}/{name}/output/model.tar.gz"},
            "CreationTime": now,
            "LastModifiedTime": now,
        }
        for switch in (
            "EnableNetworkIsolation",
            "EnableInterContainerTrafficEncryption",
            "EnableManagedSpotTraining",
        ):
            document.setdefault(switch, False)
        resources = request["ResourceConfig"]
        with self._store.transaction():
            self._store.put(KIND, name, document)
            advance(self._store, name, "Starting")
            self._store.set_tags(arn, given_tags)
            self._store.bill(
                name, arn, resources["InstanceType"], resources.get("InstanceCount", 1)
            )
        self._submit(document)
        return {"TrainingJobArn": arn}

    def describe(self, request: Document) -> Document:
        return self._existing(request["TrainingJobName"])

    def list(self, request: Document) -> Document:
        found = listing.page(
            request,
            self._store.all(KIND),
            name="TrainingJobName",
            sorts={
                "CreationTime": "CreationTime",
                "Name": "TrainingJobName",
                "Status": "TrainingJobStatus",
            },
            equal={"StatusEquals": "TrainingJobStatus"},
        )
        return listing.summaries("TrainingJobSummaries", found)

    def stop(self, request: Document) -> Document:
        name = request["TrainingJobName"]
        document = self._existing(name)
        status = document["TrainingJobStatus"]
        if status == "Stopping":
            return {}
        if status != "InProgress":
            raise invalid(
                f"The request was rejected because the training job is in status {status}"
            )
        if name in self._runs:
            advance(self._store, name, "Stopping", TrainingJobStatus="Stopping")
            self._runs[name].stop()
        else:
            self._tasks[name].cancel()  # it waits for a worker: nothing has been done yet
            end = {"TrainingEndTime": time.time(), "BillableTimeInSeconds": 0}
            with self._store.transaction():
                advance(self._store, name, "Stopped", TrainingJobStatus="Stopped", **end)
                self._store.bill_seconds(name, 0)
        return {}

    def _existing(self, name: str) -> Document:
        document = self._store.get(KIND, name)
        if document is None:
            raise invalid("Requested resource not found.")
        return document

    def _submit(self, document: Document) -> None:
        name = document["TrainingJobName"]
        self._tasks[name] = task = asyncio.create_task(self._work(document))
        task.add_done_callback(lambda _: self._tasks.pop(name, None))

    async def _work(self, document: Document) -> None:
        name = document["TrainingJobName"]
        async with self._workers:
            self._runs[name] = run = self._new_run(document)
            try:
                await run.run()
            finally:
                del self._runs[name]
