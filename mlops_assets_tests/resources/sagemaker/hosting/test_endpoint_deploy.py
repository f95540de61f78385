"""Endpoints on the local SageMaker API: deployed once, and never believed without looking."""

import dataclasses
import gzip
import io
import json
import signal
import subprocess
import sys
import tarfile
import threading
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from mlops_assets.resources.sagemaker.hosting.endpoint_spec import EndpointSpec
from mlops_assets.resources.sagemaker.hosting.endpoints import (
    DeploymentFailed,
    NotApproved,
    deploy,
    serving_package,
    smoke,
)
from mlops_assets.resources.sagemaker.registry import registry
from mlops_assets.resources.sagemaker.requests import Placement
from mlops_assets_tests.resources.sagemaker.conftest import Lab, python_environment
from mlops_assets_tests.resources.sagemaker.test_sagemaker_requests import AWS

pytestmark = pytest.mark.integration

# An image of a user's own: it answers what its model says, and is ill where its model says so.
SERVE = """
import http.server, json, os, pathlib
base = pathlib.Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
answer = (base / "model" / "answer.txt").read_text()
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def reply(self, status, body):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def do_GET(self):
        self.reply(200, b"")
    def do_POST(self):
        rows = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["instances"]
        self.reply(200, json.dumps({"predictions": [json.loads(answer) for _ in rows]}).encode())
    def log_message(self, *_):
        pass
if answer == "ill":
    raise SystemExit("the model cannot be loaded")
host = os.environ.get("MLOPS_BIND_HOST", "127.0.0.1")
port = int(os.environ.get("SAGEMAKER_BIND_TO_PORT", "8080"))
http.server.ThreadingHTTPServer((host, port), Handler).serve_forever()
"""
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
ROWS = [{"distance": 500.0}, {"distance": None}]
PLACEMENT = Placement(image_uri="tiny:1")


def package(
    lab: Lab, group: str, answer: str, status: Any = "Approved", placement: Placement = PLACEMENT
) -> str:
    """The ARN of a registered model that answers ``answer``."""
    home = Path(str(lab.sagemaker.local_home))
    home.mkdir(exist_ok=True)
    (lab.root / "serve.py").write_text(SERVE)
    images = {"tiny": {"serve": [sys.executable, str(lab.root / "serve.py")]}}
    (home / "images.json").write_text(json.dumps(images))
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as archive:
        member = tarfile.TarInfo("answer.txt")
        member.size = len(answer)
        archive.addfile(member, io.BytesIO(answer.encode()))
    uri = f"s3://lake/models/{group}/{answer}/model.tar.gz"
    lab.objects().write(uri, gzip.compress(tar.getvalue()))
    return registry.register(
        lab.sagemaker.client(),
        group=group,
        model_data_url=uri,
        lineage={"answer": answer},
        status=status,
        placement=placement,
    ).arn


def spec(name: str, arn: str, **changes: Any) -> EndpointSpec:
    return EndpointSpec(name=name, package_arn=arn, placement=PLACEMENT, **changes)


def answers(lab: Lab, name: str) -> list[Any]:
    return smoke(lab.sagemaker.runtime(), name, ROWS)


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


def test_an_answer_that_is_no_number_fails_the_smoke_test(lab: Lab) -> None:
    client = lab.sagemaker.client()
    deploy(client, spec("nan", package(lab, "nan", '"high"')), poll_s=0.1)
    with pytest.raises(DeploymentFailed, match="answered 2 rows with"):
        answers(lab, "nan")
    assert serving_package(client, "no-such-endpoint") is None
