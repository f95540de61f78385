"""Jobs that run once, from their start to their end: what processing and transform have in common.

Belongs here: the queue, Describe, List, Stop, the books, what a restart makes of such jobs. Does
not belong here: what a job does (its run), which requests are right, training jobs
(training/jobs.py), which go on after an interruption.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mlops_assets.sagemaker_local import listing, tags
from mlops_assets.sagemaker_local.config import Config
from mlops_assets.sagemaker_local.errors import in_use, invalid
from mlops_assets.sagemaker_local.faults.faults import Faults
from mlops_assets.sagemaker_local.faults.job_faults import JobFaults
from mlops_assets.sagemaker_local.job_queue import JobQueue, Run
from mlops_assets.sagemaker_local.store import Document, Store

_INTERRUPTED = (
    "InternalServerError: the local SageMaker API was stopped or killed while the job was running;"
    " its processes were ended with it"
)
NewRun = Callable[[Document, Path], Run]


@dataclass(frozen=True)
class PlainKind:
    """One kind of such jobs.

    Args:
        resource: its part of ARNs.
        member: what its members begin with: ``ProcessingJob`` of ProcessingJobName, ….
        clock: what the members of its times begin with: ``Processing`` of ProcessingStartTime, ….
        cluster: the members that lead to its instances.
        missing: the service's words for a job that is not there.
    """

    resource: str
    member: str
    clock: str
    cluster: tuple[str, ...]
    missing: str

    def instances(self, document: Document) -> tuple[str, int]:
        """The type of its instances, and how many."""
        found = document
        for member in self.cluster:
            found = found[member]
        return found["InstanceType"], found["InstanceCount"]

    def faults(self, faults: Faults, document: Document) -> JobFaults:
        """The faults of a job of this kind."""
        instance_type, _ = self.instances(document)
        return faults.job(document[f"{self.member}Name"], document["Arn"], instance_type)

    def started(self, store: Store, name: str) -> None:
        """Its work begins, and with it what is billed."""
        store.update(self.resource, name, **{f"{self.clock}StartTime": time.time()})

    def ended(
        self, store: Store, name: str, status: str, *, reason: str = "", **members: object
    ) -> None:
        """Record an end, and the seconds that it cost: none where the work never began."""
        now = time.time()
        if reason:
            members["FailureReason"] = reason[:1024]
        with store.transaction():
            document = store.update(
                self.resource,
                name,
                **{f"{self.member}Status": status, f"{self.clock}EndTime": now},
                **members,
            )
            seconds = now - document.get(f"{self.clock}StartTime", now)
            store.bill_seconds(document["Arn"], round(seconds))


PROCESSING = PlainKind(
    "processing-job",
    "ProcessingJob",
    "Processing",
    ("ProcessingResources", "ClusterConfig"),
    "Could not find requested job with name: {}",
)
TRANSFORM = PlainKind(
    "transform-job",
    "TransformJob",
    "Transform",
    ("TransformResources",),
    "Could not find requested transform job {}.",
)


class PlainJobs:
    """All jobs of one kind of one server; at most ``job_workers`` run at a time.

    Args:
        folder: of the runs, below the server's home.
        new_run: of a job's document, and the folder that it works in.
    """

    def __init__(
        self,
        kind: PlainKind,
        config: Config,
        store: Store,
        faults: Faults,
        new_run: NewRun,
        *,
        folder: str,
    ) -> None:
        self._kind = kind
        self._config = config
        self._store = store
        self._faults = faults
        self._new_run = new_run
        self._root = config.home / folder
        self._queue = JobQueue(
            f"{kind.clock.lower()} jobs", workers=config.job_workers, limit=config.queue_limit
        )
        self._name = f"{kind.member}Name"
        self._status = f"{kind.member}Status"

    def recover(self) -> None:
        """After a restart: what ran has failed, what only waited waits again."""
        shutil.rmtree(self._root, ignore_errors=True)
        jobs = self._store.all(self._kind.resource)
        for document in sorted(jobs, key=lambda job: job["CreationTime"]):
            status = document[self._status]
            if status == "InProgress" and f"{self._kind.clock}StartTime" not in document:
                self._submit(document)
            elif status in ("InProgress", "Stopping"):
                self._kind.ended(self._store, document[self._name], "Failed", reason=_INTERRUPTED)

    async def shutdown(self) -> None:
        """End what runs; recover() tells the truth about it at the next start."""
        await self._queue.shutdown()

    def enter(self, request: Document, **members: object) -> Document:
        """Keep a job that may be created, with further members, and let it wait for its turn."""
        name, now = request[self._name], time.time()
        arn = self._arn(request)
        self._queue.check_room()
        given_tags = tags.from_request(request)
        self._faults.check_job(given_tags, spot=False)
        document = {member: value for member, value in request.items() if member != "Tags"} | {
            "Arn": arn,
            f"{self._kind.member}Arn": arn,
            self._status: "InProgress",
            "CreationTime": now,
            "LastModifiedTime": now,
            **members,
        }
        with self._store.transaction():
            self._store.put(self._kind.resource, name, document)
            self._store.set_tags(arn, given_tags)
            self._store.bill(name, arn, *self._kind.instances(document))
        self._submit(document)
        return {f"{self._kind.member}Arn": arn}

    def check_name(self, request: Document) -> None:
        """Raise ResourceInUse where there is such a job already."""
        if self._store.get(self._kind.resource, request[self._name]) is not None:
            raise in_use(
                "Job name must be unique within an AWS account and region, and a job with this "
                f"name already exists ({self._arn(request)})"
            )

    def describe(self, request: Document) -> Document:
        return self._existing(request[self._name])

    def list(self, request: Document) -> Document:
        return listing.jobs(request, self._store.all(self._kind.resource), self._kind.member)

    def stop(self, request: Document) -> Document:
        name = request[self._name]
        status = self._existing(name)[self._status]
        if status == "Stopping":
            return {}
        if status != "InProgress":
            noun = f"{self._kind.clock.lower()} job"
            raise invalid(f"The request was rejected because the {noun} is in status {status}")
        if self._queue.stop(name):  # it waited: nothing has been done yet
            self._kind.ended(self._store, name, "Stopped")
        else:
            self._store.update(self._kind.resource, name, **{self._status: "Stopping"})
        return {}

    def _arn(self, request: Document) -> str:
        return self._config.arn(self._kind.resource, request[self._name])

    def _existing(self, name: str) -> Document:
        document = self._store.get(self._kind.resource, name)
        if document is None:
            raise invalid(self._kind.missing.format(name))
        return document

    def _submit(self, document: Document) -> None:
        name = document[self._name]
        self._queue.submit(name, lambda: self._new_run(document, self._root / name))
