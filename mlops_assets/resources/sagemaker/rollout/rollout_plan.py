"""What a rollout will do, before it does it: the requests, in order, and the words for them.

Here: pure functions from what is declared and what serves now to a plan, which is shown first and
then carried out to the letter. Not here: carrying it out (rollout.py), whether it went well
(rollout_verdict.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlops_assets.resources.sagemaker.hosting.endpoint_spec import (
    CHALLENGER,
    LIVE,
    SHADOW,
    EndpointSpec,
    config_request,
)
from mlops_assets.resources.sagemaker.rollout.alarms import alarm_requests
from mlops_assets.resources.sagemaker.rollout.deployment_request import (
    guarded,
    update_request,
)
from mlops_assets.rollouts import ABTest, AllAtOnce, Rollout, Shadow


@dataclass(frozen=True)
class Serving:
    """What serves now: DescribeEndpoint, and DescribeEndpointConfig of its configuration."""

    endpoint: Mapping[str, Any]
    config: Mapping[str, Any] | None

    @property
    def config_name(self) -> str:
        return str(self.endpoint["EndpointConfigName"])

    @property
    def live_model(self) -> str | None:
        """The model behind the variant that answers: the champion's."""
        return variants(self.config).get(LIVE)


def variants(config: Mapping[str, Any] | None) -> dict[str, str]:
    """{production variant: model} of a configuration."""
    found = (config or {}).get("ProductionVariants", [])
    return {variant["VariantName"]: variant["ModelName"] for variant in found}


@dataclass(frozen=True)
class Change:
    """One configuration takes over from another (or is the first).

    Args:
        model, config: CreateModel's and CreateEndpointConfig's parameters.
        alarms: PutMetricAlarm's parameters.
        action: how it takes over; none: it serves already.
        request: the action's parameters.
        judged: the variant that is on trial.
        watch_s: seconds that it is watched for once it stands, before the next change.
        why: the change in words.
    """

    model: Mapping[str, Any]
    config: Mapping[str, Any]
    alarms: tuple[Mapping[str, Any], ...]
    action: str
    request: Mapping[str, Any]
    judged: str
    watch_s: int
    why: str

    @property
    def config_name(self) -> str:
        return str(self.config["EndpointConfigName"])

    @property
    def alarm_names(self) -> tuple[str, ...]:
        return tuple(alarm["AlarmName"] for alarm in self.alarms)

    def calls(self) -> list[tuple[str, Mapping[str, Any]]]:
        """Every request of the change, in order: (operation, parameters)."""
        calls: list[tuple[str, Mapping[str, Any]]] = [
            ("CreateModel", self.model),
            ("CreateEndpointConfig", self.config),
        ]
        calls += [("PutMetricAlarm", alarm) for alarm in self.alarms]
        return calls + ([(self.action, self.request)] if self.action else [])


@dataclass(frozen=True)
class Plan:
    """A rollout: its changes in order, and the configuration that the endpoint goes back to (None
    where nothing is changed, or nothing serves)."""

    endpoint: str
    package_arn: str
    rollout: Rollout
    changes: tuple[Change, ...]
    previous_config: str | None

    @property
    def changed(self) -> bool:
        return any(change.action for change in self.changes)

    @property
    def trial(self) -> bool:
        """Whether the champion goes on answering beside the challenger when all is done."""
        return self.changes[-1].judged == CHALLENGER

    def lines(self) -> list[str]:
        """The plan in words, one step a line."""
        package = self.package_arn.rpartition("model-package/")[2]
        if not self.changed:
            return [f"{self.endpoint} serves {package}, as before: nothing is to be done"]
        told = [f"{self.endpoint}: {package} by {describe(self.rollout)}"]
        told += [change.why for change in self.changes if change.action]
        if self.previous_config:
            told.append(f"on any failure {self.previous_config} serves on, or again")
        return [f"{n}. {line}" if n else line for n, line in enumerate(told)]


def make_plan(
    spec: EndpointSpec, now: Serving | None, *, champion_p99_ms: float | None = None
) -> Plan:
    """The plan that brings ``spec`` to the endpoint from what serves now (None: nothing does).

    Args:
        champion_p99_ms: what the challenger's latency is measured against, where it is known.
    """
    rollout = spec.declared.rollout
    champion = now.live_model if now else None
    model = spec.model()
    challenger = str(model["ModelName"])
    single = config_request(spec, challenger)
    if champion in (None, challenger) or not isinstance(rollout, Shadow | ABTest):
        swaps = [(single, rollout, LIVE, 0)]
    elif isinstance(rollout, ABTest):
        both = config_request(spec, champion, challenger=(challenger, rollout.share))
        swaps = [(both, AllAtOnce(), CHALLENGER, 0)]
    else:
        watched = config_request(spec, champion, shadow=(challenger, rollout.share))
        swaps = [(watched, AllAtOnce(), SHADOW, rollout.bake_s), (single, AllAtOnce(), LIVE, 0)]
    changes, previous = [], now
    for config, policy, judged, watch_s in swaps:
        changes.append(_change(spec, model, config, policy, judged, watch_s, now, champion_p99_ms))
        if now is not None and changes[-1].action:
            # What the next change starts from: this one's outcome.
            now = Serving({"EndpointConfigName": config["EndpointConfigName"]}, config)
    return Plan(
        spec.name,
        spec.package_arn,
        rollout,
        tuple(changes),
        previous.config_name if previous and any(c.action for c in changes) else None,
    )


def _change(
    spec: EndpointSpec,
    model: Mapping[str, Any],
    config: Mapping[str, Any],
    rollout: Rollout,
    judged: str,
    watch_s: int,
    now: Serving | None,
    champion_p99_ms: float | None,
) -> Change:
    name = str(config["EndpointConfigName"])
    alarms = tuple(
        alarm_requests(
            spec.name,
            name,
            spec.declared.bounds,
            variant=judged,
            period_s=spec.placement.alarm_period_s,
            champion_p99_ms=champion_p99_ms,
            topic_arn=spec.placement.alert_topic_arn,
        )
    )
    if now is None:
        request = {
            "EndpointName": spec.name,
            "EndpointConfigName": name,
            "Tags": spec.all_tags(),
        }
        why = f"create the endpoint with {name}: nothing serves yet to go back to"
        return Change(model, config, alarms, "CreateEndpoint", request, judged, 0, why)
    if now.config_name == name and now.endpoint.get("EndpointStatus", "InService") == "InService":
        return Change(model, config, alarms, "", {}, judged, watch_s, "it serves already")
    watched = guarded(spec, config, now.config)
    request = update_request(
        spec,
        config,
        rollout=rollout,
        endpoint=now.endpoint,
        serving=now.config,
        alarms=[alarm["AlarmName"] for alarm in alarms] if watched else (),
    )
    return Change(
        model,
        config,
        alarms,
        "UpdateEndpoint",
        request,
        judged,
        watch_s,
        _why(name, rollout if watched else None, judged, watch_s, len(alarms)),
    )


def describe(rollout: Rollout) -> str:
    """A policy in words.

    >>> from mlops_assets.rollouts import Canary
    >>> describe(Canary(share=0.1, bake_s=300))
    'canary: 10 % of the traffic for 300 s, then all of it'
    """
    bake, share = getattr(rollout, "bake_s", 0), getattr(rollout, "share", 1.0)
    match type(rollout).__name__:
        case "Canary":
            return f"canary: {100 * share:g} % of the traffic for {bake} s, then all of it"
        case "Linear":
            return f"linear: {100 * share:g} % more of the traffic each {bake} s"
        case "Rolling":
            return f"rolling: {100 * share:g} % of the instances at a time, {bake} s between"
        case "Shadow":
            return f"shadow: a copy of {100 * share:g} % of the requests for {bake} s, then all"
        case "ABTest":
            return f"A/B test: {100 * share:g} % of the callers, until a person ends it"
    return f"all at once, watched for {bake} s" if bake else "all at once"


def _why(name: str, rollout: Rollout | None, judged: str, watch_s: int, alarms: int) -> str:
    if judged == SHADOW:
        return (
            f"{name} puts the challenger in the champion's shadow and watches it for {watch_s} s; "
            f"its answers are compared, never returned"
        )
    if judged == CHALLENGER:
        return f"{name} lets the challenger answer its callers beside the champion"
    if rollout is None:
        return f"{name} takes all traffic at once (SageMaker takes no policy here)"
    return f"{name} takes over by {describe(rollout)}; any of {alarms} alarms rolls it back"
