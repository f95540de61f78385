"""How a pipeline's model is trained: script or algorithm, its machine, what is watched meanwhile.

Here: the declaration, checked when it is made. Not here: the search for hyperparameters (`tuning`),
the job (`resources.sagemaker`), what a rule says (`ml.training_rules`).
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from mlops_assets.aws_images import (
    AwsImage,
    PlatformImage,
    algorithm_image,
    algorithm_metrics,
    check_hyperparameters,
    objective,
)
from mlops_assets.declaration import Label, check_alternates, require
from mlops_assets.ml.training_rules.stream import StreamRule
from mlops_assets.ml.training_rules.trained import TrainedRule

Hyperparameter = str | int | float | bool


@dataclass(frozen=True, kw_only=True)
class Training:
    """How the model is trained: an ordinary SageMaker script, or one of SageMaker's own
    algorithms, and the machine it runs on.

    Args:
        script: path of the script.
        algorithm: instead of a script, ``xgboost`` or ``xgboost:3.0-5``. The platform gives it the
            encoded rows as CSV, the label first, and makes an artifact of what it leaves;
            ``hyperparameters`` are its own, with num_round and eval_metric, which gives ``metrics``
            (``validation:auc``, on the held-out rows).
        files: further files that travel with it, such as modules it imports.
        metrics: {metric name: regular expression with one group}, read from the job's log.
        needs: modules that the script imports and the platform does not bring; `mlops demo` asks
            for them before it starts.
        rules: what is watched while it trains (``mlops_assets.ml.training_rules``) and once it has;
            a rule warns, or with ``stop=True`` ends the job.
        image: an image of your own; AWS's by name (`AwsImage`); ``"torch"`` for the platform's
            with torch (``MLOPS_TORCH_IMAGE_URI``), ``"cuda"`` for its image for GPUs
            (``MLOPS_CUDA_IMAGE_URI``); by default the platform's (``MLOPS_IMAGE_URI``).
        alternates: instance types to go on with, in order, once there has been no capacity for
            ``instance_type``. Which one a model was trained on is no part of what it is.
        input: ``lustre``: the data is mounted from FSx for Lustre (``MLOPS_LUSTRE``) instead of
            copied from S3; for data sets that take long to copy. Elsewhere than in a VPC it comes
            from S3 all the same, and which way it came is no part of what a model is.
        max_runtime: the job is stopped after this time.
    """

    script: Path | None = None
    algorithm: str | None = None
    files: tuple[Path, ...] = ()
    hyperparameters: Mapping[str, Hyperparameter] = field(default_factory=dict)
    metrics: Mapping[str, str] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    rules: tuple[StreamRule | TrainedRule, ...] = ()
    image: str | AwsImage | PlatformImage | None = None
    instance_type: str = "ml.m5.xlarge"
    alternates: tuple[str, ...] = ()
    instance_count: int = 1
    volume_gb: int = 30
    use_spot: bool = False
    input: Literal["s3", "lustre"] = "s3"
    max_runtime: dt.timedelta = dt.timedelta(hours=1)

    def __post_init__(self) -> None:
        require(
            (self.script is None) != (self.algorithm is None),
            "training",
            "needs exactly one of script and algorithm",
            "Write Training(script=…) or Training(algorithm='xgboost')",
        )
        if self.algorithm is not None:
            self._check_algorithm(self.algorithm)
        for path in self.code:
            name = "script" if path == self.script else "files"
            require(
                path.is_file(),
                f"training.{name}",
                f"{path} is not a file",
                "Give the path of a file that exists",
            )
        require(
            self.input in ("s3", "lustre"),
            "training.input",
            f"{self.input!r} is unknown",
            "Read from 's3' or 'lustre'",
        )
        require(
            self.instance_count >= 1,
            "training.instance_count",
            f"{self.instance_count} is below 1",
            "Ask for at least one instance",
        )
        check_alternates("training.alternates", self.instance_type, self.alternates)
        for name, pattern in self.metrics.items():
            require(
                re.compile(pattern).groups == 1,
                f"training.metrics[{name!r}]",
                f"{pattern!r} does not have exactly one group",
                "Capture the number, as in 'auc: ([0-9.]+)'",
            )
        for rule in self.stream_rules:
            for name in rule.metrics:
                require(
                    name in self.metrics,
                    f"training.rules: {rule.name}",
                    f"{name!r} is not read from the log",
                    f"Choose from training.metrics: {', '.join(self.metrics) or 'none yet'}",
                )

    def _check_algorithm(self, algorithm: str) -> None:
        algorithm_image(algorithm)
        metrics = algorithm_metrics(self.hyperparameters)
        given = {
            "files": self.files,
            "image": self.image,
            "needs": self.needs,
            "metrics": self.metrics != metrics and self.metrics,
        }
        for name, value in given.items():
            require(
                not value,
                f"training.{name}",
                f"is not for the algorithm {algorithm}, which is as AWS made it",
                "Leave it out, or give a script",
            )
        require(
            self.instance_count == 1,
            "training.instance_count",
            f"is {self.instance_count}, and each would be given all rows",
            "Ask for one larger instance",
        )
        check_hyperparameters(self.hyperparameters)
        object.__setattr__(self, "metrics", metrics)

    @property
    def code(self) -> tuple[Path, ...]:
        """The files that travel, the script first; none for an algorithm."""
        return () if self.script is None else (self.script, *self.files)

    @property
    def version(self) -> tuple[Path | str, ...]:
        """What stands for the code where it is compared with the code of another day."""
        return self.code or (str(self.algorithm),)

    @property
    def program(self) -> str:
        """What trains, in a word: the script's name, or the algorithm's."""
        return str(self.algorithm) if self.script is None else self.script.name

    @property
    def from_aws(self) -> AwsImage | None:
        """AWS's image that trains, where it is one: it leaves the artifact unsealed."""
        if self.algorithm is not None:
            return algorithm_image(self.algorithm)
        return self.image if isinstance(self.image, AwsImage) else None

    def told(self, label: Label) -> dict[str, Any]:
        """The hyperparameters as declared, and what is predicted: a script is told the label's
        name, an algorithm the kind of answer."""
        what = {"label": label.column} if self.script else objective(label)
        return {**what, **self.hyperparameters}

    @property
    def only_trains(self) -> bool:
        """Whether the image that trains is not the one that serves: that is the platform's."""
        return self.from_aws is not None or self.image in ("torch", "cuda")

    @property
    def stream_rules(self) -> tuple[StreamRule, ...]:
        """The rules on metrics, judged while the training runs."""
        return tuple(rule for rule in self.rules if isinstance(rule, StreamRule))

    @property
    def trained_rules(self) -> tuple[TrainedRule, ...]:
        """The rules on data and model, judged once it has ended."""
        return tuple(rule for rule in self.rules if isinstance(rule, TrainedRule))
