"""AWS's own images by name: an algorithm that SageMaker brings, or a framework for a script.

Here: which can be declared, and what an algorithm takes. Not here: the image's address, which
follows from the region (`resources.sagemaker.image_names`), or the training itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from mlops_assets.declaration import Label, require


@dataclass(frozen=True, kw_only=True)
class AwsImage:
    """One of AWS's images, as `sagemaker.core.image_uris` names them.

    Args:
        framework: such as "pytorch" or "xgboost".
        version: such as "2.10.0".
        python: such as "py313"; None where the image has one Python only.
    """

    framework: str
    version: str
    python: str | None = None


PlatformImage = Literal["torch", "cuda"]
"""The platform's own image with more in it: torch, or torch and XGBoost for GPUs."""

_XGBOOST: Final = AwsImage(framework="xgboost", version="3.2-0")
_OBJECTIVES: Final = {
    "binary": "binary:logistic",
    "regression": "reg:squarederror",
    "multiclass": "multi:softprob",
}
_NAME = re.compile(r"([a-z-]+)(?::(\d+)\.\d+-\d+)?")


def algorithm_image(algorithm: str) -> AwsImage:
    """The image of an algorithm: ``xgboost``, or ``xgboost:3.0-5`` for a version of its own.

    Raises DeclarationError for another one: most leave models that only AWS's images can read, and
    XGBoost's before 3 leave a pickle or a binary format that XGBoost itself no longer reads.
    """
    found = _NAME.fullmatch(algorithm)
    require(
        found is not None and found[1] == "xgboost" and int(found[2] or 3) >= 3,
        "training.algorithm",
        f"{algorithm!r} is none whose models this platform can serve",
        "Write 'xgboost', or 'xgboost:3.0-5' for a version from 3 on; give a script for others",
    )
    version = algorithm.partition(":")[2]
    return AwsImage(framework="xgboost", version=version) if version else _XGBOOST


def check_hyperparameters(given: Mapping[str, Any]) -> None:
    """Raise DeclarationError unless the algorithm can be trained with these."""
    for name, remedy in {
        "num_round": "The algorithm has no default: give the number of trees",
        "eval_metric": "Say what is to be watched, such as 'logloss,auc'",
    }.items():
        require(name in given, f"training.hyperparameters[{name!r}]", "is not set", remedy)
    require(
        "early_stopping_rounds" not in given,
        "training.hyperparameters['early_stopping_rounds']",
        "stops by the channel validation, which holds the rows that the gates judge on",
        "Leave it out, and search for num_round with tuning",
    )


def algorithm_metrics(given: Mapping[str, Any]) -> dict[str, str]:
    """{metric: how it reads in the log}: the algorithm's own names and words.

    >>> algorithm_metrics({"eval_metric": "auc"})["validation:auc"]
    'validation-auc:([-+]?[0-9.]+(?:[eE][-+]?[0-9]+)?)'
    """
    number = r"([-+]?[0-9.]+(?:[eE][-+]?[0-9]+)?)"
    names = [name.strip() for name in str(given.get("eval_metric", "")).split(",")]
    parts = ("train", "validation")
    return {f"{part}:{name}": f"{part}-{name}:{number}" for part in parts for name in names if name}


def objective(label: Label) -> dict[str, Any]:
    """What the algorithm must be told to answer probabilities, or values, of a label."""
    told: dict[str, Any] = {"objective": _OBJECTIVES[label.kind]}
    return {**told, "num_class": len(label.classes)} if label.classes else told
