"""How a pipeline's hyperparameters are found: the space, the metric, and what the search may cost.

Here: the declaration, checked when it is made. Not here: the search (SageMaker's, or the local
API's), nor when it is run again (`assets.hyperparameters`).
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

from mlops_assets.declaration import require

Scale = Literal["linear", "log", "reverse_log"]
Strategy = Literal["Bayesian", "Random", "Grid", "Hyperband"]

# The service's limits.
_MAX_RANGES, _MAX_JOBS, _MAX_PARALLEL, _MAX_VALUES = 30, 750, 100, 30


@dataclass(frozen=True)
class Continuous:
    """A real number from ``low`` to ``high``; ``scale`` says how the search moves in it."""

    low: float
    high: float
    scale: Scale = "linear"

    def __post_init__(self) -> None:
        _check_bounds(self.low, self.high, self.scale)


@dataclass(frozen=True)
class Integer:
    """A whole number from ``low`` to ``high``, both included."""

    low: int
    high: int
    scale: Literal["linear", "log"] = "linear"

    def __post_init__(self) -> None:
        require(
            self.scale in ("linear", "log"),
            "tuning.ranges",
            f"the scale {self.scale!r} is none of whole numbers",
            "Use 'linear' or 'log'",
        )
        _check_bounds(self.low, self.high, self.scale)


@dataclass(frozen=True)
class Categorical:
    """One of some values, without an order."""

    values: tuple[str, ...]

    def __post_init__(self) -> None:
        require(
            1 <= len(set(self.values)) == len(self.values) <= _MAX_VALUES,
            "tuning.ranges",
            f"the values {self.values} are none, repeated or more than {_MAX_VALUES}",
            "Give each value once",
        )


Range = Continuous | Integer | Categorical


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """A search for hyperparameters, on rows that no gate judges.

    As of each partition the search trains on the older part of what the model trains on and is
    measured on the newest part of it: the rows that the gates judge on stay unseen. What it found
    is used until data or code make it stale.

    Args:
        ranges: {hyperparameter: where to look}; they take precedence over ``training``'s.
        metric: the name, in ``training.metrics``, of what the script prints about ``holdout``.
        jobs: training jobs in all; ``parallel`` of them at a time.
        early_stopping: stop a job whose metric is worse than the median of those before it.
        every: search again once the last search is so many partitions old; None: only when the
            declaration, the script or the columns change.
        max_runtime: the search is stopped after this time, and the best so far is used.
        seed: equal data, code and seed give the same search where ``parallel`` is 1.
    """

    ranges: Mapping[str, Range]
    metric: str
    goal: Literal["minimize", "maximize"] = "minimize"
    strategy: Strategy = "Bayesian"
    jobs: int = 20
    parallel: int = 2
    early_stopping: bool = True
    every: int | None = None
    max_runtime: dt.timedelta = dt.timedelta(hours=2)
    seed: int = 0

    def __post_init__(self) -> None:
        require(
            1 <= len(self.ranges) <= _MAX_RANGES,
            "tuning.ranges",
            f"has {len(self.ranges)} entries",
            f"Search 1 to {_MAX_RANGES} hyperparameters",
        )
        for name, value, most in (
            ("jobs", self.jobs, _MAX_JOBS),
            ("parallel", self.parallel, _MAX_PARALLEL),
        ):
            require(
                1 <= value <= most,
                f"tuning.{name}",
                f"{value} is out of bounds",
                f"Use 1 to {most}",
            )
        require(
            self.every is None or self.every >= 1,
            "tuning.every",
            f"{self.every} is no number of partitions",
            "Give how many partitions a search lasts for, or None",
        )
        require(
            self.max_runtime > dt.timedelta(0),
            "tuning.max_runtime",
            f"{self.max_runtime} is no length of time",
            "Give the time after which the best so far is taken",
        )
        require(
            0 <= self.seed < 2**31,
            "tuning.seed",
            f"{self.seed} is out of bounds",
            "Use a whole number from 0 to 2147483647",
        )
        for name, range_ in self.ranges.items():
            require(
                self.strategy != "Grid" or isinstance(range_, Categorical),
                f"tuning.ranges[{name!r}]",
                f"{range_} cannot be walked by a grid",
                "Use Categorical values, or another strategy",
            )


def check_tuning(tuning: Tuning, *, metrics: Collection[str], label: str) -> None:
    """Raise DeclarationError unless the search's metric is read from the training's log, and what
    is predicted stays what it is.
    """
    require(
        tuning.metric in metrics,
        "tuning.metric",
        f"{tuning.metric!r} is not read from the training's log",
        f"Choose from training.metrics: {', '.join(metrics) or 'none is declared yet'}",
    )
    for name in ("label", label):
        require(
            name not in tuning.ranges,
            "tuning.ranges",
            f"{name!r} says what is predicted and cannot be searched",
            "Leave it out",
        )


def _check_bounds(low: float, high: float, scale: Scale) -> None:
    require(
        math.isfinite(low) and math.isfinite(high) and low < high,
        "tuning.ranges",
        f"{low} to {high} is no range",
        "Give a lower bound below the upper one",
    )
    require(
        scale != "log" or low > 0,
        "tuning.ranges",
        f"{low} to {high} cannot be searched by logarithm",
        "Give a lower bound above 0, or another scale",
    )
    require(
        scale != "reverse_log" or (low >= 0 and high < 1),
        "tuning.ranges",
        f"{low} to {high} cannot be searched by the logarithm of what is left to 1",
        "Give bounds of at least 0 and below 1, or another scale",
    )
