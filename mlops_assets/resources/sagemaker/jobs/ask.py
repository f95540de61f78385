"""What a request would cost at most, read from the request itself.

Here: instances, types and time of each operation that starts some. Not here: whether that is
allowed (guard.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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
SCALING = "RegisterScalableTarget"
OPERATIONS = (*KINDS, "CreateEndpointConfig", SCALING)


@dataclass(frozen=True)
class Use:
    """Instances of one type.

    Args:
        count: most of them at a time.
        hours: instance-hours at most; None: the request sets no bound.
        reserved: instance-hours that are put aside until it has ended.
    """

    instance_type: str
    count: int
    hours: float | None
    reserved: float

    @property
    def usd(self) -> float:
        """What is put aside for it, by list price; nothing where no price is known."""
        price = prices().instances.get(self.instance_type)
        return price.usd * self.reserved if price else 0.0


@dataclass(frozen=True)
class Ask:
    """One request.

    Args:
        ways: what it may run on, of which it takes one: of several the greatest bounds it, figure
            by figure. (The jobs of a search may take different ones; no mixture is more.)
    """

    operation: str
    name: str
    pipeline: str
    ways: tuple[tuple[Use, ...], ...]

    @property
    def types(self) -> list[str]:
        """All that it may run on; of a fleet that is scaled the configuration says it."""
        return sorted({use.instance_type for way in self.ways for use in way} - {""})

    @property
    def instances(self) -> int:
        return max((sum(use.count for use in way) for way in self.ways), default=0)

    @property
    def hours(self) -> float | None:
        """Instance-hours at most; None where the request sets no bound."""
        bounded = [[use.hours for use in way if use.hours is not None] for way in self.ways]
        everything = any(bounded) and [*map(len, bounded)] == [*map(len, self.ways)]
        return max(map(sum, bounded)) if everything else None

    @property
    def unpriced(self) -> list[str]:
        """The instance types that no price is known of."""
        return sorted(set(self.types) - prices().instances.keys())

    @property
    def usd(self) -> float:
        """What is put aside for it, by list price; for unpriced instances nothing."""
        return max((sum(use.usd for use in way) for way in self.ways), default=0.0)


def ask_of(operation: str, params: Mapping[str, Any]) -> Ask:
    """What a request for jobs, an endpoint's configuration or its scaling asks for."""
    if operation == SCALING:
        resource = str(params["ResourceId"])  # endpoint/NAME/variant/VARIANT
        endpoint = resource.split("/")[1]
        most = (Use("", int(params["MaxCapacity"]), None, 0.0),)
        # An endpoint is called by its pipeline's slug.
        return Ask(operation, resource, endpoint.replace("-", "_"), (most,))
    tags = {tag["Key"]: tag["Value"] for tag in params.get("Tags", ())}
    pipeline = tags.get("mlops:pipeline", "")
    if operation == "CreateEndpointConfig":
        name = str(params.get("EndpointConfigName", ""))
        variants = [
            *params.get("ProductionVariants", ()),
            *params.get("ShadowProductionVariants", ()),
        ]
        fleet = tuple(
            Use(v["InstanceType"], v.get("InitialInstanceCount", 1), None, 0.0)
            for v in variants
            if "InstanceType" in v
        )
        return Ask(operation, name, pipeline, (fleet,))
    name = str(params.get(KINDS[operation].name_member, ""))
    if operation == "CreateHyperParameterTuningJob":
        return Ask(operation, name, pipeline, _of_search(params))
    cluster = (
        params.get("ResourceConfig")
        or params.get("ProcessingResources", {}).get("ClusterConfig")
        or params.get("TransformResources")
        or {}
    )
    bounded = operation != "CreateTransformJob"
    hours = (_seconds(params) if bounded else _TRANSFORM_S) / _HOUR_S
    fleet = tuple(
        Use(kind, count, count * hours if bounded else None, count * hours)
        for kind, count in _fleet(cluster)
    )
    return Ask(operation, name, pipeline, (fleet,))


def _of_search(params: Mapping[str, Any]) -> tuple[tuple[Use, ...], ...]:
    """A search runs so many jobs at once, and no more jobs and no longer than it is told.

    Each job is of one definition, on one of its instance types: what all jobs take together, times
    what the dearest takes, is the most.
    """
    limits = params.get("HyperParameterTuningJobConfig", {}).get("ResourceLimits", {})
    parallel = int(limits.get("MaxParallelTrainingJobs", 1))
    single = params.get("TrainingJobDefinition")
    definitions = [single] if single else list(params.get("TrainingJobDefinitions", ()))
    longest_job = max(map(_seconds, definitions), default=_DAY_S)
    # Of all jobs together.
    seconds = int(limits.get("MaxNumberOfTrainingJobs", parallel)) * longest_job
    if "MaxRuntimeInSeconds" in limits:
        seconds = min(seconds, parallel * int(limits["MaxRuntimeInSeconds"]))
    return tuple(
        tuple(
            Use(name, parallel * count, count * seconds / _HOUR_S, count * seconds / _HOUR_S)
            for name, count in fleet
        )
        for definition in definitions
        for fleet in _alternatives(definition)
    )


def _alternatives(definition: Mapping[str, Any]) -> Iterator[tuple[tuple[str, int], ...]]:
    """What a job of a definition may run on, of which it takes one."""
    several = definition.get("HyperParameterTuningResourceConfig", {})
    if "ResourceConfig" in definition or "InstanceConfigs" not in several:
        yield _fleet(definition.get("ResourceConfig") or several)
    else:
        for each in several["InstanceConfigs"]:
            yield _fleet(each)


def _fleet(cluster: Mapping[str, Any]) -> tuple[tuple[str, int], ...]:
    """(Instance type, how many), of groups that a job has together."""
    return tuple(
        (str(group["InstanceType"]), int(group.get("InstanceCount", 1)))
        for group in cluster.get("InstanceGroups") or [cluster]
        if "InstanceType" in group
    )


def _seconds(params: Mapping[str, Any]) -> int:
    return int(params.get("StoppingCondition", {}).get("MaxRuntimeInSeconds", _DAY_S))
