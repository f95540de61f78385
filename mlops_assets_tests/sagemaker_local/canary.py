"""Canary deployments as the tests ask for them."""

from __future__ import annotations

from mlops_assets_tests.sagemaker_local.api import LocalApi, eventually


def canary(percent: int, wait: int, *alarms: str) -> dict:
    routing = {
        "Type": "CANARY",
        "WaitIntervalInSeconds": wait,
        "CanarySize": {"Type": "CAPACITY_PERCENT", "Value": percent},
    }
    policy = {"BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": routing}}
    names = {"Alarms": [{"AlarmName": name} for name in alarms]}
    return policy | ({"AutoRollbackConfiguration": names} if alarms else {})


def baking(api: LocalApi, endpoint: str) -> dict:
    """The pending deployment, once the new fleet is watched."""

    def found():
        pending = api.described(endpoint).get("PendingDeploymentSummary")
        if pending is None:
            return None
        status = pending["ProductionVariants"][0]["VariantStatus"][0]["Status"]
        return pending if status == "Baking" else None

    return eventually(found)
