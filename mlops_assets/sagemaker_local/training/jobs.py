"""The training-job operations, the queue before the workers, and what a restart makes of jobs.

Belongs here: Create, Describe, List, StopTrainingJob. Does not belong here: what a running job
does (job_run.py), which requests are right (limits.py).
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable

from mlops_assets.sagemaker_local import listing, tags
from mlops_assets.sagemaker_local.cluster import Cluster
from mlops_assets.sagemaker_local.config import Config
from mlops_assets.sagemaker_local.errors import in_use, invalid
from mlops_assets.sagemaker_local.faults.faults import Faults
from mlops_assets.sagemaker_local.images import Images
from mlops_assets.sagemaker_local.job_queue import JobQueue
from mlops_assets.sagemaker_local.limits import check_host_names
from mlops_assets.sagemaker_local.protocol import Handler
from mlops_assets.sagemaker_local.store import Document, Store
from mlops_assets.sagemaker_local.training.job_run import JobRun
from mlops_assets.sagemaker_local.training.progress import KIND, advance, count, times
from mlops_assets.sagemaker_local.training.training_checks import check_training_job
from mlops_assets.sagemaker_local.training.warm_pool import matching_pool, warm_pool_status

_INTERRUPTED = (
    "InternalServerError: the local SageMaker API was stopped or killed while the job was running;"
    " its processes were ended with it and nothing was uploaded"
)
_SWITCHES = (
    "EnableNetworkIsolation",
    "EnableInterContainerTrafficEncryption",
    "EnableManagedSpotTraining",
)


class TrainingJobs:
    """All training jobs of one server; at most ``job_workers`` run at a time."""

    def __init__(
        self,
        config: Config,
        store: Store,
        images: Images,
        faults: Faults,
        new_run: Callable[[Document], JobRun],
        *,
        mounts: bool,
    ) -> None:
        self._config = config
        self._store = store
        self._images = images
        self._faults = faults
        self._new_run = new_run
        self._mounts = mounts
        self._queue = JobQueue(
            "training jobs", workers=config.job_workers, limit=config.queue_limit
        )

    def operations(self) -> dict[str, Handler]:
        return {
            "CreateTrainingJob": self.create,
            "DescribeTrainingJob": self.describe,
            "ListTrainingJobs": self.list,
            "StopTrainingJob": self.stop,
        }

    def recover(self) -> None:
        """After a restart: what only waited waits again; what ran goes on where the request allows
        for interruptions or retries, and has failed elsewhere."""
        shutil.rmtree(self._config.home / "jobs", ignore_errors=True)
        for document in sorted(self._store.all(KIND), key=lambda job: job["CreationTime"]):
            if document["TrainingJobStatus"] == "Stopping":
                self._fail(document)
            elif document["TrainingJobStatus"] == "InProgress":
                self._continue(document)

    async def shutdown(self) -> None:
        """Kill what runs; recover() tells the truth about it at the next start."""
        await self._queue.shutdown()

    def create(self, request: Document) -> Document:
        check_training_job(request, self._config)
        cluster = Cluster.from_request(request["ResourceConfig"])
        check_host_names(cluster, mounts=self._mounts)
        name, algorithm = request["TrainingJobName"], request["AlgorithmSpecification"]
        if "ContainerEntrypoint" not in algorithm:
            self._images.command(algorithm["TrainingImage"], "train")  # refused now, not later
        arn = self._config.arn("training-job", name)
        if self._store.get(KIND, name) is not None:
            raise in_use(
                "Job name must be unique within an AWS account and region, and a job with this "
                f"name already exists ({arn})"
            )
        self._queue.check_room()
        given_tags = tags.from_request(request)
        spot = request.get("EnableManagedSpotTraining", False)
        self._faults.check_job(given_tags, spot=spot)
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
        for switch in _SWITCHES:
            document.setdefault(switch, False)
        types = "+".join(dict.fromkeys(group.instance_type for group in cluster.groups))
        keeps = request["ResourceConfig"].get("KeepAlivePeriodInSeconds")
        pool = matching_pool(document, self._store.all(KIND), now) if keeps else None
        with self._store.transaction():
            self._store.put(KIND, name, document)
            advance(self._store, name, "Starting")
            self._store.set_tags(arn, given_tags)
            self._store.bill(name, arn, types, len(cluster.hosts))
            if pool is not None:
                reuse = {"Job": name, "Time": now}
                self._store.update(KIND, pool["TrainingJobName"], WarmPoolReuse=reuse)
        self._submit(document)
        return {"TrainingJobArn": arn}

    def describe(self, request: Document) -> Document:
        return self._with_pool(self._existing(request["TrainingJobName"]))

    def has_capacity(self, request: Document, instance_type: str) -> bool:
        """Whether a job that is asked for would get instances of that type."""
        given = tags.from_request(request)
        return self._faults.has_capacity(request["TrainingJobName"], given, instance_type)

    def list(self, request: Document) -> Document:
        wanted = request.get("WarmPoolStatusEquals")
        jobs = [self._with_pool(job) for job in self._store.all(KIND)]
        if wanted is not None:
            jobs = [job for job in jobs if (job["WarmPoolStatus"] or {}).get("Status") == wanted]
        return listing.jobs(request, jobs, "TrainingJob")

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
        if self._queue.running(name):
            advance(self._store, name, "Stopping", TrainingJobStatus="Stopping")
        if self._queue.stop(name):
            now = time.time()
            known = times(document, now)
            end = {"TrainingJobStatus": "Stopped", "TrainingEndTime": now, **known}
            with self._store.transaction():
                advance(self._store, name, "Stopped", **end)
                self._store.bill_seconds(document["Arn"], known["BillableTimeInSeconds"])
        return {}

    def _existing(self, name: str) -> Document:
        document = self._store.get(KIND, name)
        if document is None:
            raise invalid("Requested resource not found.")
        return document

    @staticmethod
    def _with_pool(document: Document) -> Document:
        return document | {"WarmPoolStatus": warm_pool_status(document, time.time())}

    def _submit(self, document: Document) -> None:
        self._queue.submit(document["TrainingJobName"], lambda: self._new_run(document))

    def _continue(self, document: Document) -> None:
        """What the end of the server's process was to a job: nothing to one that waited, an
        interruption of spot instances, an internal error to be retried, or the end."""
        name = document["TrainingJobName"]
        retries = document.get("RetryStrategy", {}).get("MaximumRetryAttempts", 0)
        if document["SecondaryStatus"] in ("Starting", "Restarting"):
            pass
        elif document["EnableManagedSpotTraining"]:
            with self._store.transaction():
                if document["SecondaryStatus"] != "Interrupted":
                    advance(self._store, name, "Interrupted")
                advance(self._store, name, "Starting")
        elif count(document, "Restarting") < retries:
            with self._store.transaction():
                advance(self._store, name, "Restarting")
        else:
            return self._fail(document)
        return self._submit(document)

    def _fail(self, document: Document) -> None:
        name, known = document["TrainingJobName"], times(document, document["LastModifiedTime"])
        end = {"TrainingEndTime": time.time(), "FailureReason": _INTERRUPTED, **known}
        with self._store.transaction():
            advance(self._store, name, "Failed", TrainingJobStatus="Failed", **end)
            self._store.bill_seconds(document["Arn"], known["BillableTimeInSeconds"])
