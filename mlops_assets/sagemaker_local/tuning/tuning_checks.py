"""Rules of CreateHyperParameterTuningJob that botocore's description does not state.

Belongs here: the service's rules between members, in its words where they are known, and what this
machine does not do, refused by name. Does not belong here: a single range (search_space.py), the
rules of the training jobs (limits.py), parents of a warm start (warm_start.py).
"""

from __future__ import annotations

from mlops_assets.sagemaker_local.errors import invalid, over_limit
from mlops_assets.sagemaker_local.store import Document
from mlops_assets.sagemaker_local.tuning.search_space import (
    Parameter,
    combinations,
    read_space,
    untuned_hints,
)
from mlops_assets.sagemaker_local.tuning.training_request import (
    OBJECTIVE,
    definitions,
    objective,
    ranges,
)

MAX_JOBS = 750  # the service's default quotas
MAX_PARALLEL = 100
_MAX_HYPERPARAMETERS = 100
_MAX_EPOCHS = 20_000
_EPOCH_KEYS = ("epochs", "numepochs", "n-epochs", "n_epochs", "num_epochs")


def check_tuning_job(request: Document) -> None:
    """Raise what the service would, or a clear refusal of what cannot be done here."""
    if ("TrainingJobDefinition" in request) == ("TrainingJobDefinitions" in request):
        raise invalid(
            "Exactly one of TrainingJobDefinition and TrainingJobDefinitions must be given"
        )
    config = request["HyperParameterTuningJobConfig"]
    _several(request)
    _strategy(config)
    for definition in definitions(request):
        _objective(request, definition)
        space = read_space(ranges(request, definition))
        _hyperparameters(request, definition, space)
        _grid(config, space)
        if config["Strategy"] == "Hyperband":
            hyperband_epochs(config, definition)
        _hardware(definition)
    _limits(request)


def hyperband_epochs(config: Document, definition: Document) -> tuple[int, int]:
    """MinResource and MaxResource, the latter taken from the static hyperparameters if need be."""
    given = config.get("StrategyConfig", {}).get("HyperbandStrategyConfig", {})
    low, high = given.get("MinResource", 1), given.get("MaxResource")
    static = definition.get("StaticHyperParameters", {})
    texts = [static[key] for key in _EPOCH_KEYS if static.get(key, "").isdigit()]
    if high is None and texts:
        high = int(texts[0])
    if high is None:
        raise invalid(
            "Hyperband needs MaxResource: give it in StrategyConfig.HyperbandStrategyConfig, or one"
            f" of {', '.join(_EPOCH_KEYS)} in StaticHyperParameters"
        )
    if not low <= high <= _MAX_EPOCHS:
        raise invalid(
            f"MinResource {low} and MaxResource {high} must be MinResource <= MaxResource <= "
            f"{_MAX_EPOCHS}"
        )
    return low, high


def total_jobs(request: Document) -> int:
    """How many training jobs are created at most: as given, a grid's size, or the quota."""
    config = request["HyperParameterTuningJobConfig"]
    if config["Strategy"] == "Grid":
        return int(sum(_combinations(request)))
    given: int = config["ResourceLimits"].get("MaxNumberOfTrainingJobs", MAX_JOBS)
    return given


def _combinations(request: Document) -> list[float]:
    return [combinations(read_space(ranges(request, one))) for one in definitions(request)]


def _several(request: Document) -> None:
    """With several definitions, each has a name, an objective and ranges of its own."""
    if "TrainingJobDefinitions" not in request:
        return
    names = [definition.get("DefinitionName") for definition in request["TrainingJobDefinitions"]]
    if None in names or len(set(names)) != len(names):
        raise invalid(f"Each of TrainingJobDefinitions needs a DefinitionName of its own: {names}")
    for member in ("TuningObjective", "HyperParameterRanges"):
        if any(member not in definition for definition in request["TrainingJobDefinitions"]):
            raise invalid(f"Each of TrainingJobDefinitions needs a {member}")
    config = request["HyperParameterTuningJobConfig"]
    for member in ("HyperParameterTuningJobObjective", "ParameterRanges"):
        if member in config:
            raise invalid(f"{member} is not allowed with TrainingJobDefinitions: each has its own")
    kinds = {one["TuningObjective"]["Type"] for one in request["TrainingJobDefinitions"]}
    if len(kinds) > 1:
        raise invalid("All TrainingJobDefinitions must have the same TuningObjective Type")


def _strategy(config: Document) -> None:
    strategy = config["Strategy"]
    if "StrategyConfig" in config and strategy != "Hyperband":
        raise invalid(f"StrategyConfig is for Hyperband only, not for the strategy {strategy}")
    if strategy == "Hyperband" and config.get("TrainingJobEarlyStoppingType", "Off") == "Auto":
        raise invalid(
            "TrainingJobEarlyStoppingType must be Off with the Hyperband strategy, which stops "
            "training jobs by itself"
        )


def _objective(request: Document, definition: Document) -> None:
    wanted = objective(request, definition)
    if wanted is None:
        raise invalid("HyperParameterTuningJobObjective is required")
    algorithm = definition["AlgorithmSpecification"]
    if wanted["MetricName"] not in [m["Name"] for m in algorithm.get("MetricDefinitions", [])]:
        raise invalid(
            "A metric is required for this hyperparameter tuning job objective. Provide a metric "
            f"in the metric definitions. (None of them is named {wanted['MetricName']!r}.)"
        )


def _hyperparameters(request: Document, definition: Document, space: tuple[Parameter, ...]) -> None:
    given = ranges(request, definition)
    static = definition.get("StaticHyperParameters", {}) | untuned_hints(given)
    names = {parameter.name for parameter in space}
    if not names:
        raise invalid("At least one hyperparameter range is required")
    if "AutoParameters" in given and "Autotune" not in request:
        raise invalid("AutoParameters need Autotune with Mode Enabled")
    if both := sorted(names & set(static)):
        raise invalid(f"Hyperparameters {', '.join(both)} are both static and tuned")
    if OBJECTIVE in names:
        raise invalid(f"The hyperparameter {OBJECTIVE} is set by the tuning job itself")
    if len(names) + len({*static, OBJECTIVE}) > _MAX_HYPERPARAMETERS:
        raise invalid(
            f"{len(names)} tuned and {len(static)} static hyperparameters and {OBJECTIVE} are more "
            f"than {_MAX_HYPERPARAMETERS}"
        )


def _grid(config: Document, space: tuple[Parameter, ...]) -> None:
    if config["Strategy"] != "Grid":
        return
    if numeric := [parameter.name for parameter in space if not parameter.choices]:
        raise invalid(
            "Only categorical parameters are supported when using the grid search strategy, not "
            f"{', '.join(numeric)}"
        )


def _hardware(definition: Document) -> None:
    given = [
        name
        for name in ("ResourceConfig", "HyperParameterTuningResourceConfig")
        if name in definition
    ]
    if len(given) != 1:
        raise invalid(
            "Exactly one of ResourceConfig and HyperParameterTuningResourceConfig must be given"
        )
    wider = definition.get("HyperParameterTuningResourceConfig", {})
    if "InstanceConfigs" in wider and {"InstanceType", "InstanceCount", "VolumeSizeInGB"} & {
        *wider
    }:
        raise invalid(
            "InstanceConfigs is given: InstanceType, InstanceCount and VolumeSizeInGB must not be"
        )
    if "KeepAlivePeriodInSeconds" in definition.get("ResourceConfig", {}):
        raise invalid("KeepAlivePeriodInSeconds is not supported by hyperparameter tuning jobs")


def _limits(request: Document) -> None:
    config = request["HyperParameterTuningJobConfig"]
    limits = config["ResourceLimits"]
    most, parallel = limits.get("MaxNumberOfTrainingJobs"), limits["MaxParallelTrainingJobs"]
    ends = "MaxRuntimeInSeconds" in limits or "Autotune" in request
    if most is None and not (ends or config["Strategy"] == "Grid"):
        raise invalid(
            "ResourceLimits must have MaxNumberOfTrainingJobs or MaxRuntimeInSeconds, or nothing "
            "would end the tuning job"
        )
    if parallel > MAX_PARALLEL or (most or 0) > MAX_JOBS:
        raise over_limit(
            f"MaxParallelTrainingJobs {parallel} and MaxNumberOfTrainingJobs {most} must be at most"
            f" {MAX_PARALLEL} and {MAX_JOBS}, the account-level service limits"
        )
    if most is None:
        return
    if parallel > most:
        raise invalid(
            f"MaxParallelTrainingJobs {parallel} must not be greater than MaxNumberOfTrainingJobs "
            f"{most}"
        )
    possible = sum(_combinations(request))
    if config["Strategy"] == "Grid" and most != possible:
        raise invalid(
            f"MaxNumberOfTrainingJobs {most} must be equal to the total number of distinct "
            f"categorical combinations, {possible:.0f}: leave it out"
        )
    if possible < most:
        raise invalid(
            "You don't have enough combinations of hyperparameter ranges. The total number of "
            f"hyperparameter combinations for the provided ranges [{possible}] must be equal or "
            f"greater than the value of MaxNumberOfJobs, [{most}]. Provide additional ranges."
        )
