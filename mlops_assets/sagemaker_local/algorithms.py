"""Which jobs train by an algorithm of AWS's, and the metrics that the service knows of it.

Belongs here: what CreateTrainingJob does otherwise for such an image. Does not belong here: the
algorithm itself (`containers.algorithms`), other images (images.py).
"""

from __future__ import annotations

from mlops_assets.sagemaker_local.errors import invalid
from mlops_assets.sagemaker_local.images import ALGORITHMS, repository
from mlops_assets.sagemaker_local.store import Document

_NUMBER = r"([-+]?[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?)"
# https://docs.aws.amazon.com/sagemaker/latest/dg/xgboost-tuning.html
_MEASURED = (
    "accuracy", "auc", "error", "f1", "logloss", "mae", "map", "merror", "mlogloss", "mse", "ndcg",
    "rmse",
)  # fmt: skip
_DEFINITIONS: list[Document] = [
    {"Name": f"{part}:{name}", "Regex": rf"#011{part}-{name}:{_NUMBER}"}
    for part in ("train", "validation")
    for name in _MEASURED
]


def is_algorithm(request: Document) -> bool:
    """Whether a training request has one of those images, and no script to run in it."""
    algorithm = request["AlgorithmSpecification"]
    return (
        repository(algorithm.get("TrainingImage", "")) in ALGORITHMS
        and "ContainerEntrypoint" not in algorithm
        and "sagemaker_program" not in request.get("HyperParameters", {})
    )


def check_metrics(request: Document) -> None:
    """Raise ValidationException where an algorithm is given metrics of the caller's own.

    The names that it logs pass: a search states which of them it goes by.
    """
    given = request["AlgorithmSpecification"].get("MetricDefinitions", [])
    known = {each["Name"] for each in _DEFINITIONS}
    if is_algorithm(request) and any(each["Name"] not in known for each in given):
        raise invalid(
            "You can't override the metric definitions for Amazon SageMaker algorithms. Please "
            "retry the request without specifying metric definitions."
        )


def metric_definitions(request: Document) -> list[Document]:
    """The metrics to be read from a job's log: the request's, or those of its algorithm."""
    if is_algorithm(request):
        return [*_DEFINITIONS]
    found: list[Document] = request["AlgorithmSpecification"].get("MetricDefinitions", [])
    return found
