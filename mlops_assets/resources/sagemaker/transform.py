"""Batch transform jobs that exist once: asked for, adopted, waited for.

Here: seeing a batch transform through, started or adopted. Not here: its request
(transform_request.py), models (models.py), training jobs (jobs.py), which asset predicts what.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import dagster as dg
from botocore.exceptions import ClientError, HTTPClientError
from dagster._utils.interrupts import capture_interrupts

from mlops_assets.resources.sagemaker.errors import (
    already_exists,
    connection_lost,
    found_or_none,
    is_transient,
    patiently,
)
from mlops_assets.resources.sagemaker.jobs import ENDED, MAX_ATTEMPTS, Client, JobNameTaken
from mlops_assets.resources.sagemaker.outcome import WORTH_RETRYING
from mlops_assets.resources.sagemaker.transform_request import TransformSpec, transform_request

_STOP_PATIENCE_S = 180
Describe = dict[str, Any]


@dataclass(frozen=True)
class TransformResult:
    """A completed job; ``seconds`` between its start and its end."""

    job_name: str
    job_arn: str
    output_uri: str
    adopted: bool
    seconds: float

    def metadata(self) -> dict[str, dg.MetadataValue]:
        return {
            "transform_job": dg.MetadataValue.text(self.job_name),
            "transform_job_arn": dg.MetadataValue.text(self.job_arn),
            "predictions_uri": dg.MetadataValue.text(self.output_uri),
            "adopted": dg.MetadataValue.bool(self.adopted),
            "transform_seconds": dg.MetadataValue.float(self.seconds),
        }


def transform(
    client: Client,
    spec: TransformSpec,
    *,
    poll_interval: float = 5.0,
    log: Callable[[str], None] = lambda _: None,
) -> TransformResult:
    """Run the job, or adopt the one that this request already started, and wait for its end.

    A completed job of the same request is adopted without running again; after a failed or stopped
    one the next attempt is ``<name>-2``, ….

    Args:
        client: gives SageMaker's client; asked for each call.
        poll_interval: seconds between two looks.

    Raises:
        dagster.Failure: the job failed or was stopped, or the run was interrupted (the job is then
            stopped); retried only where trying again may help.
        JobNameTaken: a job of that name was asked for by another request.
    """
    request = transform_request(spec)
    name = ""
    try:
        name, adopted = _start(client, request, poll_interval)
        log(f"Transform job {name} {'is adopted: it was asked for already' if adopted else 'runs'}")
        job = _wait(client, name, poll_interval)
    except (dg.DagsterExecutionInterruptedError, KeyboardInterrupt):
        # A second signal must not leave a paid job behind.
        with capture_interrupts():
            _stop(client, name, poll_interval)
        raise dg.Failure(
            f"The run was interrupted; transform job {name or 'not created'} is stopped.",
            allow_retries=False,
        ) from None
    if job["TransformJobStatus"] != "Completed":
        raise _failure(job)
    started, ended = job.get("TransformStartTime"), job.get("TransformEndTime")
    seconds = (ended - started).total_seconds() if started and ended else 0.0
    return TransformResult(name, job["TransformJobArn"], spec.output_uri, adopted, seconds)


def _start(client: Client, request: Mapping[str, Any], poll_interval: float) -> tuple[str, bool]:
    """The attempt that runs or has completed, and whether it was there already."""
    base = request["TransformJobName"]
    for attempt in range(1, MAX_ATTEMPTS + 1):
        name = base if attempt == 1 else f"{base}-{attempt}"
        job = _describe(client, name)
        if job is None:
            return name, _create_or_adopt(client, {**request, "TransformJobName": name})
        _check_same(job, request)
        if job["TransformJobStatus"] == "Stopping":
            job = _wait(client, name, poll_interval)
        if job["TransformJobStatus"] in ("InProgress", "Completed"):
            return name, True
    raise dg.Failure(
        f"{MAX_ATTEMPTS} attempts of transform job {base} have failed. See the last one's "
        "FailureReason and change the model or the records",
        allow_retries=False,
    )


def _create_or_adopt(client: Client, request: Mapping[str, Any]) -> bool:
    """Create the job; True if it turns out to be there already, as after a lost answer."""

    def create() -> bool:
        try:
            client().create_transform_job(**request)
            return False
        except (ClientError, HTTPClientError, ConnectionError) as error:
            if not (already_exists(error) or connection_lost(error) or is_transient(error)):
                raise
            job = _describe(client, request["TransformJobName"])
            if job is None:
                raise  # nothing was created: patiently() asks again if that may help
            _check_same(job, request)
            return True

    return patiently(create)


def _check_same(job: Describe, request: Mapping[str, Any]) -> None:
    for member in ("ModelName", "TransformInput", "TransformOutput"):
        theirs, ours = job.get(member), request[member]
        same = theirs == ours
        if isinstance(ours, dict) and isinstance(theirs, dict):  # the service adds its defaults
            same = all(theirs.get(key) == value for key, value in ours.items())
        if not same:
            raise JobNameTaken(
                f"transform job {job['TransformJobName']} exists and was asked for by another "
                f"request (its {member} is {theirs}): give the transform another name"
            )


def _wait(client: Client, name: str, poll_interval: float) -> Describe:
    while True:
        job = _describe(client, name)
        if job is None:
            raise dg.Failure(f"Transform job {name} disappeared while it was waited for.")
        if job["TransformJobStatus"] in ENDED:
            return job
        time.sleep(poll_interval)


def _stop(client: Client, name: str, poll_interval: float) -> None:
    job = _describe(client, name) if name else None
    deadline = time.monotonic() + _STOP_PATIENCE_S
    if job is not None and job["TransformJobStatus"] == "InProgress":
        try:
            patiently(lambda: client().stop_transform_job(TransformJobName=name), patience_s=60)
        except ClientError:
            # It ended between the two calls; if it did not, the refusal is real.
            job = _describe(client, name)
            if job is not None and job["TransformJobStatus"] == "InProgress":
                raise
    while job is not None and job["TransformJobStatus"] not in ENDED:
        if time.monotonic() > deadline:
            return
        time.sleep(poll_interval)
        job = _describe(client, name)


def _describe(client: Client, name: str) -> Describe | None:
    return found_or_none(lambda: client().describe_transform_job(TransformJobName=name))


def _failure(job: Describe) -> dg.Failure:
    name, status = job["TransformJobName"], job["TransformJobStatus"]
    reason = job.get("FailureReason", "")
    if status == "Stopped":
        description = (
            f"Transform job {name} was stopped, and stored no output. A new run starts the next "
            "attempt"
        )
    else:
        description = f"Transform job {name} failed: {reason or 'no reason was given'}"
    return dg.Failure(
        description,
        metadata={"transform_job": name, "failure_reason": reason},
        allow_retries=status == "Failed" and reason.startswith(WORTH_RETRYING),
    )
