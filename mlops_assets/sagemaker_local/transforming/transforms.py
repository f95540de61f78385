"""The batch transform operations, and what a restart makes of jobs.

Belongs here: Create, Describe, List, StopTransformJob. Does not belong here: what a running job
does (transform_run.py), which requests are right (transform_checks.py), waiting (job_queue.py).
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path

from mlops_assets.objects import Objects
from mlops_assets.sagemaker_local import listing, tags
from mlops_assets.sagemaker_local.config import Config
from mlops_assets.sagemaker_local.errors import in_use, invalid, over_limit
from mlops_assets.sagemaker_local.fleet.fleet_spec import FleetSpec, fleet_spec
from mlops_assets.sagemaker_local.fleet.hosting import Fleet
from mlops_assets.sagemaker_local.fleet.models import Models
from mlops_assets.sagemaker_local.job_queue import JobQueue
from mlops_assets.sagemaker_local.protocol import Handler
from mlops_assets.sagemaker_local.store import Document, Store
from mlops_assets.sagemaker_local.transforming.transform_checks import check_transform_job
from mlops_assets.sagemaker_local.transforming.transform_run import KIND, TransformRun

_INTERRUPTED = (
    "InternalServerError: the local SageMaker API was stopped or killed while the job was running;"
    " its model servers were ended with it"
)
NewFleet = Callable[[FleetSpec, Path], Fleet]


class TransformJobs:
    """All transform jobs of one server; at most ``job_workers`` run at a time."""

    def __init__(
        self, config: Config, store: Store, objects: Objects, models: Models, new_fleet: NewFleet
    ) -> None:
        self._config = config
        self._store = store
        self._objects = objects
        self._models = models
        self._new_fleet = new_fleet
        self._root = config.home / "transforms"
        self._queue = JobQueue(
            "transform jobs", workers=config.job_workers, limit=config.queue_limit
        )

    def operations(self) -> dict[str, Handler]:
        return {
            "CreateTransformJob": self.create,
            "DescribeTransformJob": lambda request: self._existing(request["TransformJobName"]),
            "ListTransformJobs": self.list,
            "StopTransformJob": self.stop,
        }

    def recover(self) -> None:
        """After a restart: what ran has failed, what only waited waits again."""
        shutil.rmtree(self._root, ignore_errors=True)
        for document in sorted(self._store.all(KIND), key=lambda job: job["CreationTime"]):
            name, status = document["TransformJobName"], document["TransformJobStatus"]
            if status == "InProgress" and "TransformStartTime" not in document:
                self._submit(document)
            elif status in ("InProgress", "Stopping"):
                end = {"TransformEndTime": time.time(), "FailureReason": _INTERRUPTED}
                self._store.update(KIND, name, TransformJobStatus="Failed", **end)

    async def shutdown(self) -> None:
        """End what runs; recover() tells the truth about it at the next start."""
        await self._queue.shutdown()

    def create(self, request: Document) -> Document:
        check_transform_job(request)
        name, count = request["TransformJobName"], request["TransformResources"]["InstanceCount"]
        arn, now = self._config.arn(KIND, name), time.time()
        if self._store.get(KIND, name) is not None:
            raise in_use(
                "Job name must be unique within an AWS account and region, and a job with this "
                f"name already exists ({arn})"
            )
        if count > self._config.instances_per_endpoint:
            raise over_limit(
                f"{count} instances are more than the {self._config.instances_per_endpoint} that "
                "the local SageMaker API runs for a transform job"
            )
        self._queue.check_room()
        variant = self._models.hosted(
            name, request["ModelName"], count, request.get("Environment", {})
        )
        given_tags = tags.from_request(request)
        document = {member: value for member, value in request.items() if member != "Tags"} | {
            "Arn": arn,
            "TransformJobArn": arn,
            "TransformJobStatus": "InProgress",
            "CreationTime": now,
            "LastModifiedTime": now,
            # Resolved now: the model may be deleted while the job waits.
            "Fleet": FleetSpec(name, name, (variant,)).document(),
        }
        with self._store.transaction():
            self._store.put(KIND, name, document)
            self._store.set_tags(arn, given_tags)
        self._submit(document)
        return {"TransformJobArn": arn}

    def list(self, request: Document) -> Document:
        found = listing.page(
            request,
            self._store.all(KIND),
            name="TransformJobName",
            sorts={
                "CreationTime": "CreationTime",
                "Name": "TransformJobName",
                "Status": "TransformJobStatus",
            },
            equal={"StatusEquals": "TransformJobStatus"},
        )
        return listing.summaries("TransformJobSummaries", found)

    def stop(self, request: Document) -> Document:
        name = request["TransformJobName"]
        status = self._existing(name)["TransformJobStatus"]
        if status == "Stopping":
            return {}
        if status != "InProgress":
            raise invalid(
                f"The request was rejected because the transform job is in status {status}"
            )
        if self._queue.stop(name):  # it waited: nothing has been done yet
            end = {"TransformJobStatus": "Stopped", "TransformEndTime": time.time()}
            self._store.update(KIND, name, **end)
        else:
            self._store.update(KIND, name, TransformJobStatus="Stopping")
        return {}

    def _existing(self, name: str) -> Document:
        document = self._store.get(KIND, name)
        if document is None:
            raise invalid(f"Could not find requested transform job {name}.")
        return document

    def _submit(self, document: Document) -> None:
        name = document["TransformJobName"]
        self._queue.submit(name, lambda: self._new_run(document, self._root / name))

    def _new_run(self, document: Document, directory: Path) -> TransformRun:
        return TransformRun(
            document,
            directory=directory,
            store=self._store,
            objects=self._objects,
            fleet=self._new_fleet(fleet_spec(document["Fleet"]), directory / "fleet"),
        )
