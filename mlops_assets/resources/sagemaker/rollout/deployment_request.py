"""How one configuration takes over from another: pure functions from a rollout's declaration.

Here: ``DeploymentConfig`` of each policy, within SageMaker's limits, and the update itself. Not
here: configurations (endpoint_spec.py), who decides that a rollout went well (rollout_verdict.py).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from mlops_assets.resources.sagemaker.hosting.endpoint_spec import EndpointSpec
from mlops_assets.rollouts import AllAtOnce, Canary, Linear, Rolling, Rollout

# What SageMaker may take to start a fleet and to drain one, beside the declared waiting.
_STARTS_WITHIN_S = 1800
_SHORTEST_S, _LONGEST_S = 600, 28_800


def deployment_config(rollout: Rollout, alarms: Sequence[str] = ()) -> dict[str, Any]:
    """``DeploymentConfig`` of UpdateEndpoint: the policy, and the alarms that roll it back.

    The last step of a shadow or an A/B test is the swap of a whole fleet, at once.
    """
    limit = longest_s(rollout)
    request: dict[str, Any]
    if isinstance(rollout, Rolling):
        batch = _percent(rollout.share)
        request = {
            "RollingUpdatePolicy": {
                "MaximumBatchSize": batch,
                "WaitIntervalInSeconds": rollout.bake_s,
                "MaximumExecutionTimeoutInSeconds": limit,
                "RollbackMaximumBatchSize": {"Type": "CAPACITY_PERCENT", "Value": 100},
            }
        }
    else:
        # All at once has no step to wait after: SageMaker watches it while the old fleet still
        # stands. The documentation names both times for it, so both are given.
        after = rollout.bake_s if isinstance(rollout, AllAtOnce) else 0
        request = {
            "BlueGreenUpdatePolicy": {
                "TrafficRoutingConfiguration": _routing(rollout),
                "TerminationWaitInSeconds": after,
                "MaximumExecutionTimeoutInSeconds": limit,
            }
        }
    if alarms:
        request["AutoRollbackConfiguration"] = {"Alarms": [{"AlarmName": a} for a in alarms]}
    return request


def steps(rollout: Rollout) -> int:
    """In how many steps the traffic moves."""
    if isinstance(rollout, Linear | Rolling):
        return math.ceil(round(1 / rollout.share, 6))
    return 2 if isinstance(rollout, Canary) else 1


def longest_s(rollout: Rollout) -> int:
    """When SageMaker gives an update up and rolls it back, in seconds.

    Raises:
        ValueError: the declared waits alone take longer than SageMaker allows.
    """
    waits = (steps(rollout) + 1) * getattr(rollout, "bake_s", 0)
    if waits + _STARTS_WITHIN_S > _LONGEST_S:
        raise ValueError(
            f"rollout: {steps(rollout)} steps with bake_s={getattr(rollout, 'bake_s', 0)} take "
            f"longer than SageMaker's {_LONGEST_S:,} s. Give larger shares or shorter bakes"
        )
    return max(_SHORTEST_S, waits + _STARTS_WITHIN_S)


def _routing(rollout: Rollout) -> dict[str, Any]:
    if isinstance(rollout, Canary):
        return {
            "Type": "CANARY",
            "WaitIntervalInSeconds": rollout.bake_s,
            "CanarySize": _percent(rollout.share),
        }
    if isinstance(rollout, Linear):
        return {
            "Type": "LINEAR",
            "WaitIntervalInSeconds": rollout.bake_s,
            "LinearStepSize": _percent(rollout.share),
        }
    wait = rollout.bake_s if isinstance(rollout, AllAtOnce) else 0
    return {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": wait}


def _percent(share: float) -> dict[str, Any]:
    # Whole percents: a declared share is never rounded down to nothing.
    return {"Type": "CAPACITY_PERCENT", "Value": max(1, round(100 * share))}


def update_request(
    spec: EndpointSpec,
    config: Mapping[str, Any],
    *,
    rollout: Rollout,
    endpoint: Mapping[str, Any],
    serving: Mapping[str, Any] | None,
    alarms: Sequence[str] = (),
) -> dict[str, Any]:
    """``UpdateEndpoint``'s parameters, from the descriptions of what serves now.

    An update resets counts to the configuration's: where autoscaling has moved the count since, it
    is retained, unless the declaration changed its own. Guardrails (a policy, alarms) are refused
    by SageMaker where the variants' names change, as at the ends of a shadow or an A/B test, and
    for serverless endpoints: there SageMaker swaps at once.

    Args:
        config: CreateEndpointConfig's parameters of what is to serve.
        endpoint, serving: DescribeEndpoint and DescribeEndpointConfig of what serves.
    """
    request: dict[str, Any] = {
        "EndpointName": spec.name,
        "EndpointConfigName": config["EndpointConfigName"],
    }
    now = (serving or {}).get("ProductionVariants", [])
    if guarded(spec, config, serving):
        request["DeploymentConfig"] = deployment_config(rollout, alarms)
    declared = [variant.get("InitialInstanceCount") for variant in now]
    desired = [v.get("DesiredInstanceCount") for v in endpoint.get("ProductionVariants", [])]
    if declared == [spec.declared.instance_count] and desired not in ([], [None], declared):
        request["RetainAllVariantProperties"] = True
        request["ExcludeRetainedVariantProperties"] = [
            {"VariantPropertyType": "DataCaptureConfig"},
            {"VariantPropertyType": "DesiredWeight"},
        ]
    return request


def guarded(
    spec: EndpointSpec, config: Mapping[str, Any], serving: Mapping[str, Any] | None
) -> bool:
    """Whether SageMaker takes a policy and alarms for this change."""
    return spec.declared.serverless is None and (
        serving is None or variant_names(config) == variant_names(serving)
    )


def variant_names(config: Mapping[str, Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names of the production variants and of the shadows of a configuration."""
    production, shadows = (
        tuple(sorted(variant["VariantName"] for variant in config.get(kind) or []))
        for kind in ("ProductionVariants", "ShadowProductionVariants")
    )
    return production, shadows
