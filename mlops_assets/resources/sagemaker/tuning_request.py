"""What is asked of SageMaker for a search: from a declaration to CreateHyperParameterTuningJob.

Here: pure functions. Not here: the training jobs' own request (`requests`), calls to AWS
(`tuning`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlops_assets.resources.sagemaker.names import digest_of, slugify
from mlops_assets.resources.sagemaker.requests import Placement, TrainingSpec, training_request
from mlops_assets.tuning import Categorical, Integer, Range, Tuning

# SageMaker's limit for the name of a search, less "-2" … for another attempt.
_MAX_NAME, _DIGEST = 32 - 3, 12
_SCALES = {"linear": "Linear", "log": "Logarithmic", "reverse_log": "ReverseLogarithmic"}
# What a search's definition of its training jobs takes of a training job's request.
_OF_TRAINING = (
    "RoleArn",
    "InputDataConfig",
    "OutputDataConfig",
    "StoppingCondition",
    "EnableNetworkIsolation",
    "EnableInterContainerTrafficEncryption",
    "EnableManagedSpotTraining",
    "CheckpointConfig",
    "VpcConfig",
    "Environment",
)


def tuning_request(
    spec: TrainingSpec, tuning: Tuning, placement: Placement, *, bucket: str, code_uri: str
) -> dict[str, Any]:
    """``CreateHyperParameterTuningJob``'s parameters, named by what they ask for.

    Args:
        spec: the training job; its hyperparameters that are searched are left out.

    Raises:
        ValueError: only some of the instance types take a key for their volumes.
    """
    training = training_request(spec, placement, bucket=bucket, code_uri=code_uri)
    algorithm = training["AlgorithmSpecification"]
    request: dict[str, Any] = {
        "HyperParameterTuningJobConfig": {
            "Strategy": tuning.strategy,
            "HyperParameterTuningJobObjective": {
                "Type": tuning.goal.capitalize(),
                "MetricName": tuning.metric,
            },
            "ResourceLimits": _limits(tuning),
            "ParameterRanges": parameter_ranges(tuning.ranges),
            "TrainingJobEarlyStoppingType": _early_stopping(tuning),
            "RandomSeed": tuning.seed,
        },
        "TrainingJobDefinition": {
            "StaticHyperParameters": {
                name: value
                for name, value in training["HyperParameters"].items()
                if name not in tuning.ranges
            },
            "AlgorithmSpecification": {
                "TrainingImage": algorithm["TrainingImage"],
                "TrainingInputMode": algorithm["TrainingInputMode"],
                # None for an algorithm of AWS's, which knows its metrics.
                **{k: v for k, v in algorithm.items() if k == "MetricDefinitions"},
            },
            **{name: training[name] for name in _OF_TRAINING if training.get(name)},
            **_instances(spec, placement, training["ResourceConfig"]),
        },
    }
    slug = slugify(spec.pipeline)[: _MAX_NAME - _DIGEST - 1].rstrip("-")
    return {
        "HyperParameterTuningJobName": f"{slug}-{digest_of(request)[:_DIGEST]}",
        **request,
        "Tags": training["Tags"],
    }


def parameter_ranges(ranges: Mapping[str, Range]) -> dict[str, list[dict[str, Any]]]:
    """The ranges in the service's three lists.

    >>> from mlops_assets.tuning import Continuous
    >>> parameter_ranges({"eta": Continuous(0.01, 0.3, "log")})["ContinuousParameterRanges"]
    [{'Name': 'eta', 'MinValue': '0.01', 'MaxValue': '0.3', 'ScalingType': 'Logarithmic'}]
    """
    found: dict[str, list[dict[str, Any]]] = {}
    for name, given in sorted(ranges.items()):
        if isinstance(given, Categorical):
            kind, entry = "CategoricalParameterRanges", {"Name": name, "Values": [*given.values]}
        else:
            kind = (
                "IntegerParameterRanges"
                if isinstance(given, Integer)
                else "ContinuousParameterRanges"
            )
            entry = {
                "Name": name,
                "MinValue": str(given.low),
                "MaxValue": str(given.high),
                "ScalingType": _SCALES[given.scale],
            }
        found.setdefault(kind, []).append(entry)
    return found


def _instances(
    spec: TrainingSpec, placement: Placement, resources: Mapping[str, Any]
) -> dict[str, Any]:
    """Where its training jobs run. Of several types SageMaker itself takes the first that it has
    room for (AllocationStrategy Prioritized)."""
    if not spec.alternates:
        return {"ResourceConfig": resources}
    types = (spec.instance_type, *spec.alternates)
    sizes = {name: resources[name] for name in ("InstanceCount", "VolumeSizeInGB")}
    several: dict[str, Any] = {
        "AllocationStrategy": "Prioritized",
        "InstanceConfigs": [{"InstanceType": each, **sizes} for each in types],
    }
    keys = {placement.volume_key(each) for each in types}
    if len(keys) > 1:
        raise ValueError(
            f"of {', '.join(types)} some encrypt their storage themselves and refuse a key, others "
            "need one, and a search has one key for all of them. Declare alternates of one kind"
        )
    if key := keys.pop():
        several["VolumeKmsKeyId"] = key
    return {"HyperParameterTuningResourceConfig": several}


def _limits(tuning: Tuning) -> dict[str, int]:
    limits = {
        "MaxParallelTrainingJobs": min(tuning.parallel, tuning.jobs),
        "MaxRuntimeInSeconds": int(tuning.max_runtime.total_seconds()),
    }
    # A grid is walked to its end: the service counts its points by itself and refuses a number.
    return (
        limits if tuning.strategy == "Grid" else {"MaxNumberOfTrainingJobs": tuning.jobs, **limits}
    )


def _early_stopping(tuning: Tuning) -> str:
    # Hyperband stops jobs by itself, and refuses another who would.
    return "Auto" if tuning.early_stopping and tuning.strategy != "Hyperband" else "Off"
