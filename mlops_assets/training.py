"""How a pipeline's model is trained: the script, its machine, and what is watched meanwhile.

Here: the declaration, checked when it is made. Not here: the search for hyperparameters (`tuning`),
the job (`resources.sagemaker`), what a rule says (`ml.training_rules`).
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mlops_assets.declaration import require
from mlops_assets.ml.training_rules.stream import StreamRule
from mlops_assets.ml.training_rules.trained import TrainedRule

Hyperparameter = str | int | float | bool


@dataclass(frozen=True, kw_only=True)
class Training:
    """How the model is trained: an ordinary SageMaker script and the machine it runs on.

    Args:
        script: path of the script.
        files: further files that travel with it, such as modules it imports.
        metrics: {metric name: regular expression with one group}, read from the job's log.
        needs: modules that the script imports and the platform does not bring; `mlops demo` asks
            for them before it starts.
        rules: what is watched while it trains (``mlops_assets.ml.training_rules``) and once it has;
            a rule warns, or with ``stop=True`` ends the job.
        image: an image of your own; by default the platform's (``MLOPS_IMAGE_URI``).
        max_runtime: the job is stopped after this time.
    """

    script: Path
    files: tuple[Path, ...] = ()
    hyperparameters: Mapping[str, Hyperparameter] = field(default_factory=dict)
    metrics: Mapping[str, str] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    rules: tuple[StreamRule | TrainedRule, ...] = ()
    image: str | None = None
    instance_type: str = "ml.m5.xlarge"
    instance_count: int = 1
    volume_gb: int = 30
    use_spot: bool = False
    max_runtime: dt.timedelta = dt.timedelta(hours=1)

    def __post_init__(self) -> None:
        for name, path in (("script", self.script), *(("files", path) for path in self.files)):
            require(
                path.is_file(),
                f"training.{name}",
                f"{path} is not a file",
                "Give the path of a file that exists",
            )
        require(
            self.instance_count >= 1,
            "training.instance_count",
            f"{self.instance_count} is below 1",
            "Ask for at least one instance",
        )
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

    @property
    def stream_rules(self) -> tuple[StreamRule, ...]:
        """The rules on metrics, judged while the training runs."""
        return tuple(rule for rule in self.rules if isinstance(rule, StreamRule))

    @property
    def trained_rules(self) -> tuple[TrainedRule, ...]:
        """The rules on data and model, judged once it has ended."""
        return tuple(rule for rule in self.rules if isinstance(rule, TrainedRule))
