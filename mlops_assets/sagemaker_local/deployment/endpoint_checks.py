"""What requests to change an endpoint must not be, and what they come to.

Belongs here: rules of UpdateEndpoint and UpdateEndpointWeightsAndCapacities that no shape states.
Does not belong here: rules of configurations (models.py), carrying anything out (endpoints.py).
"""

from __future__ import annotations

from mlops_assets.sagemaker_local.deployment import deployment_plan
from mlops_assets.sagemaker_local.errors import invalid, over_limit, unsupported
from mlops_assets.sagemaker_local.fleet.fleet_spec import FleetSpec
from mlops_assets.sagemaker_local.monitoring.alarms import Alarms
from mlops_assets.sagemaker_local.store import Document


def plan_for(deployment: Document | None, target: FleetSpec) -> deployment_plan.Plan:
    """The deployment's plan; a share of several variants' instances is one of the smallest's."""
    return deployment_plan.plan(deployment, min(target.counts().values()))


def check_deployment(
    deployment: Document | None, serving: FleetSpec | None, target: FleetSpec, alarms: Alarms
) -> None:
    """Raise ValidationException for a DeploymentConfig that cannot be carried out."""
    plan = plan_for(deployment, target)
    for name in plan.alarms:
        if not alarms.exists(name):
            raise invalid(f"The alarm {name} of AutoRollbackConfiguration does not exist")
    if deployment is None or serving is None:
        return
    # "Exclusions" in the SageMaker AI Developer Guide's chapter on deployment guardrails.
    names, old = sorted(target.counts()), sorted(serving.counts())
    if names != old:
        raise invalid(
            f"With a DeploymentConfig the new configuration must have the old one's variant names, "
            f"{old}, not {names}"
        )
    if plan.rolling and len(names) > 1:
        raise invalid("RollingUpdatePolicy is not for endpoints of several variants")


def check_all_at_once(deployment: Document | None) -> None:
    """Raise ValidationException for anything else: two fleets serve after a failed rollback."""
    plan = deployment_plan.plan(deployment, 1)
    if plan.rolling or len(plan.steps) > 1:
        raise invalid("An endpoint in UpdateRollbackFailed can only be updated ALL_AT_ONCE")


def retained(request: Document, serving: FleetSpec | None, target: FleetSpec) -> FleetSpec:
    """The target with what RetainAllVariantProperties keeps of the serving fleet."""
    excluded = {
        item["VariantPropertyType"] for item in request.get("ExcludeRetainedVariantProperties", [])
    }
    if not request.get("RetainAllVariantProperties"):
        return target
    if serving is None:
        return target
    old = {variant.name: variant for variant in serving.variants}
    both = [variant.name for variant in target.variants if variant.name in old]
    weights = {} if "DesiredWeight" in excluded else {name: old[name].weight for name in both}
    counts = {} if "DesiredInstanceCount" in excluded else {n: old[n].instances for n in both}
    return target.changed(weights, counts)


def rescaled(serving: FleetSpec, request: Document, limit: int) -> FleetSpec:
    """The fleet that UpdateEndpointWeightsAndCapacities asks for."""
    known = serving.counts()
    weights: dict[str, float] = {}
    counts: dict[str, int] = {}
    for wanted in request["DesiredWeightsAndCapacities"]:
        name = wanted["VariantName"]
        if name not in known:
            raise invalid(f"Variant {name} not found in endpoint {serving.endpoint}.")
        serverless = any(v.name == name and v.serverless for v in serving.variants)
        if serverless and "DesiredInstanceCount" in wanted:
            raise invalid(f"Variant {name} is serverless: it has no DesiredInstanceCount")
        if "ServerlessUpdateConfig" in wanted:
            raise unsupported("ServerlessUpdateConfig", "give DesiredInstanceCount")
        if "DesiredWeight" in wanted:
            weights[name] = float(wanted["DesiredWeight"])
        if "DesiredInstanceCount" in wanted:
            counts[name] = wanted["DesiredInstanceCount"]
    result = serving.changed(weights, counts)
    if min(result.counts().values()) < 1:
        raise invalid("DesiredInstanceCount must be at least 1")
    if sum(result.counts().values()) > limit:
        raise over_limit(
            f"{sum(result.counts().values())} instances are more than the {limit} that the local "
            "SageMaker API runs for an endpoint"
        )
    if not sum(variant.weight for variant in result.variants) > 0:
        raise invalid("the DesiredWeight of all variants together must be more than 0")
    return result
