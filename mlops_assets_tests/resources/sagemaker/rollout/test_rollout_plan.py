"""Each policy's plan: requests that the services take, the same in both worlds, as recorded.

``plans/<case>.json`` holds what is sent in AWS; write them anew with TESTS_RECORD_PLANS=1.
"""

import dataclasses
import functools
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.validate import ParamValidator

from mlops_assets.resources.sagemaker.hosting.endpoint_spec import EndpointSpec, config_request
from mlops_assets.resources.sagemaker.hosting.scaling import policy_request, target_request
from mlops_assets.resources.sagemaker.requests import Placement
from mlops_assets.resources.sagemaker.rollout.deployment_request import deployment_config
from mlops_assets.resources.sagemaker.rollout.rollout_plan import Plan, Serving, make_plan
from mlops_assets.rollouts import (
    ABTest,
    AllAtOnce,
    Bounds,
    Canary,
    Linear,
    Rolling,
    Rollout,
    Shadow,
)
from mlops_assets.sagemaker_local import shapes
from mlops_assets.serving import Asynchronous, Autoscaling, Endpoint, Serverless
from mlops_assets_tests.resources.sagemaker.test_sagemaker_requests import AWS, PACKAGE

PLANS = Path(__file__).parent / "plans"
LOCAL = Placement()
OLDER = PACKAGE.replace("/1", "/0")
CASES: dict[str, Endpoint] = {
    "all_at_once": Endpoint(rollout=AllAtOnce(bake_s=60)),
    "canary": Endpoint(rollout=Canary(share=0.1, bake_s=300), capture_share=0.2),
    "linear": Endpoint(rollout=Linear(share=0.25, bake_s=120)),
    "rolling": Endpoint(rollout=Rolling(share=0.25, bake_s=120), instance_count=4),
    "shadow": Endpoint(rollout=Shadow(share=0.5, bake_s=300)),
    "ab_test": Endpoint(rollout=ABTest(share=0.3)),
    "serverless": Endpoint(serverless=Serverless(memory_mb=3072, max_concurrency=10)),
    "asynchronous": Endpoint(asynchronous=Asynchronous(max_concurrency=2)),
    "bounded": Endpoint(rollout=Canary(), bounds=Bounds(p99_ms=80.0, server_errors=0.001)),
}
SERVICES = {"PutMetricAlarm": "cloudwatch"}


@functools.cache
def service(name: str) -> Any:
    return botocore.session.get_session().get_service_model(name)


def accepted(operation: str, request: dict[str, Any]) -> dict[str, Any]:
    """The request, if botocore and (for SageMaker) the lengths, patterns and enums take it."""
    name = SERVICES.get(operation, "sagemaker")
    shape = service(name).operation_model(operation).input_shape
    report = ParamValidator().validate(request, shape)
    assert not report.has_errors(), report.generate_report()
    if name == "sagemaker":
        shapes.check(shape, json.loads(json.dumps(request)))
    return request


def spec(declared: Endpoint, placement: Placement = AWS, **changes: Any) -> EndpointSpec:
    if declared.serverless:  # SageMaker runs none in a VPC
        placement = replace(placement, subnets=(), security_groups=())
    fields = {
        "name": "flight-delays",
        "package_arn": PACKAGE,
        "declared": declared,
        "capture_uri": "s3://lake/captures",
        "output_uri": "s3://lake/answers",
        "placement": placement,
    }
    return EndpointSpec(**{**fields, **changes})


def champion(declared: Endpoint, placement: Placement = AWS) -> Serving:
    """The endpoint while the version before serves, by the same declaration."""
    older = spec(declared, placement, package_arn=OLDER)
    config = config_request(older, older.model()["ModelName"])
    return Serving({"EndpointConfigName": config["EndpointConfigName"]}, config)


def plan(declared: Endpoint, placement: Placement = AWS) -> Plan:
    return make_plan(spec(declared, placement), champion(declared, placement), champion_p99_ms=40.0)


def calls(plan: Plan) -> list[list[Any]]:
    return [list(call) for change in plan.changes for call in change.calls()]


@pytest.mark.parametrize("case", CASES)
def test_a_plan_is_what_was_recorded_and_what_the_services_take(case: str) -> None:
    """Guards against a rollout that changes without anyone having read what is sent now."""
    made = plan(CASES[case])
    sent = calls(made)
    for operation, request in sent:
        accepted(operation, request)
    told = {"plan": made.lines(), "requests": sent}
    path = PLANS / f"{case}.json"
    if os.environ.get("TESTS_RECORD_PLANS"):
        path.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n")
    assert json.loads(path.read_text()) == json.loads(json.dumps(told))


@pytest.mark.parametrize("case", CASES)
def test_both_worlds_send_the_same_but_for_where_things_are(case: str) -> None:
    """Guards against a rollout that works on a laptop because something else is sent there."""
    here, there = calls(plan(CASES[case], LOCAL)), calls(plan(CASES[case], AWS))
    assert [operation for operation, _ in here] == [operation for operation, _ in there]
    for (operation, local), (_, aws) in zip(here, there, strict=True):
        accepted(operation, local)
        assert _placeless(local) == _placeless(aws), operation


_PLACES = {
    "KmsKeyId", "VpcConfig", "ExecutionRoleArn", "Tags", "Period", "AlarmName", "AlarmDescription",
    "Dimensions", "ModelName", "EndpointConfigName", "Alarms",
}  # fmt: skip


def _placeless(value: Any) -> Any:
    """Without the placement's own members, and the names that follow from the content."""
    if isinstance(value, dict):
        return {k: _placeless(v) for k, v in value.items() if k not in _PLACES}
    return [_placeless(v) for v in value] if isinstance(value, list) else value


def test_a_serverless_endpoint_in_a_vpc_is_refused() -> None:
    """Guards against a deployment that only SageMaker refuses, after the training."""
    with pytest.raises(ValueError, match=r"no serverless endpoint in a VPC.*subnet-0a1b"):
        EndpointSpec(
            name="x", package_arn=PACKAGE, declared=Endpoint(serverless=Serverless()), placement=AWS
        )


def test_alarms_are_about_the_new_configuration_alone() -> None:
    """Guards against the old fleet's errors rolling a good challenger back."""
    made = plan(CASES["canary"])
    (change,) = made.changes
    assert change.config_name != made.previous_config
    told = json.dumps(change.alarms)
    assert told.count(change.config_name) >= 4
    assert str(made.previous_config) not in told


@pytest.mark.parametrize(
    "rollout",
    [
        AllAtOnce(bake_s=3600), Canary(share=0.5, bake_s=3600), Canary(share=0.001, bake_s=0),
        Linear(share=0.1, bake_s=2400), Linear(share=0.5, bake_s=0), Rolling(share=0.05),
        Rolling(share=0.5, bake_s=3600),
    ],
)  # fmt: skip
def test_policies_at_the_ends_of_their_ranges_are_within_sagemaker_s_limits(
    rollout: Rollout,
) -> None:
    config = deployment_config(rollout, ["an-alarm"])
    request = {"EndpointName": "a", "EndpointConfigName": "b", "DeploymentConfig": config}
    accepted("UpdateEndpoint", request)


def test_waits_beyond_sagemaker_s_limit_are_refused_before_anything_is_sent() -> None:
    with pytest.raises(ValueError, match="larger shares or shorter bakes"):
        deployment_config(Linear(share=0.1, bake_s=3600))


def test_alarms_are_told_where_people_are_told_of_anything() -> None:
    """An alarm that is only seen by whoever looks at CloudWatch's page."""
    topic = "arn:aws:sns:us-east-1:123456789012:alerts"
    silent = spec(CASES["canary"])
    told = dataclasses.replace(
        silent, placement=dataclasses.replace(silent.placement, alert_topic_arn=topic)
    )
    for wanted, each in (([None], silent), ([[topic]], told)):
        actions = [alarm.get("AlarmActions") for alarm in make_plan(each, None).changes[0].alarms]
        assert actions == wanted * 3


def test_a_first_deployment_has_alarms_and_what_serves_is_left_alone() -> None:
    """An endpoint whose errors nobody is told of until its second model comes."""
    first = make_plan(spec(CASES["canary"]), None)
    assert [change.action for change in first.changes] == ["CreateEndpoint"]
    (change,) = first.changes
    kinds = [name.removeprefix(f"mlops-{change.config_name}-") for name in change.alarm_names]
    assert kinds == ["server-errors", "client-errors", "answers"], "no champion to be as fast as"
    assert "DeploymentConfig" not in change.request, "there is nothing to go back to"
    accepted("CreateEndpoint", dict(first.changes[0].request))
    config = first.changes[0].config
    again = make_plan(
        spec(CASES["canary"]),
        Serving({"EndpointConfigName": config["EndpointConfigName"]}, config),
    )
    assert not again.changed
    assert again.lines() == [
        "flight-delays serves flight-delays/1, as before: nothing is to be done"
    ]


def test_an_interrupted_shadow_goes_on_where_it_was() -> None:
    """Guards against a second shadow of the shadow, or the challenger as its own champion."""
    whole = plan(CASES["shadow"])
    under_way = Serving(
        {"EndpointConfigName": whole.changes[0].config_name}, whole.changes[0].config
    )
    rest = make_plan(spec(CASES["shadow"]), under_way, champion_p99_ms=40.0)
    assert [change.action for change in rest.changes] == ["", "UpdateEndpoint"]
    assert [c.config_name for c in rest.changes] == [c.config_name for c in whole.changes]


def test_an_update_keeps_what_autoscaling_set_unless_the_count_was_declared_anew() -> None:
    """Guards against every deployment resetting a scaled-out endpoint to its first size."""

    def update(declared: Endpoint, desired: int) -> dict[str, Any]:
        now = champion(Endpoint())
        variants = [{"VariantName": "live", "DesiredInstanceCount": desired}]
        now = Serving({**now.endpoint, "ProductionVariants": variants}, now.config)
        (change,) = make_plan(spec(declared), now).changes
        return accepted("UpdateEndpoint", dict(change.request))

    assert update(Endpoint(), desired=4)["RetainAllVariantProperties"] is True
    assert "RetainAllVariantProperties" not in update(Endpoint(), desired=1)
    assert "RetainAllVariantProperties" not in update(Endpoint(instance_count=3), desired=4)


def test_configurations_are_named_by_content() -> None:
    plain = config_request(spec(Endpoint()), "model-a")
    tagged = config_request(spec(Endpoint(), tags={"a": "b"}), "model-a")
    assert tagged["EndpointConfigName"] == plain["EndpointConfigName"]
    assert plain["KmsKeyId"] == AWS.kms_key_arn
    assert "DataCaptureConfig" not in plain
    other = config_request(spec(Endpoint()), "model-b")
    assert other["EndpointConfigName"] != plain["EndpointConfigName"]


def test_capture_is_encrypted_and_never_rounded_down_to_nothing() -> None:
    request = config_request(spec(Endpoint(capture_share=0.001)), "model-a")
    capture = accepted("CreateEndpointConfig", request)["DataCaptureConfig"]
    assert capture["InitialSamplingPercentage"] == 1
    assert capture["KmsKeyId"] == AWS.kms_key_arn
    with pytest.raises(ValueError, match="needs a capture_uri"):
        spec(Endpoint(capture_share=0.5), capture_uri=None)


def test_features_read_online_travel_in_the_model_s_environment() -> None:
    online = {"group": "flight-delays", "key": ["flight_id"], "columns": ["x"], "max_age_s": None}
    model = accepted("CreateModel", spec(Endpoint(), online=online).model())
    assert json.loads(model["PrimaryContainer"]["Environment"]["MLOPS_ONLINE"]) == online
    assert model["ModelName"] != spec(Endpoint()).model()["ModelName"]


def test_autoscaling_s_requests_are_taken() -> None:
    scaling = Autoscaling(at_least=1, at_most=4, requests_per_minute=12_000)
    model = service("application-autoscaling")
    for operation, request in {
        "RegisterScalableTarget": target_request("flight-delays", scaling),
        "PutScalingPolicy": policy_request("flight-delays", scaling),
    }.items():
        report = ParamValidator().validate(request, model.operation_model(operation).input_shape)
        assert not report.has_errors(), report.generate_report()
