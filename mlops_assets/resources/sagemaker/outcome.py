"""How a training job ended, as Dagster shows it.

Here: a job's description as metadata, and the failure it means, with whether a retry may help.
Not here: waiting for the end (follow.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg

# Failures that AWS attributes to itself: trying again may help. An error of the script
# ("AlgorithmError") or of the request ("ClientError") comes back each time, and is paid each time.
WORTH_RETRYING = ("CapacityError", "InternalServerError")


def artifact_uri(job: Mapping[str, Any]) -> str | None:
    return job.get("ModelArtifacts", {}).get("S3ModelArtifacts")


def job_metadata(
    job: Mapping[str, Any], *, adopted: bool, region: str | None
) -> dict[str, dg.MetadataValue]:
    """Metadata of an ended job; durations in seconds.

    ``region`` (AWS only) gives the console's URL. Spot savings are 1 − billable / training time,
    as SageMaker's console shows them.
    """
    name = job["TrainingJobName"]
    resources = job.get("ResourceConfig", {})
    metadata: dict[str, dg.MetadataValue] = {
        "job_name": dg.MetadataValue.text(name),
        "job_arn": dg.MetadataValue.text(job["TrainingJobArn"]),
        "adopted": dg.MetadataValue.bool(adopted),
        "instance": dg.MetadataValue.text(
            f"{resources.get('InstanceCount', 1)} × {resources.get('InstanceType', 'unknown')}"
        ),
    }
    if region:
        metadata["console_url"] = dg.MetadataValue.url(
            f"https://{region}.console.aws.amazon.com/sagemaker/home?region={region}#/jobs/{name}"
        )
    training, billable = job.get("TrainingTimeInSeconds"), job.get("BillableTimeInSeconds")
    if training is not None:
        metadata["training_seconds"] = dg.MetadataValue.int(training)
    if billable is not None:
        metadata["billable_seconds"] = dg.MetadataValue.int(billable)
    if job.get("EnableManagedSpotTraining") and training and billable is not None:
        metadata["spot_savings"] = dg.MetadataValue.float(1 - billable / training)
    if uri := artifact_uri(job):
        metadata["model_artifact"] = dg.MetadataValue.text(uri)
    for metric in job.get("FinalMetricDataList", []):
        metadata[f"metric_{metric['MetricName']}"] = dg.MetadataValue.float(metric["Value"])
    return metadata


def failure_of(
    job: Mapping[str, Any],
    metadata: Mapping[str, dg.MetadataValue],
    log_tail: list[str],
    *,
    has_model: bool,
) -> dg.Failure | None:
    """What to raise for an ended job; None where it completed and left its model."""
    name, status = job["TrainingJobName"], job["TrainingJobStatus"]
    reason = job.get("FailureReason", "")
    if status == "Completed" and has_model:
        return None
    if status == "Completed":
        description = (
            f"Training job {name} completed, but its artifact {artifact_uri(job)} is missing or "
            "empty: nothing is registered. A new run trains again"
        )
    elif status == "Stopped":
        description = (
            f"Training job {name} was stopped ({job.get('SecondaryStatus', status)}): it is not "
            "started again by itself. A new run starts the next attempt"
        )
    else:
        description = f"Training job {name} failed: {reason or 'no reason was given'}"
    return dg.Failure(
        description,
        metadata={
            **metadata,
            "failure_reason": reason,
            "log_tail": dg.MetadataValue.md("```\n" + "\n".join(log_tail) + "\n```"),
        },
        allow_retries=status == "Failed" and reason.startswith(WORTH_RETRYING),
    )
