"""The processing operations, and what a restart makes of jobs.

Belongs here: Create, Describe, List, StopProcessingJob. Does not belong here: what a running job
does (processing_run.py), which requests are right (processing_checks.py), waiting (job_queue.py).
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path

from mlops_assets.sagemaker_local import listing, tags
from mlops_assets.sagemaker_local.config import Config
from mlops_assets.sagemaker_local.errors import in_use, invalid
from mlops_assets.sagemaker_local.images import Images
from mlops_assets.sagemaker_local.job_queue import JobQueue
from mlops_assets.sagemaker_local.processing.processing_checks import check_processing_job
from mlops_assets.sagemaker_local.processing.processing_run import KIND, ProcessingRun
from mlops_assets.sagemaker_local.protocol import Handler
from mlops_assets.sagemaker_local.store import Document, Store

_INTERRUPTED = (
    "InternalServerError: the local SageMaker API was stopped or killed while the job was running;"
    " its processes were ended with it"
)
NewRun = Callable[[Document, Path], ProcessingRun]


class ProcessingJobs:
    """All processing jobs of one server; at most ``job_workers`` run at a time."""

    def __init__(self, config: Config, store: Store, images: Images, new_run: NewRun) -> None:
        self._config = config
        self._store = store
        self._images = images
        self._new_run = new_run
        self._root = config.home / "processing"
        self._queue = JobQueue(
            "processing jobs", workers=config.job_workers, limit=config.queue_limit
        )

    def operations(self) -> dict[str, Handler]:
        return {
            "CreateProcessingJob": self.create,
            "DescribeProcessingJob": lambda request: self._existing(request["ProcessingJobName"]),
            "ListProcessingJobs": self.list,
            "StopProcessingJob": self.stop,
        }

    def recover(self) -> None:
        """After a restart: what ran has failed, what only waited waits again."""
        shutil.rmtree(self._root, ignore_errors=True)
        for document in sorted(self._store.all(KIND), key=lambda job: job["CreationTime"]):
            name, status = document["ProcessingJobName"], document["ProcessingJobStatus"]
            if status == "InProgress" and "ProcessingStartTime" not in document:
                self._submit(document)
            elif status in ("InProgress", "Stopping"):
                end = {"ProcessingEndTime": time.time(), "FailureReason": _INTERRUPTED}
                self._store.update(KIND, name, ProcessingJobStatus="Failed", **end)

    async def shutdown(self) -> None:
        await self._queue.shutdown()

    def create(self, request: Document) -> Document:
        check_processing_job(request, most_instances=self._config.instances_per_job)
        name, application = request["ProcessingJobName"], request["AppSpecification"]
        if "ContainerEntrypoint" not in application:
            self._images.command(application["ImageUri"], "process")  # refused now, not later
        arn, now = self._config.arn(KIND, name), time.time()
        if self._store.get(KIND, name) is not None:
            raise in_use(
                "Job name must be unique within an AWS account and region, and a job with this "
                f"name already exists ({arn})"
            )
        self._queue.check_room()
        given_tags = tags.from_request(request)
        document = {member: value for member, value in request.items() if member != "Tags"} | {
            "Arn": arn,
            "ProcessingJobArn": arn,
            "ProcessingJobStatus": "InProgress",
            "CreationTime": now,
            "LastModifiedTime": now,
        }
        with self._store.transaction():
            self._store.put(KIND, name, document)
            self._store.set_tags(arn, given_tags)
        self._submit(document)
        return {"ProcessingJobArn": arn}

    def list(self, request: Document) -> Document:
        found = listing.page(
            request,
            self._store.all(KIND),
            name="ProcessingJobName",
            sorts={
                "CreationTime": "CreationTime",
                "Name": "ProcessingJobName",
                "Status": "ProcessingJobStatus",
            },
            equal={"StatusEquals": "ProcessingJobStatus"},
        )
        return listing.summaries("ProcessingJobSummaries", found)

    def stop(self, request: Document) -> Document:
        name = request["ProcessingJobName"]
        status = self._existing(name)["ProcessingJobStatus"]
        if status == "Stopping":
            return {}
        if status != "InProgress":
            raise invalid(
                f"The request was rejected because the processing job is in status {status}"
            )
        if self._queue.stop(name):  # it waited: nothing has been done yet
            end = {"ProcessingJobStatus": "Stopped", "ProcessingEndTime": time.time()}
            self._store.update(KIND, name, **end)
        else:
            self._store.update(KIND, name, ProcessingJobStatus="Stopping")
        return {}

    def _existing(self, name: str) -> Document:
        document = self._store.get(KIND, name)
        if document is None:
            raise invalid(f"Could not find requested job with name: {name}")
        return document

    def _submit(self, document: Document) -> None:
        name = document["ProcessingJobName"]
        self._queue.submit(name, lambda: self._new_run(document, self._root / name))
