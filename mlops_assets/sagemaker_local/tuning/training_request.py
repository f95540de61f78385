"""The CreateTrainingJob request of one training job of a tuning job.

Belongs here: names, hyperparameters and what a definition says, in CreateTrainingJob's members.
Does not belong here: which values are tried (suggestions.py), creating the job (tuning_run.py).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from mlops_assets.sagemaker_local.store import Document
from mlops_assets.sagemaker_local.tuning.search_space import untuned_hints

OBJECTIVE = "_tuning_objective_metric"  # the service adds it to the static hyperparameters
_COPIED = (
    "RoleArn",
    "AlgorithmSpecification",
    "InputDataConfig",
    "VpcConfig",
    "OutputDataConfig",
    "StoppingCondition",
    "EnableNetworkIsolation",
    "EnableInterContainerTrafficEncryption",
    "EnableManagedSpotTraining",
    "RetryStrategy",
    "Environment",
)


def definitions(tuning: Document) -> list[Document]:
    """The training job definitions of a tuning job: one, or several with names."""
    return list(tuning.get("TrainingJobDefinitions") or [tuning["TrainingJobDefinition"]])


def objective(tuning: Document, definition: Document) -> Document:
    """The objective of a definition: its own, or the tuning job's."""
    shared = tuning["HyperParameterTuningJobConfig"].get("HyperParameterTuningJobObjective")
    found: Document = definition.get("TuningObjective") or shared
    return found


def ranges(tuning: Document, definition: Document) -> Document:
    """The ranges of a definition: its own, or the tuning job's."""
    shared = tuning["HyperParameterTuningJobConfig"].get("ParameterRanges", {})
    found: Document = definition.get("HyperParameterRanges") or shared
    return found


def job_name(tuning: Document, number: int) -> str:
    """As the service names them: the tuning job's name, the number from 1, eight hex digits.

    The digits follow from the tuning job's creation, so that a restarted server names the same job
    the same, and a later tuning job of that name other ones.
    """
    name = tuning["HyperParameterTuningJobName"]
    text = f"{name}/{tuning['CreationTime']}/{number}"
    return f"{name}-{number + 1:03d}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def training_request(
    tuning: Document, definition: Document, name: str, tuned: Mapping[str, str]
) -> Document:
    """The request for one training job, with the ARN of the tuning job that it belongs to; on the
    first of the instances that the definition allows."""
    request = {member: definition[member] for member in _COPIED if member in definition}
    hints = untuned_hints(ranges(tuning, definition))
    given = hints | definition["StaticHyperParameters"]
    request |= {
        "TrainingJobName": name,
        "TuningJobArn": tuning["HyperParameterTuningJobArn"],
        "HyperParameters": given | dict(tuned),
        "ResourceConfig": resources(definition)[0],
    }
    if tuning.get("Tags"):
        request["Tags"] = tuning["Tags"]
    if "CheckpointConfig" in definition:
        # Jobs with other hyperparameters must not resume from each other's checkpoints.
        place = definition["CheckpointConfig"]
        uri = f"{place['S3Uri'].rstrip('/')}/{name}"
        request["CheckpointConfig"] = place | {"S3Uri": uri}
    return request


def resources(definition: Document) -> list[Document]:
    """ResourceConfig, or HyperParameterTuningResourceConfig's instances in their order."""
    if "ResourceConfig" in definition:
        return [dict(definition["ResourceConfig"])]
    wider = definition.get("HyperParameterTuningResourceConfig", {})
    members = ("InstanceType", "InstanceCount", "VolumeSizeInGB")
    key = {member: wider[member] for member in ("VolumeKmsKeyId",) if member in wider}
    return [
        {member: chosen[member] for member in members if member in chosen} | key
        for chosen in wider.get("InstanceConfigs", [wider])
    ]
