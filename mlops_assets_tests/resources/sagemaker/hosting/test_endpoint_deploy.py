"""Endpoints on the local SageMaker API: deployed once, and never believed without looking."""

import dataclasses

import pytest

from mlops_assets.resources.sagemaker.hosting.endpoint_spec import EndpointSpec
from mlops_assets.resources.sagemaker.hosting.endpoints import (
    DeploymentFailed,
    NotApproved,
    deploy,
    serving_package,
)
from mlops_assets.resources.sagemaker.registry import registry
from mlops_assets_tests.resources.sagemaker.conftest import Lab
from mlops_assets_tests.resources.sagemaker.hosting.endpoint_parts import answers, package, spec
from mlops_assets_tests.resources.sagemaker.test_sagemaker_requests import AWS

pytestmark = pytest.mark.integration


def test_a_package_is_served_and_a_second_deployment_changes_nothing(lab: Lab) -> None:
    client = lab.sagemaker.client()
    wanted = spec("first", package(lab, "first", "0.25"))
    deployed = deploy(client, wanted, poll_s=0.1)
    assert (deployed.changed, deployed.previous_config) == (True, None)
    assert answers(lab, "first") == [0.25, 0.25]
    assert serving_package(client, "first") == wanted.package_arn
    before = client.describe_endpoint(EndpointName="first")
    again = deploy(client, wanted, poll_s=0.1)
    assert (again.changed, again.config_name) == (False, deployed.config_name)
    after = client.describe_endpoint(EndpointName="first")
    assert after["LastModifiedTime"] == before["LastModifiedTime"]


def test_a_placement_in_a_vpc_with_a_key_is_accepted_all_the_way(lab: Lab) -> None:
    """The requests of MLOPS_ENV=aws, from the registry to an answer."""
    repository = "123456789012.dkr.ecr.us-east-1.amazonaws.com/tiny"
    placement = dataclasses.replace(AWS, image_uri=f"{repository}@sha256:{'a' * 64}")
    arn = package(lab, "in-a-vpc", "0.7", placement=placement)
    wanted = EndpointSpec(name="in-a-vpc", package_arn=arn, placement=placement)
    assert deploy(lab.sagemaker.client(), wanted, poll_s=0.1).changed
    assert answers(lab, "in-a-vpc") == [0.7, 0.7]


def test_a_new_version_replaces_the_old_one(lab: Lab) -> None:
    client = lab.sagemaker.client()
    old = deploy(client, spec("updated", package(lab, "updated", "0.1")), poll_s=0.1)
    new = deploy(client, spec("updated", package(lab, "updated", "0.2")), poll_s=0.1)
    assert (new.changed, new.previous_config) == (True, old.config_name)
    assert answers(lab, "updated") == [0.2, 0.2]


def test_a_version_that_does_not_start_leaves_the_champion_serving(lab: Lab) -> None:
    """Row 22: whatever status the endpoint ends in, the asset fails and the old model answers."""
    client = lab.sagemaker.client()
    champion = package(lab, "champion", "0.3")
    serving = deploy(client, spec("champion", champion), poll_s=0.1)
    with pytest.raises(DeploymentFailed) as caught:
        deploy(client, spec("champion", package(lab, "champion", "ill")), poll_s=0.1)
    assert serving.config_name in str(caught.value)
    assert caught.value.serving == serving.config_name
    assert answers(lab, "champion") == [0.3, 0.3]
    assert serving_package(client, "champion") == champion
    recovered = deploy(client, spec("champion", package(lab, "champion", "0.4")), poll_s=0.1)
    assert recovered.changed
    assert answers(lab, "champion") == [0.4, 0.4]


def test_waiting_for_in_service_alone_would_call_a_rollback_a_success(lab: Lab) -> None:
    """The negative control of row 22: after the failed update, boto3's own waiter is content."""
    client = lab.sagemaker.client()
    deploy(client, spec("waiter", package(lab, "waiter", "0.3")), poll_s=0.1)
    with pytest.raises(DeploymentFailed):
        deploy(client, spec("waiter", package(lab, "waiter", "ill")), poll_s=0.1)
    client.get_waiter("endpoint_in_service").wait(EndpointName="waiter")


def test_an_endpoint_that_never_served_is_made_anew(lab: Lab) -> None:
    client = lab.sagemaker.client()
    with pytest.raises(DeploymentFailed) as caught:
        deploy(client, spec("reborn", package(lab, "reborn", "ill")), poll_s=0.1)
    assert caught.value.serving is None
    assert "failed: " in str(caught.value)
    deploy(client, spec("reborn", package(lab, "reborn", "0.5")), poll_s=0.1)
    assert answers(lab, "reborn") == [0.5, 0.5]


@pytest.mark.parametrize("status", ["PendingManualApproval", "Rejected"])
def test_only_an_approved_package_is_deployed(lab: Lab, status: str) -> None:
    """Guards against serving a model that nobody, or no gate, has let through."""
    client = lab.sagemaker.client()
    name = f"gate-{status[:4].lower()}"
    arn = package(lab, name, "0.6", status=status)
    with pytest.raises(NotApproved, match=f"is {status}"):
        deploy(client, spec(name, arn), poll_s=0.1)
    found = client.list_endpoints(NameContains=name)["Endpoints"]
    assert found == []
    assert client.list_models(NameContains=name)["Models"] == []
    registry.set_approval(client, arn, "Approved", "by hand")
    assert deploy(client, spec(name, arn), poll_s=0.1).changed


def test_an_answer_that_is_no_number_fails_the_smoke_test(lab: Lab) -> None:
    client = lab.sagemaker.client()
    deploy(client, spec("nan", package(lab, "nan", '"high"')), poll_s=0.1)
    with pytest.raises(DeploymentFailed, match="answered 2 rows with"):
        answers(lab, "nan")
    assert serving_package(client, "no-such-endpoint") is None
