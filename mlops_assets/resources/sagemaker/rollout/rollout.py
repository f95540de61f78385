"""A rollout: planned, carried out while it is watched, judged, and taken back where it failed.

Here: the order of things. Not here: what is sent (rollout_plan.py), what counts as right
(rollout_verdict.py), which package is worth a rollout (the assets).

The champion serves until the challenger is proven: by SageMaker's own policy and alarms while
traffic moves, by held-out rows sent as probes meanwhile, and by the verdict at the end, which takes
the challenger back by the same path.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from mlops_assets.resources.sagemaker.hosting.endpoint_spec import LIVE, SHADOW, EndpointSpec
from mlops_assets.resources.sagemaker.hosting.endpoints import (
    DeploymentFailed,
    carry_out,
    go_back,
    require_approved,
    serving_now,
)
from mlops_assets.resources.sagemaker.hosting.scaling import ensure_scaling, target_request
from mlops_assets.resources.sagemaker.rollout import alarms, captured, rollout_verdict
from mlops_assets.resources.sagemaker.rollout.deployment_request import longest_s
from mlops_assets.resources.sagemaker.rollout.probe import Asked, ask
from mlops_assets.resources.sagemaker.rollout.rollout_outcome import HeldOut, Outcome, RolloutFailed
from mlops_assets.resources.sagemaker.rollout.rollout_plan import Change, Plan, make_plan
from mlops_assets.resources.sagemaker.rollout.rollout_verdict import Line, Verdict
from mlops_assets.resources.sagemaker.rollout.rollout_watch import OnStep, Watcher
from mlops_assets.resources.sagemaker.rollout.traffic import counted
from mlops_assets.resources.sagemaker.session import SageMakerResource

if TYPE_CHECKING:
    from mlops_assets.objects import Objects

_LATENCY_ROUNDS = 3
_CAPTURED_WITHIN_S = 30


def roll_out(
    sagemaker: SageMakerResource,
    spec: EndpointSpec,
    held_out: HeldOut,
    *,
    on_step: OnStep = lambda _: None,
    on_plan: Callable[[Plan], None] = lambda _: None,
    previous_config: str | None = None,
    objects: Objects | None = None,
    poll_s: float = 1.0,
) -> Outcome:
    """Bring a package to its endpoint by the declared policy, and see that it is right there.

    Interrupted anywhere, it converges when called again.

    Args:
        on_step: told each step as it happens.
        on_plan: told the plan before anything is changed.
        previous_config: what served before a rollout that was interrupted after its last change.
        objects: where captures are read, so that a shadow's answers can be compared.

    Raises:
        NotApproved: nothing was touched.
        RolloutFailed: the champion serves, or serves again; with the verdict.
        DeploymentFailed: the endpoint is in no state to be judged; the message says which.
    """
    rollout = _Rollout(sagemaker, spec, held_out, on_step, objects, poll_s)
    return rollout.run(on_plan, previous_config)


class _Rollout:
    def __init__(
        self,
        sagemaker: SageMakerResource,
        spec: EndpointSpec,
        held_out: HeldOut,
        on_step: OnStep,
        objects: Objects | None,
        poll_s: float,
    ) -> None:
        self._sagemaker = sagemaker
        self._objects = objects
        self._client = sagemaker.client()
        self._spec = spec
        self._held_out = held_out
        self._on_step = on_step
        self._poll_s = poll_s
        self._started = time.monotonic()
        self._since = dt.datetime.now(dt.UTC)
        self._steps: list[tuple[float, str]] = []
        self._before: Asked | None = None
        self._back: str | None = None

    def run(self, on_plan: Callable[[Plan], None], previous_config: str | None) -> Outcome:
        require_approved(self._client, self._spec)
        if (scaling := self._spec.declared.autoscaling) is not None:
            # Asked for last, when the new model serves already.
            request = target_request(self._spec.name, scaling)
            self._sagemaker.require_allowed("RegisterScalableTarget", request)
        now = serving_now(self._client, self._spec.name, poll_s=self._poll_s)
        plan = make_plan(self._spec, now)
        if now is not None and plan.changed:
            self._before = self._ask(LIVE if len(_names(now.config)) > 1 else None)
            self._say(f"the champion answered {self._before.asked} requests{_p99(self._before)}")
            plan = make_plan(self._spec, now, champion_p99_ms=self._before.p99_ms)
        for line in plan.lines():
            self._say(line)
        self._back = plan.previous_config if plan.changed else previous_config
        on_plan(plan)
        for change in plan.changes:
            self._carry_out(plan, change)
        last = plan.changes[-1]
        verdict, after = self._judge(last, target=last.judged if plan.trial else None)
        if not verdict.passed:
            raise self._take_back(plan, verdict, after)
        ensure_scaling(self._sagemaker.autoscaling(), self._spec.name, scaling)
        alarms.take_down(
            self._sagemaker.cloudwatch(), self._spec.name, except_config=last.config_name
        )
        self._say("every bound is kept" if plan.changed else "it answers as it should")
        return self._outcome(plan, verdict, after)

    def _carry_out(self, plan: Plan, change: Change) -> None:
        """One change, watched by alarms and probes; what failed has been taken back."""
        watched = change.action == "UpdateEndpoint"
        watcher = Watcher(self._sagemaker, self._spec.name, change, self._held_out, self._say)
        if change.action:
            self._say(f"{change.action} {change.config_name}")
        if change.action or change.watch_s:
            # They stay with what serves, once it does.
            alarms.put(self._sagemaker.cloudwatch(), change.alarms)
        try:
            carry_out(
                self._client,
                self._spec.name,
                change,
                timeout_s=longest_s(plan.rollout) + 600,
                poll_s=self._poll_s,
                on_poll=watcher.poll if watched else None,
            )
        except DeploymentFailed as error:
            raise self._failed(plan, change, error, watcher) from error
        self._say(f"{change.config_name} is in service")
        if change.watch_s:
            self._in_shadow(plan, change, watcher)

    def _in_shadow(self, plan: Plan, change: Change, watcher: Watcher) -> None:
        """Watch a shadow for its time; SageMaker's guardrails do not know shadows."""
        until = time.monotonic() + change.watch_s
        while (left := until - time.monotonic()) > 0:
            watcher.probe()
            if found := self._tripped(change):
                lines = rollout_verdict.alarm_lines(found)
                raise self._take_back(plan, Verdict(lines), None)
            time.sleep(min(self._poll_s, left))
        bounds = self._spec.declared.bounds
        lines = (rollout_verdict.errors(bounds, self._traffic(change), None), self._shadow_apart())
        for line in lines:
            self._say(f"in the shadow, {line.name}: {line.figure}")
        if not Verdict(lines).passed:
            raise self._take_back(plan, Verdict(lines), None)

    def _shadow_apart(self) -> Line:
        """How far the shadow's captured answers are from the champion's to the same probes."""
        bounds, held_out = self._spec.declared.bounds, self._held_out
        uri, value, rows = self._spec.captures_to(shared=True), float("nan"), 0
        until = time.monotonic() + _CAPTURED_WITHIN_S
        while uri and self._objects is not None and not rows and time.monotonic() < until:
            time.sleep(self._poll_s)  # captures are written some time after their requests
            one, other = (
                captured.answers(self._objects, uri, self._spec.name, variant, self._since)
                for variant in (LIVE, SHADOW)
            )
            value, rows = captured.difference(one, other)
        return rollout_verdict.apart(bounds, value, rows, held_out.scale, held_out.unit)

    def _failed(
        self, plan: Plan, change: Change, error: DeploymentFailed, watcher: Watcher
    ) -> DeploymentFailed:
        """An update that did not get there: which alarm tripped, and what serves."""
        found = self._tripped(change)
        lines = (
            rollout_verdict.health(str(error)),
            *rollout_verdict.alarm_lines(found),
            *(
                [Line("errors", watcher.problem, "no wrong answer", "failed")]
                * bool(watcher.problem)
            ),
        )
        said = "".join(f"; alarm {name}: {reason}" for name, reason in found)
        self._say(f"{error}{said}")
        alarms.take_down(self._sagemaker.cloudwatch(), self._spec.name, except_config=error.serving)
        return RolloutFailed(
            f"{error}{said}", error.serving, self._outcome(plan, Verdict(lines), None)
        )

    def _take_back(self, plan: Plan, verdict: Verdict, after: Asked | None) -> DeploymentFailed:
        """The challenger serves and is not right: what served before serves again."""
        found, back = verdict.failures(), self._back
        if back is None:
            message = f"endpoint {self._spec.name}: {found}. Nothing served before it to go back to"
            serving = plan.changes[-1].config_name
        else:
            self._say(f"{found}: going back to {back}")
            go_back(self._client, self._spec.name, back, poll_s=self._poll_s)
            message = f"endpoint {self._spec.name} serves {back} again: {found}"
            serving = back
            alarms.take_down(self._sagemaker.cloudwatch(), self._spec.name, except_config=back)
        self._say(message)
        return RolloutFailed(message, serving, self._outcome(plan, verdict, after))

    def _judge(self, change: Change, target: str | None) -> tuple[Verdict, Asked]:
        bounds = self._spec.declared.bounds
        after = self._ask(target)
        latency = rollout_verdict.latency(bounds, self._before, after)
        for _ in range(_LATENCY_ROUNDS - 1):
            # A pause of the machine is no property of the model; a slow model is slow again.
            if latency.status != "failed":
                break
            after = self._ask(target)
            latency = rollout_verdict.latency(bounds, self._before, after)
        held_out = self._held_out
        lines = (
            rollout_verdict.health(_problem(after)),
            rollout_verdict.errors(bounds, self._traffic(change), after),
            latency,
            rollout_verdict.agreement(bounds, self._before, after, held_out.scale, held_out.unit),
            rollout_verdict.quality(held_out.expected, after),
            rollout_verdict.late_labels(),
        )
        return Verdict(lines), after

    def _ask(self, variant: str | None) -> Asked:
        return ask(self._sagemaker.runtime(), self._spec.name, self._held_out.rows, variant=variant)

    def _traffic(self, change: Change) -> rollout_verdict.Traffic | None:
        return counted(
            self._sagemaker.cloudwatch(),
            self._spec.name,
            change.config_name,
            change.judged,
            self._since,
        )

    def _tripped(self, change: Change) -> list[tuple[str, str]]:
        found = alarms.tripped(self._sagemaker.cloudwatch(), change.alarm_names)
        return [(alarm.name, alarm.reason) for alarm in found]

    def _say(self, text: str) -> None:
        self._steps.append((round(time.monotonic() - self._started, 1), text))
        self._on_step(text)

    def _outcome(self, plan: Plan, verdict: Verdict, after: Asked | None) -> Outcome:
        seconds = time.monotonic() - self._started
        steps = tuple(self._steps)
        return Outcome(plan, verdict, self._before, after, self._back, steps, seconds)


def _names(config: Mapping[str, Any] | None) -> list[str]:
    return [variant["VariantName"] for variant in (config or {}).get("ProductionVariants", [])]


def _problem(after: Asked) -> str:
    if after.wrong or (after.asked and not after.answered):
        return after.problem or "no probe was answered"
    return ""


def _p99(asked: Asked) -> str:
    if asked.wrong:
        return f", {asked.wrong} of them wrongly: {asked.problem}"
    return f", p99 {asked.p99_ms:.1f} ms" if asked.p99_ms is not None else ""


__all__ = ["HeldOut", "Outcome", "RolloutFailed", "roll_out"]
