"""What a request would cost at most, read from the request itself.

Here: instances, types and time of each operation that starts some. Not here: whether that is
allowed (guard.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlops_assets.resources.sagemaker.hosting.cost import prices
from mlops_assets.resources.sagemaker.jobs.kinds import (
    PROCESSING,
    TRAINING,
    TRANSFORM,
    TUNING,
    JobKind,
)

_HOUR_S = 3600
_DAY_S = 86_400  # SageMaker's default for MaxRuntimeInSeconds
# SageMaker takes no longest time for these: what is reserved until they end, and cost what they do.
_TRANSFORM_S = _HOUR_S

KINDS: Mapping[str, JobKind] = {
    "CreateTrainingJob": TRAINING,
    "CreateProcessingJob": PROCESSING,
    "CreateTransformJob": TRANSFORM,
    "CreateHyperParameterTuningJob": TUNING,
}
OPERATIONS = (*KINDS, "CreateEndpointConfig")


@dataclass(frozen=True)
class Ask:
    """One request.

    Args:
        fleet: (instance type, most of them at a time).
        hours: instance-hours of each type at most; None: the request sets no bound.
        reserved: instance-hours of each type that are put aside until it has ended.
    """

    operation: str
    name: str
    pipeline: str
    fleet: tuple[tuple[str, int], ...]
    hours: tuple[float, ...] | None
    reserved: tuple[float, ...]

    @property
    def instances(self) -> int:
        return sum(count for _, count in self.fleet)

    @property
    def unpriced(self) -> list[str]:
        """The instance types that no price is known of."""
        return sorted({name for name, _ in self.fleet} - prices().instances.keys())

    @property
    def usd(self) -> float:
        """What is put aside for it, by list price; of unpriced instances nothing."""
        table = prices().instances
        pairs = zip(self.fleet, self.reserved, strict=True)
        return sum(table[name].usd * hours for (name, _), hours in pairs if name in table)


def ask_of(operation: str, params: Mapping[str, Any]) -> Ask:
    """What a request for jobs or an endpoint's configuration asks for."""
    tags = {tag["Key"]: tag["Value"] for tag in params.get("Tags", ())}
    pipeline = tags.get("mlops:pipeline", "")
    if operation == "CreateEndpointConfig":
        name = str(params.get("EndpointConfigName", ""))
        variants = [
            *params.get("ProductionVariants", ()),
            *params.get("ShadowProductionVariants", ()),
        ]
        fleet = tuple(
            (v["InstanceType"], v.get("InitialInstanceCount", 1))
            for v in variants
            if "InstanceType" in v
        )
        return Ask(operation, name, pipeline, fleet, None, tuple(0.0 for _ in fleet))
    name = str(params.get(KINDS[operation].name_member, ""))
    if operation == "CreateHyperParameterTuningJob":
        fleet, hours = _of_search(params)
    else:
        cluster = (
            params.get("ResourceConfig")
            or params.get("ProcessingResources", {}).get("ClusterConfig")
            or params.get("TransformResources")
            or {}
        )
        fleet, seconds = _fleet(cluster), _seconds(params)
        hours = tuple(count * seconds / _HOUR_S for _, count in fleet)
    if operation == "CreateTransformJob":
        reserved = tuple(count * _TRANSFORM_S / _HOUR_S for _, count in fleet)
        return Ask(operation, name, pipeline, fleet, None, reserved)
    return Ask(operation, name, pipeline, fleet, hours, hours)


def _of_search(params: Mapping[str, Any]) -> tuple[tuple[tuple[str, int], ...], tuple[float, ...]]:
    """A search runs so many jobs at once, and no more jobs and no longer than it is told."""
    limits = params.get("HyperParameterTuningJobConfig", {}).get("ResourceLimits", {})
    parallel = int(limits.get("MaxParallelTrainingJobs", 1))
    jobs = int(limits.get("MaxNumberOfTrainingJobs", 0))
    longest = limits.get("MaxRuntimeInSeconds")
    single = params.get("TrainingJobDefinition")
    definitions = [single] if single else list(params.get("TrainingJobDefinitions", ()))
    fleet: list[tuple[str, int]] = []
    hours: list[float] = []
    for definition in definitions:
        # Of alternates each counts, as if the service took all of them: refused rather too soon.
        several = definition.get("HyperParameterTuningResourceConfig", {})
        for name, count in _fleet(definition.get("ResourceConfig") or several):
            bounds = [jobs * count * _seconds(definition)] if jobs else []
            bounds += [parallel * count * int(longest)] if longest else []
            fleet.append((name, parallel * count))
            hours.append(min(bounds, default=parallel * count * _seconds(definition)) / _HOUR_S)
    return tuple(fleet), tuple(hours)


def _fleet(cluster: Mapping[str, Any]) -> tuple[tuple[str, int], ...]:
    groups = cluster.get("InstanceGroups") or cluster.get("InstanceConfigs") or [cluster]
    return tuple(
        (str(group["InstanceType"]), int(group.get("InstanceCount", 1)))
        for group in groups
        if "InstanceType" in group
    )


def _seconds(params: Mapping[str, Any]) -> int:
    return int(params.get("StoppingCondition", {}).get("MaxRuntimeInSeconds", _DAY_S))
