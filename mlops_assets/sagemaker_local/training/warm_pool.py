"""Warm pools: KeepAlivePeriodInSeconds, accounted for as the service does.

Belongs here: a pool's status, which job may reuse it. Does not belong here: instances; a process
starts in milliseconds here, and nothing is kept warm.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from mlops_assets.sagemaker_local.store import Document
from mlops_assets.sagemaker_local.training.progress import ENDED

# A job gets the pool of a job that agreed with it in all of these.
_RESOURCES = ("InstanceType", "InstanceCount", "VolumeSizeInGB", "VolumeKmsKeyId")
_MEMBERS = (
    "RoleArn",
    "VpcConfig",
    "EnableNetworkIsolation",
    "EnableInterContainerTrafficEncryption",
)


def warm_pool_status(job: Document, now: float) -> Document | None:
    """WarmPoolStatus of a job's description, None for a job without KeepAlivePeriodInSeconds."""
    kept = job["ResourceConfig"].get("KeepAlivePeriodInSeconds", 0)
    if not kept:
        return None
    if job["TrainingJobStatus"] not in ENDED:
        return {"Status": "InUse"}
    if job["TrainingJobStatus"] != "Completed":
        return {"Status": "Terminated", "ResourceRetainedBillableTimeInSeconds": 0}
    reused, end = job.get("WarmPoolReuse"), job["TrainingEndTime"]
    if reused is not None:
        seconds = math.ceil(reused["Time"] - end)
        billed = {"ResourceRetainedBillableTimeInSeconds": seconds}
        return {"Status": "Reused", "ReusedByJob": reused["Job"]} | billed
    seconds = min(kept, math.ceil(now - end))
    status = "Available" if now - end < kept else "Terminated"
    return {"Status": status, "ResourceRetainedBillableTimeInSeconds": seconds}


def matching_pool(request: Document, jobs: Iterable[Document], now: float) -> Document | None:
    """The job whose pool a new job that keeps one itself reuses: of those that match, the one that
    ended last."""
    found = [
        job
        for job in jobs
        if (warm_pool_status(job, now) or {}).get("Status") == "Available"
        and _signature(job) == _signature(request)
    ]
    return max(found, key=lambda job: float(job["TrainingEndTime"]), default=None)


def _signature(job: Document) -> list[object]:
    own = [job["ResourceConfig"].get(name) for name in _RESOURCES]
    return own + [job.get(name) or None for name in _MEMBERS]
