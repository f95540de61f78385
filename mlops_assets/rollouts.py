"""How a new model takes over: rollout policies, and the bounds that it must keep meanwhile.

Here: the declarations, checked when they are made; durations in whole seconds, as SageMaker counts
them. Not here: how a rollout is carried out (`resources.sagemaker.rollout`).
"""

from __future__ import annotations

from dataclasses import dataclass

from mlops_assets.declaration import require


@dataclass(frozen=True, kw_only=True)
class AllAtOnce:
    """The new fleet gets all traffic at once, and is watched for ``bake_s`` seconds."""

    bake_s: int = 0

    def __post_init__(self) -> None:
        _duration("rollout.bake_s", self.bake_s)


@dataclass(frozen=True, kw_only=True)
class Canary:
    """A share of the traffic first; the rest after ``bake_s`` seconds without an alarm."""

    share: float = 0.1
    bake_s: int = 300

    def __post_init__(self) -> None:
        _share("rollout.share", self.share, at_most=0.5)
        _duration("rollout.bake_s", self.bake_s)


@dataclass(frozen=True, kw_only=True)
class Linear:
    """Equal shares of the traffic, one after each ``bake_s`` seconds without an alarm."""

    share: float = 0.25
    bake_s: int = 120

    def __post_init__(self) -> None:
        _share("rollout.share", self.share, at_least=0.1, at_most=0.5)
        _duration("rollout.bake_s", self.bake_s)


@dataclass(frozen=True, kw_only=True)
class Rolling:
    """Instances are replaced in batches of ``share`` of the fleet: no second fleet is paid for."""

    share: float = 0.25
    bake_s: int = 120

    def __post_init__(self) -> None:
        _share("rollout.share", self.share, at_least=0.05, at_most=0.5)
        _duration("rollout.bake_s", self.bake_s)


@dataclass(frozen=True, kw_only=True)
class Shadow:
    """The challenger gets a copy of ``share`` of the requests for ``bake_s`` seconds; its answers
    are compared and never returned. Then it takes over at once, or not at all."""

    share: float = 1.0
    bake_s: int = 300

    def __post_init__(self) -> None:
        _share("rollout.share", self.share)
        _duration("rollout.bake_s", self.bake_s)


@dataclass(frozen=True, kw_only=True)
class ABTest:
    """Champion and challenger side by side, ``share`` of the callers on the challenger, until a
    person ends it by ``mlops promote`` or ``mlops rollback``. A caller's key decides the side."""

    share: float = 0.5

    def __post_init__(self) -> None:
        _share("rollout.share", self.share)


Rollout = AllAtOnce | Canary | Linear | Rolling | Shadow | ABTest


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """What a challenger must keep while it is watched; a broken bound rolls it back.

    Args:
        server_errors: greatest share of its requests answered with a 5xx.
        client_errors: greatest share answered with a 4xx, where the champion has none.
        p99_ms: greatest 99th percentile of the model's latency; None: ``slowdown`` alone counts.
        slowdown: greatest ratio of its p99 to the champion's, over the same rows.
        disagreement: greatest mean absolute difference to the champion's answers over the same
            rows, in probabilities or in standard deviations of the label; None: only reported.
    """

    server_errors: float = 0.01
    client_errors: float = 0.05
    p99_ms: float | None = None
    slowdown: float = 3.0
    disagreement: float | None = None

    def __post_init__(self) -> None:
        _share("bounds.server_errors", self.server_errors)
        _share("bounds.client_errors", self.client_errors)
        require(
            self.p99_ms is None or self.p99_ms > 0,
            "bounds.p99_ms",
            f"{self.p99_ms} is not a latency",
            "Give milliseconds above 0",
        )
        require(
            self.slowdown >= 1,
            "bounds.slowdown",
            f"{self.slowdown} would refuse a model as fast as the champion",
            "Give a ratio of 1 or more",
        )
        require(
            self.disagreement is None or self.disagreement > 0,
            "bounds.disagreement",
            f"{self.disagreement} would refuse every new model",
            "Give a difference above 0, or leave it out",
        )


def _share(name: str, value: float, *, at_least: float = 0.0, at_most: float = 1.0) -> None:
    require(
        value > 0 and at_least <= value <= at_most,
        name,
        f"{value} is not a share that SageMaker takes here",
        f"Give a number above 0, from {at_least:g} to {at_most:g}",
    )


def _duration(name: str, seconds: int) -> None:
    require(
        0 <= seconds <= 3600,
        name,
        f"{seconds} is outside SageMaker's 0 to 3,600 seconds",
        "Give whole seconds",
    )
