"""What goes into a rollout's verdict, and what comes out of a rollout.

Here: the values. Not here: how they come about (rollout.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlops_assets.resources.sagemaker.hosting.endpoint_watch import DeploymentFailed
from mlops_assets.resources.sagemaker.rollout.probe import Asked
from mlops_assets.resources.sagemaker.rollout.rollout_plan import Plan
from mlops_assets.resources.sagemaker.rollout.rollout_verdict import Expected, Verdict


@dataclass(frozen=True)
class HeldOut:
    """Rows that the challenger is asked, and what it promised on them.

    Args:
        rows: as an endpoint takes them; ``expected.truth`` has their labels.
        scale, unit: how disagreement is measured: probabilities, or standard deviations.
    """

    rows: Sequence[Mapping[str, Any]]
    expected: Expected
    scale: float = 1.0
    unit: str = "in probability"


@dataclass(frozen=True)
class Outcome:
    """How a rollout ended.

    Args:
        before, after: the held-out rows as the champion and as the challenger answered them.
        previous_config: what served before, and serves again where the rollout failed.
        steps: (seconds since the start, what happened).
        seconds: from the first question to the last.
    """

    plan: Plan
    verdict: Verdict
    before: Asked | None
    after: Asked | None
    previous_config: str | None
    steps: tuple[tuple[float, str], ...]
    seconds: float


class RolloutFailed(DeploymentFailed):
    """The challenger was not promoted, or was taken back; ``outcome`` says why."""

    def __init__(self, message: str, serving: str | None, outcome: Outcome) -> None:
        super().__init__(message, serving)
        self.outcome = outcome
