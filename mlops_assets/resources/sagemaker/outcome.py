"""What only a training job leaves, as Dagster shows it: its artifact and its metrics.

Here: a training job's description as metadata, and the failure it means. Not here: what all kinds
of jobs show (jobs/outcome.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg

from mlops_assets.resources.sagemaker.jobs import outcome
from mlops_assets.resources.sagemaker.jobs.kinds import TRAINING


def artifact_uri(job: Mapping[str, Any]) -> str | None:
    return job.get("ModelArtifacts", {}).get("S3ModelArtifacts")


def job_metadata(
    job: Mapping[str, Any], *, adopted: bool, region: str | None
) -> dict[str, dg.MetadataValue]:
    """Metadata of an ended training job; durations in seconds, costs in USD.

    ``region`` (AWS only) gives the console's URL.
    """
    shown = outcome.job_metadata(TRAINING, job, adopted=adopted, region=region)
    return shown | training_metadata(job)


def training_metadata(job: Mapping[str, Any]) -> dict[str, dg.MetadataValue]:
    """The artifact, and the last value of each metric."""
    metadata: dict[str, dg.MetadataValue] = {}
    if uri := artifact_uri(job):
        metadata["model_artifact"] = dg.MetadataValue.text(uri)
    for metric in job.get("FinalMetricDataList", []):
        metadata[f"metric_{metric['MetricName']}"] = dg.MetadataValue.float(metric["Value"])
    return metadata


def without_model(job: Mapping[str, Any]) -> str:
    """What a completed job without its artifact lacks, and what to do."""
    return (
        f"its artifact {artifact_uri(job)} is missing or empty: nothing is registered. A new run "
        "trains again"
    )


def failure_of(
    job: Mapping[str, Any],
    metadata: Mapping[str, dg.MetadataValue],
    log_tail: list[str],
    *,
    has_model: bool,
) -> dg.Failure | None:
    """What to raise for an ended job; None where it completed and left its model."""
    incomplete = None if has_model else without_model(job)
    return outcome.failure(TRAINING, job, metadata, log_tail, incomplete=incomplete)
