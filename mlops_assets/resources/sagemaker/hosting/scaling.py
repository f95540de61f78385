"""Autoscaling of the live variant: between how many instances, at how many requests a minute each.

Here: the two requests, and carrying them out or taking them back. Not here: when a fleet changes.
"""

from __future__ import annotations

from typing import Any

from mlops_assets.resources.sagemaker.errors import patiently
from mlops_assets.resources.sagemaker.hosting.endpoint_spec import LIVE
from mlops_assets.serving import Autoscaling

_DIMENSION = "sagemaker:variant:DesiredInstanceCount"


def _target(endpoint: str) -> dict[str, str]:
    return {
        "ServiceNamespace": "sagemaker",
        "ResourceId": f"endpoint/{endpoint}/variant/{LIVE}",
        "ScalableDimension": _DIMENSION,
    }


def target_request(endpoint: str, scaling: Autoscaling) -> dict[str, Any]:
    """``RegisterScalableTarget``'s parameters."""
    return {
        **_target(endpoint),
        "MinCapacity": scaling.at_least,
        "MaxCapacity": scaling.at_most,
    }


def policy_request(endpoint: str, scaling: Autoscaling) -> dict[str, Any]:
    """``PutScalingPolicy``'s parameters: follow the requests a minute on each instance."""
    return {
        **_target(endpoint),
        "PolicyName": f"mlops-{endpoint}-requests",
        "PolicyType": "TargetTrackingScaling",
        "TargetTrackingScalingPolicyConfiguration": {
            "TargetValue": float(scaling.requests_per_minute),
            "PredefinedMetricSpecification": {
                "PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"
            },
            # Out at once, in slowly: what is missing hurts callers, what is too much only costs.
            "ScaleOutCooldown": 60,
            "ScaleInCooldown": 300,
        },
    }


def ensure_scaling(client: Any, endpoint: str, scaling: Autoscaling | None) -> None:
    """Register what is declared, or take back what was, where nothing is declared any more."""
    if scaling is not None:
        patiently(lambda: client.register_scalable_target(**target_request(endpoint, scaling)))
        patiently(lambda: client.put_scaling_policy(**policy_request(endpoint, scaling)))
        return
    found = patiently(
        lambda: client.describe_scalable_targets(
            ServiceNamespace="sagemaker",
            ResourceIds=[_target(endpoint)["ResourceId"]],
            ScalableDimension=_DIMENSION,
        )
    )
    if found["ScalableTargets"]:
        patiently(lambda: client.deregister_scalable_target(**_target(endpoint)))
