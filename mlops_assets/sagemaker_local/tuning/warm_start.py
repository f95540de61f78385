"""Parents of a tuning job: which may be ones, and what their training jobs tell its sampler.

Belongs here: WarmStartConfig. Does not belong here: the sampler (suggestions.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mlops_assets.sagemaker_local.errors import invalid
from mlops_assets.sagemaker_local.store import Document
from mlops_assets.sagemaker_local.tuning.search_space import Parameter, Value, read_space
from mlops_assets.sagemaker_local.tuning.suggestions import Observation
from mlops_assets.sagemaker_local.tuning.training_request import (
    OBJECTIVE,
    definitions,
    objective,
    ranges,
)
from mlops_assets.sagemaker_local.tuning.trials import Trial
from mlops_assets.sagemaker_local.tuning.tuning_views import TUNING_ENDED, sign

IDENTICAL = "IdenticalDataAndAlgorithm"


@dataclass(frozen=True)
class Parent:
    """A tuning job that has ended, with its trials."""

    tuning: Document
    trials: tuple[Trial, ...]


def parent_names(tuning: Document) -> list[str]:
    """The names in a WarmStartConfig; none without one."""
    named = tuning.get("WarmStartConfig", {}).get("ParentHyperParameterTuningJobs", [])
    return [parent["HyperParameterTuningJobName"] for parent in named]


def is_transfer(tuning: Document) -> bool:
    """Whether the parents ran on other data or another algorithm."""
    return bool(tuning.get("WarmStartConfig", {}).get("WarmStartType") == "TransferLearning")


def check_warm_start(request: Document, parents: Sequence[Document]) -> None:
    """Raise ValidationException where the parents do not fit, as the service does."""
    if not parents:
        return
    names = [parent["HyperParameterTuningJobName"] for parent in parents]
    if len(set(names)) != len(names):
        raise invalid(f"ParentHyperParameterTuningJobs name a tuning job twice: {names}")
    if "TrainingJobDefinitions" in request:
        raise invalid("Warm start is for one TrainingJobDefinition, not for several")
    for parent in parents:
        for problem in _problems(request, parent):
            name = parent["HyperParameterTuningJobName"]
            raise invalid(f"The tuning job {name} cannot be a parent: {problem}")


def _problems(request: Document, parent: Document) -> Iterator[str]:
    if parent["HyperParameterTuningJobStatus"] not in TUNING_ENDED:
        yield f"it is in status {parent['HyperParameterTuningJobStatus']}, not ended"
    if "TrainingJobDefinitions" in parent:
        yield "it has several training job definitions"
        return
    own, theirs = definitions(request)[0], definitions(parent)[0]
    if objective(request, own) != objective(parent, theirs):
        yield "the objective metric must be the same as for all parent jobs"
    if len(_names(request, own)) != len(_names(parent, theirs)):
        yield (
            "the total number of static plus tunable hyperparameters must remain the same: "
            f"{len(_names(request, own))} here, {len(_names(parent, theirs))} there"
        )
    if is_transfer(request):
        return
    for member in ("InputDataConfig", "AlgorithmSpecification"):
        if own.get(member) != theirs.get(member):
            yield f"with {IDENTICAL} its {member} must be the same"


def _names(tuning: Document, definition: Document) -> set[str]:
    tuned = {parameter.name for parameter in read_space(ranges(tuning, definition))}
    hinted = {item["Name"] for item in ranges(tuning, definition).get("AutoParameters", [])}
    return (tuned | hinted | set(definition.get("StaticHyperParameters", {}))) - {OBJECTIVE}


def inherited(
    parents: Sequence[Parent], space: tuple[Parameter, ...]
) -> Iterator[list[Observation]]:
    """The observations of each parent that lie in this space; a hyperparameter that was static
    there counts with that value, one of another range is left out with its training job."""
    for parent in parents:
        static = definitions(parent.tuning)[0].get("StaticHyperParameters", {})
        yield [
            Observation(point, sign(parent.tuning) * trial.objective)
            for trial in parent.trials
            if trial.objective is not None
            and not trial.stopped_early
            and (point := _point(space, static | trial.tuned)) is not None
        ]


def _point(space: tuple[Parameter, ...], texts: dict[str, str]) -> dict[str, Value] | None:
    point = {}
    for parameter in space:
        value = parameter.value(texts[parameter.name]) if parameter.name in texts else None
        if value is None:
            return None
        point[parameter.name] = value
    return point
