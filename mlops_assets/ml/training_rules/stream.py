"""Rules on the metrics that a training prints: judged live, each time that a point comes.

In the spirit of SageMaker Debugger's built-in rules of the same names, on metrics instead of
tensors: a script that prints the norm of its gradients has it watched like any other. Here: one
rule each, pure. Not here: where the points come from, or what a finding leads to.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Series = Mapping[str, Sequence[float]]
"""{metric: its values so far, oldest first}."""


@dataclass(frozen=True, kw_only=True)
class LossNotDecreasing:
    """The loss has not fallen by ``by`` (a share of what it was) over the last ``over`` points.

    >>> rule = LossNotDecreasing(metric="train:loss", over=3, by=0.01)
    >>> rule.judge({"train:loss": [1.0, 0.8, 0.7, 0.6]})
    ''
    >>> rule.judge({"train:loss": [1.0, 0.7, 0.7, 0.7, 0.7]})
    'train:loss 0.7 is less than 1 % below the 0.7 of 3 points before: it is not decreasing'
    """

    metric: str
    over: int = 5
    by: float = 0.001
    stop: bool = False

    @property
    def name(self) -> str:
        return f"loss_not_decreasing({self.metric})"

    @property
    def metrics(self) -> tuple[str, ...]:
        return (self.metric,)

    def judge(self, series: Series) -> str:
        """What is wrong, in words; empty where nothing is, or too little is known."""
        values = series.get(self.metric, ())
        if len(values) <= self.over:
            return ""
        before, last = values[-self.over - 1], values[-self.over :]
        if not all(map(math.isfinite, (before, *last))):
            return ""  # `Exploding` says so
        best = min(last)
        if best <= before - self.by * abs(before):
            return ""
        return (
            f"{self.metric} {best:.4g} is less than {100 * self.by:.3g} % below the {before:.4g} "
            f"of {self.over} points before: it is not decreasing"
        )


@dataclass(frozen=True, kw_only=True)
class Overfitting:
    """Held-out loss has risen from its best, by ``by`` (a share), over ``over`` points, while the
    training loss went on falling.

    >>> rule = Overfitting(train="train:loss", held_out="holdout:loss", over=2, by=0.02)
    >>> train = [1.0, 0.8, 0.6, 0.5, 0.4]
    >>> rule.judge({"train:loss": train, "holdout:loss": [1.0, 0.9, 0.85, 0.84, 0.84]})
    ''
    >>> rule.judge({"train:loss": train, "holdout:loss": [1.0, 0.9, 0.85, 0.9, 0.95]})
    'holdout:loss 0.95 is 12 % above its best, 0.85, of 2 points before, and train:loss still falls'
    """

    train: str
    held_out: str
    over: int = 5
    by: float = 0.02
    stop: bool = False

    @property
    def name(self) -> str:
        return f"overfitting({self.held_out})"

    @property
    def metrics(self) -> tuple[str, ...]:
        return (self.train, self.held_out)

    def judge(self, series: Series) -> str:
        """What is wrong, in words; empty where nothing is, or too little is known."""
        train, held_out = series.get(self.train, ()), series.get(self.held_out, ())
        if len(held_out) <= self.over or len(train) <= self.over:
            return ""
        best = min((value for value in held_out if math.isfinite(value)), default=math.nan)
        ago = next((ago for ago, value in enumerate(reversed(held_out)) if value == best), 0)
        rise = held_out[-1] - best
        falls = train[-1] < train[-self.over - 1]
        if ago < self.over or rise <= self.by * abs(best) or not falls:
            return ""
        share = f"{100 * rise / abs(best):.0f} % above" if best else "above"
        return (
            f"{self.held_out} {held_out[-1]:.4g} is {share} its best, {best:.4g}, of {ago} points "
            f"before, and {self.train} still falls"
        )


@dataclass(frozen=True, kw_only=True)
class Exploding:
    """A metric is NaN or infinite, or more than ``times`` its least absolute value so far.

    >>> Exploding(metric="train:loss").judge({"train:loss": [1.0, float("nan")]})
    'train:loss is nan'
    >>> Exploding(metric="train:loss", times=10).judge({"train:loss": [1.0, 0.5, 6.0]})
    'train:loss 6 is 12 times its least, 0.5'
    """

    metric: str
    times: float = 100.0
    stop: bool = False

    @property
    def name(self) -> str:
        return f"exploding({self.metric})"

    @property
    def metrics(self) -> tuple[str, ...]:
        return (self.metric,)

    def judge(self, series: Series) -> str:
        """What is wrong, in words; empty where nothing is."""
        values = series.get(self.metric, ())
        if not values:
            return ""
        last = values[-1]
        if not math.isfinite(last):
            return f"{self.metric} is {last}"
        least = min((abs(v) for v in values[:-1] if math.isfinite(v) and v), default=math.inf)
        if abs(last) <= self.times * least:
            return ""
        return f"{self.metric} {last:.4g} is {abs(last) / least:.3g} times its least, {least:.4g}"


@dataclass(frozen=True, kw_only=True)
class Vanishing:
    """A metric, such as a gradient's norm, stayed below ``below`` for ``over`` points.

    >>> rule = Vanishing(metric="grad_norm", over=2)
    >>> rule.judge({"grad_norm": [1e-3, 1e-9, 1e-9]})
    'grad_norm was below 1e-07 for 2 points: nothing is learned any more'
    """

    metric: str
    below: float = 1e-7
    over: int = 5
    stop: bool = False

    @property
    def name(self) -> str:
        return f"vanishing({self.metric})"

    @property
    def metrics(self) -> tuple[str, ...]:
        return (self.metric,)

    def judge(self, series: Series) -> str:
        """What is wrong, in words; empty where nothing is, or too little is known."""
        last = series.get(self.metric, ())[-self.over :]
        if len(last) < self.over or any(not abs(value) < self.below for value in last):
            return ""
        return (
            f"{self.metric} was below {self.below:g} for {self.over} points: nothing is learned "
            "any more"
        )


StreamRule = LossNotDecreasing | Overfitting | Exploding | Vanishing
