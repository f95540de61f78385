"""What the service fills into a tuning job's request, and shows when the job is described.

Belongs here: defaults, and the metrics that built-in algorithms have without being asked. Does not
belong here: which requests are right (tuning_checks.py).
"""

from __future__ import annotations

import re
from collections.abc import Callable

from mlops_assets.sagemaker_local.images import repository
from mlops_assets.sagemaker_local.store import Document
from mlops_assets.sagemaker_local.tuning.training_request import OBJECTIVE, definitions, objective
from mlops_assets.sagemaker_local.tuning.tuning_checks import total_jobs

_XGBOOST = ("sagemaker-xgboost", "xgboost")  # repositories of the built-in algorithm
_SIDES = ("train", "validation")
_LISTS = ("IntegerParameterRanges", "ContinuousParameterRanges", "CategoricalParameterRanges")


def with_metrics(request: Document) -> Document:
    """The request with the definition of a built-in algorithm's objective metric in it."""
    if ("TrainingJobDefinition" in request) == ("TrainingJobDefinitions" in request):
        return request  # check_tuning_job says that one of them is due
    return _changed(request, lambda one: _defined(request, one))


def with_defaults(request: Document) -> Document:
    """A checked request as it is described: no member that a client reads is left out."""
    config: Document = {"TrainingJobEarlyStoppingType": "Off"}
    config |= request["HyperParameterTuningJobConfig"]
    if config["Strategy"] == "Grid":
        limits = config["ResourceLimits"] | {"MaxNumberOfTrainingJobs": total_jobs(request)}
        config["ResourceLimits"] = limits
    if "ParameterRanges" in config:
        given: Document = config["ParameterRanges"]
        config["ParameterRanges"] = {name: [] for name in _LISTS} | given
    filled = request | {"HyperParameterTuningJobConfig": config}
    return _changed(filled, lambda one: one | {"StaticHyperParameters": _static(request, one)})


def _changed(request: Document, change: Callable[[Document], Document]) -> Document:
    changed = [change(one) for one in definitions(request)]
    if "TrainingJobDefinition" in request:
        return request | {"TrainingJobDefinition": changed[0]}
    return request | {"TrainingJobDefinitions": changed}


def _static(request: Document, definition: Document) -> Document:
    metric = objective(request, definition)["MetricName"]
    return {OBJECTIVE: metric} | definition.get("StaticHyperParameters", {})


def _defined(request: Document, definition: Document) -> Document:
    algorithm = definition["AlgorithmSpecification"]
    name = (objective(request, definition) or {}).get("MetricName", "")
    side, _, metric = name.partition(":")
    known = algorithm.get("MetricDefinitions", [])
    built_in = repository(algorithm.get("TrainingImage", "")) in _XGBOOST
    if not built_in or side not in _SIDES or any(one["Name"] == name for one in known):
        return definition
    number = r"([-+]?[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?)"
    regex = rf"\[[0-9]+\].*(?:#011|\s){side}-{re.escape(metric)}:{number}"
    given = {"MetricDefinitions": [*known, {"Name": name, "Regex": regex}]}
    return definition | {"AlgorithmSpecification": algorithm | given}
