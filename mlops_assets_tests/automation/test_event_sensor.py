"""The sensor on SageMaker's events: each is acted on once, whatever is doubled, late or poisoned.

SQS is moto's over HTTP, SageMaker the local API, the sensor Dagster's own evaluation.
"""

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path

import boto3
import dagster as dg
import pytest

from mlops_assets.automation.events import NAME
from mlops_assets.definitions import build_defs
from mlops_assets.resources.monitoring.alerts import AlertChannels
from mlops_assets.resources.sagemaker.hosting.endpoints import deploy
from mlops_assets.sagemaker_local import lifecycle
from mlops_assets.settings import Settings
from mlops_assets_tests.automation.event_world import GROUP, PIPELINE, World, failed_job
from mlops_assets_tests.aws_server import aws_server, environment
from mlops_assets_tests.deliveries import DAYS

pytestmark = pytest.mark.integration
MOST = 3


@pytest.fixture(scope="module")
def aws() -> Iterator[str]:
    with aws_server() as url:
        yield url


@pytest.fixture
def world(aws: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    for name, value in environment(aws).items():
        monkeypatch.setenv(name if name != "AWS_ENDPOINT_URL" else "AWS_ENDPOINT_URL_SQS", value)
    sqs = boto3.client("sqs")
    dead = sqs.create_queue(QueueName=f"{tmp_path.name}-dead")["QueueUrl"]
    url = sqs.create_queue(QueueName=tmp_path.name, Attributes={"VisibilityTimeout": "1"})
    made = World(Settings.load(home=tmp_path, events_queue_url=url["QueueUrl"]), sqs, dead)
    made.client  # noqa: B018 - starts the local SageMaker API, which the sensor does not
    yield made
    lifecycle.stop(made.settings.sagemaker_home)


def test_an_approval_is_asked_for_until_its_run_is_there_and_never_twice(world: World) -> None:
    """Rows 5 to 7: a message deleted before its run exists would lose the approval; one that is
    delivered again, late or after the older event, must not start another."""
    candidate = world.registered(DAYS[1], "first")
    approved = {"ModelPackageGroupName": GROUP, "ModelApprovalStatus": "Approved"}
    world.approve(candidate)
    world.send("Model Package", times=2, **approved)
    ((request,), _) = world.tick()
    assert (request.job_name, request.partition_key) == ("deliveries_deployment", DAYS[1])
    assert request.tags["mlops/package"] == candidate.arn
    assert world.waiting() == 2, "nothing is deleted before the run is seen"
    # The tick was lost with the daemon.
    ((again,), _) = world.tick()
    assert again.run_key == request.run_key
    world.ran(request)
    assert world.tick()[0] == []
    assert (world.waiting(), world.waiting(world.dead)) == (0, 0)
    # An older event, delivered last.
    world.serve(candidate)
    world.send("Model Package", **{**approved, "ModelApprovalStatus": "PendingManualApproval"})
    asked, why = world.tick()
    assert (asked, world.waiting()) == ([], 0)
    assert "newer than what serves (version 1)" in why


def test_a_run_of_the_approval_sensor_counts(world: World) -> None:
    """Both sensors may be on: Dagster knows run keys by sensor, and would start two runs."""
    candidate = world.registered(DAYS[1], "first")
    world.approve(candidate)
    sensor = world.defs.resolve_sensor_def("deliveries_approval")
    with dg.build_sensor_context(
        world.instance, definitions=world.defs, resources={"sagemaker": world.sagemaker}
    ) as context:
        ((theirs,), _) = (sensor.evaluate_tick(context).run_requests or [], None)
    world.ran(theirs, job_name="theirs")
    world.send("Model Package", ModelPackageGroupName=GROUP, ModelApprovalStatus="Approved")
    assert world.tick()[0] == []
    assert world.waiting() == 0


def test_poison_goes_to_the_dead_letter_queue_and_holds_up_nobody(world: World) -> None:
    """A message that cannot be read, or that crashes its handler, before one that is fine."""
    world.deliver_at_most(MOST)
    world.raw('{"not": "an event"')
    world.raw(json.dumps({"detail-type": "x"}))
    world.send("Training Job", TrainingJobName="no such name: refused by SageMaker !")
    candidate = world.registered(DAYS[1], "first")
    world.approve(candidate)
    world.send("Model Package", ModelPackageGroupName=GROUP, ModelApprovalStatus="Approved")
    ((request,), _) = world.tick()
    world.ran(request)
    for _ in range(MOST):
        world.tick()
    assert world.waiting() == 0
    assert world.waiting(world.dead) == 3, "kept for a person, and the good one not among them"


def test_an_endpoint_that_somebody_changed_is_observed_and_told_once(world: World) -> None:
    """A model that serves by hand, past every gate, which nobody hears of."""
    told: list[str] = []
    channels = AlertChannels()
    channels.__dict__["_channels"] = {"log": lambda alert: told.append(alert.title)}
    world.resources["alerts"] = channels
    first, second = world.registered(DAYS[1], "one"), world.registered(DAYS[1], "two")
    for each in (first, second):
        world.approve(each)
    world.serve(first)
    changed = {"EndpointName": GROUP, "EndpointStatus": "IN_SERVICE"}
    world.send("Endpoint", times=2, **changed)
    assert world.tick() == ([], "endpoint deliveries is as it was left")
    assert world.observed() == []
    deploy(world.client, world.spec(second), poll_s=0.1)  # by hand: no record, no promotion
    world.send("Endpoint", times=2, **changed)
    assert "another model than the champion" in world.tick()[1]
    world.send("Endpoint Deployment", **changed)
    world.tick()
    words = "endpoint deliveries serves another model than the champion"
    assert world.observed() == [words]
    assert told == [words]
    assert world.waiting() == 0
    world.client.delete_endpoint(EndpointName=GROUP)
    world.send("Endpoint", EndpointName=GROUP, EndpointStatus="DELETING")
    assert "endpoint deliveries is gone" in world.tick()[1]
    assert told[-1] == "endpoint deliveries is gone"


def test_a_configuration_by_hand_is_told_from_our_own(world: World) -> None:
    """`mlops rollback` leaves no rollout's record, and is no change from outside."""
    first = world.registered(DAYS[1], "one")
    world.approve(first)
    world.serve(first)
    deploy(world.client, world.spec(first, instance_type="ml.m5.xlarge"), poll_s=0.1)
    world.send("Endpoint", EndpointName=GROUP)
    assert world.tick()[1] == "endpoint deliveries is as it was left"
    bare = dataclasses.replace(world.spec(first, instance_type="ml.c5.large"), tags={})
    deploy(world.client, bare, poll_s=0.1)
    world.send("Endpoint", EndpointName=GROUP)
    assert "has a configuration that no run made" in world.tick()[1]


def test_while_a_run_rolls_out_the_event_waits_for_its_end(world: World) -> None:
    """Told in mid-rollout, every rollout of ours would look like somebody else's."""
    first, second = world.registered(DAYS[1], "one"), world.registered(DAYS[1], "two")
    for each in (first, second):
        world.approve(each)
    world.serve(first)
    deploy(world.client, world.spec(second), poll_s=0.1)
    request = dg.RunRequest(run_key="rollback", job_name="deliveries_rollback")
    world.ran(request)
    world.send("Endpoint", EndpointName=GROUP)
    assert world.tick()[1] == "endpoint deliveries is being rolled out"
    assert world.waiting() == 1
    assert world.observed() == []


def test_a_job_that_nobody_followed_is_noted_at_its_asset(world: World) -> None:
    """The run's process was killed, then the job failed: nobody would ever say why."""
    key = dg.AssetKey([GROUP, "model"])
    finished = dg.DagsterRun(job_name="x", status=dg.DagsterRunStatus.FAILURE)
    going = dg.DagsterRun(job_name="x", status=dg.DagsterRunStatus.STARTED)
    for run in (finished, going):
        world.instance.add_run(run)
    dead, followed = failed_job(world, "dead", finished), failed_job(world, "alive", going)
    failed = {"TrainingJobStatus": "Failed"}
    world.send("Training Job", times=2, TrainingJobName=dead, **failed)
    world.send("Training Job", TrainingJobName=followed, **failed)
    _, said = world.tick()
    assert f"training job {followed}: its run ends first" in said
    (noted,) = world.observed(key)
    assert noted.startswith(f"Training job {dead} failed, and no run followed it any more: ")
    assert "no such luck" in noted
    world.send("Training Job", TrainingJobName=dead, TrainingJobStatus="InProgress")  # late
    world.tick()
    assert len(world.observed(key)) == 1
    assert world.waiting() == 1, "that of the job whose run still goes on"


def test_without_a_queue_there_is_no_sensor_and_no_job(tmp_path: Path) -> None:
    defs = build_defs(Settings.load(home=tmp_path), pipelines=[PIPELINE])
    assert NAME not in [sensor.name for sensor in defs.sensors or []]
