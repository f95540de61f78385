"""Application Auto Scaling: instance counts that really follow the traffic."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from botocore.exceptions import ClientError

from mlops_assets_tests.sagemaker_local.api import LocalApi, clean_environment, eventually
from mlops_assets_tests.sagemaker_local.load import Load

pytestmark = pytest.mark.integration
DIMENSION = "sagemaker:variant:DesiredInstanceCount"
METRIC = {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"}


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalApi]:
    with pytest.MonkeyPatch.context() as patch:
        clean_environment(patch)
        flags = ("--scaling-window", "4", "--scaling-pause", "0.3")
        server = LocalApi(tmp_path_factory.mktemp("scaling") / "sagemaker", *flags)
        yield server
        server.end()


def target(endpoint: str, variant: str = "AllTraffic") -> dict[str, str]:
    return {
        "ServiceNamespace": "sagemaker",
        "ResourceId": f"endpoint/{endpoint}/variant/{variant}",
        "ScalableDimension": DIMENSION,
    }


def tracking(goal: float, **changes) -> dict:
    """Requests a minute on each instance, without cooldowns."""
    settings = {"TargetValue": goal, "PredefinedMetricSpecification": METRIC}
    return {
        "PolicyName": "follow",
        "PolicyType": "TargetTrackingScaling",
        "TargetTrackingScalingPolicyConfiguration": settings
        | {"ScaleOutCooldown": 0, "ScaleInCooldown": 0}
        | changes,
    }


def scaled(api: LocalApi, endpoint: str, low: int, high: int, **policy) -> None:
    """An endpoint of one instance, registered and with a policy."""
    api.model(endpoint, "A")
    api.deploy(endpoint, endpoint)
    register(api, endpoint, low, high)
    scaling = api.client("application-autoscaling")
    scaling.put_scaling_policy(**target(endpoint), **tracking(**policy))


def register(api: LocalApi, endpoint: str, low: int, high: int, **more) -> None:
    scaling = api.client("application-autoscaling")
    scaling.register_scalable_target(**target(endpoint), MinCapacity=low, MaxCapacity=high, **more)


def instances(api: LocalApi, endpoint: str) -> int:
    (variant,) = api.described(endpoint)["ProductionVariants"]
    return variant["CurrentInstanceCount"]


def activities(api: LocalApi, endpoint: str) -> list[dict]:
    scaling = api.client("application-autoscaling")
    found = scaling.describe_scaling_activities(
        ServiceNamespace="sagemaker", ResourceId=target(endpoint)["ResourceId"]
    )
    return found["ScalingActivities"]


def test_instances_follow_the_traffic_up_and_down(api: LocalApi):
    """Autoscaling that only looks configured is found out in the first rush."""
    scaled(api, "rush", 1, 3, goal=1200)  # 20 requests a second on each
    with Load(api, "rush", rate=80) as load:
        eventually(lambda: instances(api, "rush") == 3)
    assert not load.seen.errors
    with Load(api, "rush", rate=5) as load:
        eventually(lambda: instances(api, "rush") == 1)
    assert not load.seen.errors, "scaling in lost requests"
    eventually(lambda: all(each["StatusCode"] == "Successful" for each in activities(api, "rush")))
    found = activities(api, "rush")
    assert found[-1]["Description"] in (
        "Setting desired instance count to 2.",
        "Setting desired instance count to 3.",
    )
    assert found[0]["Description"] == "Setting desired instance count to 1."
    assert "requests a minute on each of" in found[0]["Cause"]


def test_capacities_hold_without_any_traffic(api: LocalApi):
    """At least two instances means two from the start, not after the first requests."""
    api.model("floor", "A")
    api.deploy("floor", "floor")
    register(api, "floor", 2, 3)
    eventually(lambda: instances(api, "floor") == 2)
    register(api, "floor", 1, 1)
    eventually(lambda: instances(api, "floor") == 1)


def test_scale_in_can_be_switched_off(api: LocalApi):
    scaled(api, "kept", 1, 2, goal=600, DisableScaleIn=True)
    with Load(api, "kept", rate=40):
        eventually(lambda: instances(api, "kept") == 2)
    with Load(api, "kept", rate=2):
        scaling = api.client("application-autoscaling")
        looks = len(activities(api, "kept"))
        scaled(api, "beside", 1, 2, goal=600)  # other endpoints are looked at meanwhile
        with Load(api, "beside", rate=40):
            eventually(lambda: instances(api, "beside") == 2)
        with Load(api, "beside", rate=2):
            eventually(lambda: instances(api, "beside") == 1)
        assert instances(api, "kept") == 2
        assert len(activities(api, "kept")) == looks
    scaling.put_scaling_policy(**target("kept"), **tracking(600))
    with Load(api, "kept", rate=2):
        eventually(lambda: instances(api, "kept") == 1)


def test_what_is_registered_is_described_and_forgotten(api: LocalApi):
    scaled(api, "listed", 1, 2, goal=600)
    scaling = api.client("application-autoscaling")
    (found,) = scaling.describe_scalable_targets(
        ServiceNamespace="sagemaker", ResourceIds=[target("listed")["ResourceId"]]
    )["ScalableTargets"]
    assert (found["MinCapacity"], found["MaxCapacity"]) == (1, 2)
    assert found["RoleARN"]
    (policy,) = scaling.describe_scaling_policies(
        ServiceNamespace="sagemaker", ResourceId=target("listed")["ResourceId"]
    )["ScalingPolicies"]
    assert policy["PolicyName"] == "follow"
    again = scaling.put_scaling_policy(**target("listed"), **tracking(900))
    assert again["PolicyARN"] == policy["PolicyARN"]
    scaling.delete_scaling_policy(**target("listed"), PolicyName="follow")
    scaling.deregister_scalable_target(**target("listed"))
    with pytest.raises(scaling.exceptions.ObjectNotFoundException):
        scaling.deregister_scalable_target(**target("listed"))


def test_a_deleted_endpoint_is_forgotten(api: LocalApi):
    """A target that outlives its endpoint would scale the next one of that name by old rules."""
    scaled(api, "short-lived", 1, 2, goal=600)
    api.sm.delete_endpoint(EndpointName="short-lived")
    scaling = api.client("application-autoscaling")

    def gone():
        wanted = [target("short-lived")["ResourceId"]]
        found = scaling.describe_scalable_targets(ServiceNamespace="sagemaker", ResourceIds=wanted)
        return not found["ScalableTargets"]

    eventually(gone)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"ResourceId": "endpoint/none/variant/AllTraffic"}, "no variant AllTraffic in service"),
        ({"ResourceId": "service/x/y"}, "ResourceId must be"),
        ({"ServiceNamespace": "ecs"}, "NotImplemented.*namespace ecs"),
        (
            {"ScalableDimension": "sagemaker:variant:DesiredProvisionedConcurrency"},
            "NotImplemented.*DesiredProvisionedConcurrency",
        ),
        ({"MinCapacity": 0}, "scales no variant to 0"),
        ({"MinCapacity": 3}, "are no range"),
    ],
)
def test_wrong_targets_are_refused(api: LocalApi, changes, words):
    scaling = api.client("application-autoscaling")
    right = target("none") | {"MinCapacity": 1, "MaxCapacity": 2}
    if "none" not in changes.get("ResourceId", "none"):
        right["ResourceId"] = changes["ResourceId"]
    elif "ResourceId" not in changes:
        if not api.sm.list_endpoints(NameContains="steady")["Endpoints"]:
            api.model("steady", "A")
            api.deploy("steady", "steady")
        right["ResourceId"] = target("steady")["ResourceId"]
    with pytest.raises(ClientError, match=words):
        scaling.register_scalable_target(**right | changes)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"PolicyType": "StepScaling"}, "NotImplemented.*StepScaling policies"),
        ({"PolicyType": "PredictiveScaling"}, "NotImplemented.*PredictiveScaling"),
        (tracking(0.0), "TargetValue 0.0"),
        (
            tracking(
                5,
                PredefinedMetricSpecification={
                    "PredefinedMetricType": "ECSServiceAverageCPUUtilization"
                },
            ),
            "NotImplemented.*the metric ECSService",
        ),
        ({"ResourceId": "endpoint/none/variant/AllTraffic"}, "No scalable target registered"),
    ],
)
def test_policies_that_are_not_executed_are_refused(api: LocalApi, changes, words):
    """A step policy that is stored and never acted on would be a lie."""
    if not api.sm.list_endpoints(NameContains="ruled")["Endpoints"]:
        scaled(api, "ruled", 1, 2, goal=600)
    scaling = api.client("application-autoscaling")
    with pytest.raises(ClientError, match=words):
        scaling.put_scaling_policy(**target("ruled") | tracking(600) | changes)
