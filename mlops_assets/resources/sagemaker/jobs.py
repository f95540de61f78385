"""Training jobs that exist once: find, start or adopt, stop.

Here: what makes a retry safe. A job's name follows from its request, so asking again finds it: in
progress or completed, it is adopted; failed or stopped, the next attempt is ``<name>-2``, …; a job
of the same name with another request is refused. Not here: Dagster (training.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError, HTTPClientError

from mlops_assets.resources.sagemaker.errors import (
    already_exists,
    connection_lost,
    found_or_none,
    is_transient,
    patiently,
)
from mlops_assets.resources.sagemaker.names import SPEC_HASH_TAG

MAX_ATTEMPTS = 20
ENDED = frozenset({"Completed", "Failed", "Stopped"})
Describe = dict[str, Any]
Client = Callable[[], Any]


class JobNameTaken(RuntimeError):
    """A job of this name was asked for by another request."""


@dataclass(frozen=True)
class Found:
    """Where an attempt stands: its name, and the job of that name where there is one."""

    name: str
    job: Describe | None


def find_attempt(
    client: Client, base: str, spec_hash: str, has_model: Callable[[Describe], bool]
) -> Found:
    """The job to adopt, or the free name to start the next attempt under.

    Args:
        has_model: whether a completed job's artifact is still there; one without is passed over.

    Raises:
        JobNameTaken: a job of this name has another spec hash.
        RuntimeError: `MAX_ATTEMPTS` attempts have ended without a model.
    """
    for attempt in range(1, MAX_ATTEMPTS + 1):
        name = base if attempt == 1 else f"{base}-{attempt}"
        job = describe(client, name)
        if job is None:
            return Found(name, None)
        check_hash(client, job, spec_hash)
        status = job["TrainingJobStatus"]
        if status in ("InProgress", "Stopping") or (status == "Completed" and has_model(job)):
            return Found(name, job)
    raise RuntimeError(
        f"{MAX_ATTEMPTS} attempts of training job {base} ended without a model. See the last "
        f"one's FailureReason ({base}-{MAX_ATTEMPTS}) and change the script or its parameters"
    )


def describe(client: Client, name: str) -> Describe | None:
    """DescribeTrainingJob, patient with throttling; None where there is no such job."""
    return found_or_none(lambda: client().describe_training_job(TrainingJobName=name))


def check_hash(client: Client, job: Mapping[str, Any], spec_hash: str) -> None:
    """Refuse a job that was asked for by another request.

    Raises:
        JobNameTaken: its spec-hash tag differs or is missing.
    """
    arn = job["TrainingJobArn"]
    tags = patiently(lambda: client().get_paginator("list_tags").paginate(ResourceArn=arn)
                     .build_full_result())["Tags"]  # fmt: skip
    theirs = {tag["Key"]: tag["Value"] for tag in tags}.get(SPEC_HASH_TAG)
    if theirs != spec_hash:
        raise JobNameTaken(
            f"training job {job['TrainingJobName']} exists and was asked for by another request "
            f"(its tag {SPEC_HASH_TAG} is {theirs}, ours is {spec_hash}): change TrainingJobName"
        )


def create_or_adopt(client: Client, request: Mapping[str, Any], spec_hash: str) -> bool:
    """Create the job, or recognize as ours the one that is already there: True if it was adopted.

    Whether the answer to Create was lost, or another run was quicker: the name is taken by a job
    of the same spec hash, and that is the job.

    Raises:
        JobNameTaken: the name is taken by another request.
        ClientError: SageMaker refused the request.
    """
    name = request["TrainingJobName"]

    def create() -> bool:
        try:
            client().create_training_job(**request)
            return False
        except (ClientError, HTTPClientError, ConnectionError) as error:
            if not (already_exists(error) or connection_lost(error) or is_transient(error)):
                raise
            job = describe(client, name)
            if job is None:
                raise  # nothing was created: patiently() asks again if that may help
            check_hash(client, job, spec_hash)
            return True

    return patiently(create)


def stop(client: Client, name: str) -> None:
    """StopTrainingJob, unless the job is not there or has ended (or is ending) by itself."""
    job = describe(client, name)
    if job is None or job["TrainingJobStatus"] != "InProgress":
        return
    try:
        patiently(lambda: client().stop_training_job(TrainingJobName=name), patience_s=60)
    except ClientError:
        # It ended between the two calls; if it did not, the refusal is real.
        job = describe(client, name)
        if job is not None and job["TrainingJobStatus"] == "InProgress":
            raise
