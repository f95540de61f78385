"""A change under way, seen to: its stages told, probes sent, wrong answers reported.

Here: what happens at each poll. Not here: what follows when an alarm trips (SageMaker's part, and
rollout.py's).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mlops_assets.resources.sagemaker.errors import patiently
from mlops_assets.resources.sagemaker.hosting.endpoint_spec import SHADOW
from mlops_assets.resources.sagemaker.rollout import alarms
from mlops_assets.resources.sagemaker.rollout.probe import Prober
from mlops_assets.resources.sagemaker.rollout.rollout_outcome import HeldOut
from mlops_assets.resources.sagemaker.rollout.rollout_plan import Change
from mlops_assets.resources.sagemaker.session import SageMakerResource

OnStep = Callable[[str], None]


class Watcher:
    """Sees to a change under way: tells its stages, sends probes, reports wrong answers."""

    def __init__(
        self,
        sagemaker: SageMakerResource,
        endpoint: str,
        change: Change,
        held_out: HeldOut,
        say: OnStep,
    ) -> None:
        self._sagemaker = sagemaker
        self._endpoint = endpoint
        self._change = change
        self._prober = Prober(sagemaker.runtime(), endpoint, held_out.rows)
        self._say = say
        self._stage = ""

    @property
    def problem(self) -> str:
        return self._prober.problem

    def poll(self, found: Mapping[str, Any]) -> None:
        stage = _stage(found)
        if stage != self._stage:
            self._stage = stage
            self._say(stage)
        self.probe()

    def probe(self) -> None:
        """The champion answered these rows before: a wrong answer now is the challenger's."""
        wrong = self._prober.tick()
        if wrong and self._change.judged != SHADOW:
            request = alarms.wrong_answers_request(
                self._endpoint, self._change.config_name, self._change.judged, wrong
            )
            patiently(lambda: self._sagemaker.cloudwatch().put_metric_data(**request))
            self._say(f"{wrong} probes were answered wrongly: {self._prober.problem}")


def _stage(found: Mapping[str, Any]) -> str:
    """What an endpoint is doing, in words."""
    pending = found.get("PendingDeploymentSummary") or {}
    parts = [
        " ".join(filter(None, (status["Status"], status.get("StatusMessage"))))
        for variant in pending.get("ProductionVariants", [])
        for status in variant.get("VariantStatus", [])
    ]
    return ": ".join([found["EndpointStatus"], *parts[:1]])
