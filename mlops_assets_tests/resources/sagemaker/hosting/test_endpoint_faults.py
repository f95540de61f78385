"""Deployments that are killed, unheard, misinformed or two at once, on the local SageMaker API."""

import signal
import subprocess
import sys
import threading
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from mlops_assets.resources.sagemaker.hosting.endpoints import (
    DeploymentFailed,
    deploy,
    serving_package,
)
from mlops_assets_tests.resources.sagemaker.conftest import Lab, python_environment
from mlops_assets_tests.resources.sagemaker.hosting.endpoint_parts import answers, package, spec

pytestmark = pytest.mark.integration

KILLED_DEPLOYMENT = """
import os, signal, sys, boto3
from mlops_assets.resources.sagemaker.hosting.endpoint_spec import EndpointSpec
from mlops_assets.resources.sagemaker.hosting.endpoints import deploy
from mlops_assets.resources.sagemaker.requests import Placement
url, name, arn, operation = sys.argv[1:]
client = boto3.client("sagemaker", endpoint_url=url, region_name="us-east-1",
                      aws_access_key_id="local", aws_secret_access_key="local")
client.meta.events.register(
    f"after-call.sagemaker.{operation}", lambda **_: os.kill(os.getpid(), signal.SIGKILL))
deploy(client, EndpointSpec(name=name, package_arn=arn, placement=Placement(image_uri="tiny:1")))
"""


def answer_after_update(client: Any, times: int, answer: dict[str, Any]) -> None:
    """Lay ``answer`` over the next descriptions of the endpoint once an update was accepted."""
    left: list[int] = []
    events = client.meta.events
    events.register("after-call.sagemaker.UpdateEndpoint", lambda **_: left.extend(range(times)))

    def overlay(parsed: dict[str, Any], **_: Any) -> None:
        if left:
            left.pop()
            parsed.update(answer)

    events.register("after-call.sagemaker.DescribeEndpoint", overlay)


def test_a_description_that_lags_behind_the_update_is_no_rollback(lab: Lab) -> None:
    """Guards against calling an update failed because Describe did not show it at once."""
    client = lab.fresh().client()
    old = deploy(client, spec("lagging", package(lab, "lagging", "0.1")), poll_s=0.1)
    stale = {"EndpointStatus": "InService", "EndpointConfigName": old.config_name}
    answer_after_update(client, times=3, answer=stale)
    new = deploy(client, spec("lagging", package(lab, "lagging", "0.2")), poll_s=0.1)
    assert new.changed
    assert answers(lab, "lagging") == [0.2, 0.2]


def test_a_rollback_that_fails_is_said_with_its_reason(lab: Lab) -> None:
    client = lab.fresh().client()
    old = deploy(client, spec("stuck", package(lab, "stuck", "0.1")), poll_s=0.1)
    stuck = {
        "EndpointStatus": "UpdateRollbackFailed",
        "EndpointConfigName": old.config_name,
        "FailureReason": "no capacity for the old fleet",
    }
    answer_after_update(client, times=99, answer=stuck)
    with pytest.raises(DeploymentFailed, match="UpdateRollbackFailed: no capacity for the old"):
        deploy(client, spec("stuck", package(lab, "stuck", "0.2")), poll_s=0.1)


def test_an_update_that_takes_too_long_is_a_failure_that_can_be_waited_for_again(
    lab: Lab,
) -> None:
    client = lab.fresh().client()
    deploy(client, spec("slow", package(lab, "slow", "0.1")), poll_s=0.1)
    answer_after_update(client, times=9999, answer={"EndpointStatus": "Updating"})
    wanted = spec("slow", package(lab, "slow", "0.2"))
    with pytest.raises(DeploymentFailed, match="still Updating after 1 s"):
        deploy(client, wanted, poll_s=0.1, timeout_s=1)
    deploy(lab.sagemaker.client(), wanted, poll_s=0.1)
    assert answers(lab, "slow") == [0.2, 0.2]


def test_a_lost_answer_to_create_or_update_converges(lab: Lab) -> None:
    """A deployment whose answers are lost, each of them once."""
    client = lab.fresh().client()
    lost: set[str] = set()

    def lose(model: Any, **_: Any) -> None:
        if model.name not in lost:
            lost.add(model.name)
            raise ReadTimeoutError(endpoint_url="http://sagemaker")

    for operation in ("CreateModel", "CreateEndpointConfig", "CreateEndpoint", "UpdateEndpoint"):
        client.meta.events.register(f"after-call.sagemaker.{operation}", lose)
    deploy(client, spec("unheard", package(lab, "unheard", "0.1")), poll_s=0.1)
    deploy(client, spec("unheard", package(lab, "unheard", "0.2")), poll_s=0.1)
    assert len(lost) == 4
    assert answers(lab, "unheard") == [0.2, 0.2]


@pytest.mark.parametrize("operation", ["CreateModel", "CreateEndpointConfig", "UpdateEndpoint"])
def test_a_deployment_that_was_killed_converges_when_it_is_run_again(
    lab: Lab, operation: str
) -> None:
    """kill -9 right after each effect; the champion serves until its successor does."""
    name = f"killed-{operation.lower()}"
    client = lab.sagemaker.client()
    deploy(client, spec(name, package(lab, name, "0.1")), poll_s=0.1)
    successor = package(lab, name, "0.2")
    killed = subprocess.run(
        [
            sys.executable,
            "-c",
            KILLED_DEPLOYMENT,
            client.meta.endpoint_url,
            name,
            successor,
            operation,
        ],
        env=python_environment(),
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    assert answers(lab, name) in ([0.1, 0.1], [0.2, 0.2])
    deploy(client, spec(name, successor), poll_s=0.1)
    assert answers(lab, name) == [0.2, 0.2]
    assert serving_package(client, name) == successor
    configs = client.list_endpoint_configs(NameContains=name)["EndpointConfigs"]
    assert len(configs) == len(client.list_models(NameContains=name)["Models"]) == 2


def test_of_two_promotions_at_once_one_wins_and_both_know(lab: Lab) -> None:
    """Row 25: whoever does not serve in the end is told so."""
    deploy(lab.sagemaker.client(), spec("race", package(lab, "race", "0.1")), poll_s=0.1)
    arns = [package(lab, "race", "0.2"), package(lab, "race", "0.3")]
    outcomes: dict[str, bool] = {}

    def promote(arn: str) -> None:
        try:
            deploy(lab.fresh().client(), spec("race", arn), poll_s=0.1)
            outcomes[arn] = True
        except DeploymentFailed:
            outcomes[arn] = False

    threads = [threading.Thread(target=promote, args=(arn,)) for arn in arns]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    champion = serving_package(lab.sagemaker.client(), "race")
    assert outcomes[str(champion)] is True
    assert set(outcomes) == set(arns)
