"""How a job ended, as Dagster shows it, whatever its kind.

Here: a job's description as metadata, and the failure it means, with whether a retry may help.
Not here: waiting for the end (driver.py), what only one kind has (its client).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from mlops_assets.resources.sagemaker.jobs.cost import cost_of, fleet_of, seconds_of
from mlops_assets.resources.sagemaker.jobs.kinds import JobKind

# Failures that AWS attributes to itself: trying again may help. An error of the script
# ("AlgorithmError") or of the request ("ClientError") comes back each time, and is paid each time.
WORTH_RETRYING = ("CapacityError", "InternalServerError")


def job_metadata(
    kind: JobKind, job: Mapping[str, Any], *, adopted: bool, region: str | None
) -> dict[str, dg.MetadataValue]:
    """Metadata of an ended job; durations in seconds, costs in USD.

    ``region`` (AWS only) gives the console's URL; without it the job ran on this machine, and the
    cost is what AWS would have asked. Spot savings are 1 − billable / training time, as
    SageMaker's console shows them.
    """
    name = kind.name(job)
    metadata: dict[str, dg.MetadataValue] = {
        "job_name": dg.MetadataValue.text(name),
        "job_arn": dg.MetadataValue.text(kind.arn(job)),
        "adopted": dg.MetadataValue.bool(adopted),
    }
    if fleet := fleet_of(job):
        text = " + ".join(f"{count} × {instance_type}" for instance_type, count in fleet)
        metadata["instance"] = dg.MetadataValue.text(text)
    if region and kind.console:
        metadata["console_url"] = dg.MetadataValue.url(
            f"https://{region}.console.aws.amazon.com/sagemaker/home?region={region}"
            f"#/{kind.console}/{name}"
        )
    if (seconds := seconds_of(kind, job)) is not None:
        worked, billable = seconds
        metadata[f"{kind.clock.lower()}_seconds"] = _seconds(worked)
        metadata["billable_seconds"] = _seconds(billable)
        if job.get("EnableManagedSpotTraining") and worked:
            metadata["spot_savings"] = dg.MetadataValue.float(1 - billable / worked)
    if (cost := cost_of(kind, job)) is not None:
        where = "" if region else "; this machine asks nothing"
        metadata["cost_usd"] = dg.MetadataValue.float(round(cost.usd, 6))
        metadata["cost_basis"] = dg.MetadataValue.text(cost.basis + where)
        if cost.saved_usd:
            metadata["spot_saved_usd"] = dg.MetadataValue.float(round(cost.saved_usd, 6))
    return metadata


def _seconds(value: float) -> dg.MetadataValue:
    """A whole number where the service gives one, so that a plot's type does not change."""
    whole = value.is_integer()
    return dg.MetadataValue.int(int(value)) if whole else dg.MetadataValue.float(round(value, 3))


def failure(
    kind: JobKind,
    job: Mapping[str, Any],
    metadata: Mapping[str, Any],
    log_tail: Sequence[str],
    *,
    incomplete: str | None = None,
) -> dg.Failure | None:
    """What to raise for an ended job; None where it completed.

    Args:
        incomplete: why a completed job is of no use after all, and what to do.
    """
    name, status, reason = kind.name(job), kind.status(job), job.get("FailureReason", "")
    said = job.get("ExitMessage", "")
    if status == "Completed" and incomplete is None:
        return None
    if status == "Completed":
        description = f"{kind.title} {name} completed, but {incomplete}"
    elif status == "Stopped":
        description = (
            f"{kind.title} {name} was stopped ({job.get('SecondaryStatus', status)}): it is not "
            "started again by itself. A new run starts the next attempt"
        )
    else:
        description = f"{kind.title} {name} failed: {reason or 'no reason was given'}"
    if said and status != "Completed":
        description += f". It said: {said}"
    return dg.Failure(
        description,
        metadata={
            **metadata,
            "failure_reason": reason,
            "log_tail": dg.MetadataValue.md("```\n" + "\n".join(log_tail) + "\n```"),
        },
        allow_retries=worth_retrying(kind, job),
    )


def worth_retrying(kind: JobKind, job: Mapping[str, Any]) -> bool:
    """Whether it failed for a reason that AWS attributes to itself."""
    reason = str(job.get("FailureReason", ""))
    return kind.status(job) == "Failed" and reason.startswith(WORTH_RETRYING)
