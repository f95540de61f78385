"""Both reference pipelines with MLOPS_ENV=aws, each request judged by the templates' policies.

moto and the local SageMaker API over HTTP, Postgres for Dagster, a task of ECS for each run; what
they left is looked at past the policies.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from typing import Any

import pytest

from mlops_assets_tests.aws import reference
from mlops_assets_tests.aws.authority.roles import DAGSTER, EXECUTION
from mlops_assets_tests.aws.authority.unused import LATER, SOMETIMES, UNUSED, named, table
from mlops_assets_tests.aws.fargate import tags_of
from mlops_assets_tests.aws.guarded import IMAGE, SUBNETS, TORCH_IMAGE
from mlops_assets_tests.aws.played import DATABASE, Played, play, why
from mlops_assets_tests.aws.postgres import Cluster
from mlops_assets_tests.aws.reference import ASKED, DIGITS, FLIGHTS, Scene
from mlops_assets_tests.aws.second_model import Second, cancelled, second_model
from mlops_assets_tests.aws.world import BUCKET

pytestmark = [pytest.mark.integration, pytest.mark.slow]
HAS_TORCH = all(importlib.util.find_spec(name) for name in ("torch", "onnxscript"))
SCENES = [FLIGHTS, *([DIGITS] if HAS_TORCH else [])]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory, postgres: Cluster) -> Iterator[Played]:
    with play(tmp_path_factory.mktemp("reference"), postgres, SCENES) as done:
        yield done


@pytest.fixture(params=SCENES, ids=lambda scene: scene.name)
def scene(request: pytest.FixtureRequest) -> Scene:
    found: Scene = request.param
    return found


def test_no_permission_is_missing(played: Played) -> None:
    """A policy that lacks what the code asks for: found on the day of the deployment."""
    authority = played.guarded.authority
    assert authority.refused == []
    assert authority.unknown == []
    assert authority.answered > 1000


def test_no_permission_is_idle_but_for_a_reason(played: Played) -> None:
    """A permission that stays after the call that it was for went."""
    if not HAS_TORCH:
        pytest.skip("without torch only one pipeline runs, which uses less")
    roles = played.guarded.authority.roles
    found = roles.permissions([DAGSTER, EXECUTION]) - roles.used
    print(table(found))
    unused = {named(each) for each in found}
    reasons = UNUSED.keys() | LATER.keys()
    assert unused - reasons - SOMETIMES.keys() == set(), "not used, and no reason given"
    assert reasons - unused == set(), "used now: its reason in unused.py can go"


def test_the_endpoint_serves_what_was_trained(played: Played, scene: Scene) -> None:
    """InService on nothing: the package must be of the job, the answers were asked for above."""
    sagemaker = played.guarded.admin.client("sagemaker")
    endpoint = sagemaker.describe_endpoint(EndpointName=scene.slug)
    assert endpoint["EndpointStatus"] == "InService"
    packages = sagemaker.list_model_packages(ModelPackageGroupName=scene.slug)
    (package,) = packages["ModelPackageSummaryList"]
    assert package["ModelApprovalStatus"] == "Approved"
    found = sagemaker.describe_model_package(ModelPackageName=package["ModelPackageArn"])
    assert found["CustomerMetadataProperties"]["mlops:signature"], "by the key of the signing stack"


def test_captured_rows_become_drift(played: Played, scene: Scene) -> None:
    """The loop's end: what was asked of the endpoint is read back and compared with training."""
    assert len(played.captured[scene.name]) == ASKED
    assert all(run.success for run in played.watching), why(played.guarded, played.watching)
    drift = reference.record(played.guarded, scene, "drift", scene.asked)
    assert drift["status"] in ("healthy", "drift", "warning", "broken"), drift["status"]
    assert drift["baseline"]
    served = played.guarded.admin.client("glue").get_tables(DatabaseName=scene.name)["TableList"]
    assert {"captures", "served_profile"} <= {table["Name"] for table in served}


def test_every_sensor_can_look(played: Played) -> None:
    """A sensor whose calls nobody tried: refused each minute, in a log that nobody reads."""
    assert len(played.ticks) >= 10 * len(SCENES)
    failed = {name: said["failed"] for name, said in played.ticks.items() if "failed" in said}
    assert failed == {}
    assert "flight_delays_housekeeping" in played.ticks
    assert "tailnum" in played.ticks["flight_delays_personal"]["skipped"], "tagged as personal"
    told = played.ticks["flight_delays_metrics"]["skipped"]
    assert told.endswith("were told to mlops_assets/tests.")
    assert not told.startswith("0 ")
    queue = played.guarded.dagster.settings["MLOPS_EVENTS_QUEUE_URL"]
    left = played.guarded.admin.client("sqs").get_queue_attributes(
        QueueUrl=queue, AttributeNames=["All"]
    )["Attributes"]
    assert left["ApproximateNumberOfMessages"] == "0"
    assert left["ApproximateNumberOfMessagesNotVisible"] == "0", "deleted, not only taken"


def test_drift_is_told_on_the_topic(played: Played) -> None:
    """An alarm that stays in a log: March's flights are not January's."""
    told = played.guarded.alerts()
    assert any("flight_delays" in each["Subject"] for each in told), told
    assert any("drift" in each["Message"] for each in told)


def test_each_run_is_a_task_of_its_size(played: Played, scene: Scene) -> None:
    """Runs that share a container share its memory, and its end."""
    assert len(played.tasks.tasks) == len(SCENES)
    of_scene = [
        task["overrides"]
        for task in played.tasks.tasks.values()
        if tags_of(task)["pipeline"] == scene.name
    ]
    assert len(of_scene) == 1
    sizes = {"ecs/cpu": of_scene[0].get("cpu"), "ecs/memory": of_scene[0].get("memory")}
    assert {key: each for key, each in sizes.items() if each} == scene.size


def test_runs_are_in_postgres_and_their_logs_in_s3(played: Played, postgres: Cluster) -> None:
    """State on a container's disk is gone with the container."""
    runs = postgres.rows("SELECT run_id, status FROM runs", DATABASE)
    assert len(runs) == 3 * len(SCENES)
    assert {status for _, status in runs} == {"SUCCESS"}
    keys = played.guarded.admin.objects("dagster/compute-logs/storage/")
    assert {key.split("/")[3] for key in keys} == {run for run, _ in runs}
    assert not played.guarded.dagster.home.exists()
    assert list(played.guarded.dagster.user.rglob("*")) == []


def test_what_is_made_is_protected_and_says_whose_it_is(played: Played, scene: Scene) -> None:
    """Costs that nobody is billed for, and a job outside the network or without the key."""
    sagemaker = played.guarded.admin.client("sagemaker")
    settings = played.guarded.dagster.settings
    key = settings["MLOPS_KMS_KEY_ARN"]
    (job,) = [
        each
        for each in sagemaker.list_training_jobs()["TrainingJobSummaries"]
        if each["TrainingJobName"].startswith(scene.slug)
    ]
    described = sagemaker.describe_training_job(TrainingJobName=job["TrainingJobName"])
    # By digest, and no other image than the one for such jobs.
    image = TORCH_IMAGE if scene is DIGITS else IMAGE
    assert described["AlgorithmSpecification"]["TrainingImage"] == image
    assert described["VpcConfig"]["Subnets"] == SUBNETS
    assert described["ResourceConfig"]["VolumeKmsKeyId"] == key
    assert described["OutputDataConfig"]["KmsKeyId"] == key
    assert described["EnableNetworkIsolation"] is True
    assert described["EnableInterContainerTrafficEncryption"] is True
    endpoint = sagemaker.describe_endpoint(EndpointName=scene.slug)
    config = sagemaker.describe_endpoint_config(EndpointConfigName=endpoint["EndpointConfigName"])
    found = played.guarded.client("cloudwatch").describe_alarms(
        AlarmNamePrefix=f"mlops-{endpoint['EndpointConfigName']}-"
    )["MetricAlarms"]
    assert len(found) == 3, "errors of the server, of its callers, wrong answers"
    assert all(each["AlarmActions"] == [settings["MLOPS_ALERT_TOPIC_ARN"]] for each in found)
    assert config["KmsKeyId"] == key
    assert config["DataCaptureConfig"]["KmsKeyId"] == key
    model = sagemaker.describe_model(ModelName=config["ProductionVariants"][0]["ModelName"])
    assert model["VpcConfig"]["Subnets"] == SUBNETS
    assert model["EnableNetworkIsolation"] is True
    whose = {"mlops:platform": "mlops_assets", "mlops:pipeline": scene.name}
    for arn, own in (
        (described["TrainingJobArn"], {"mlops:asset": "model", "mlops:partition": scene.as_of}),
        (endpoint["EndpointArn"], {"mlops:asset": "endpoint"}),
        (config["EndpointConfigArn"], {"mlops:asset": "endpoint"}),
        (model["ModelArn"], {"mlops:asset": "endpoint"}),
    ):
        tags = {each["Key"]: each["Value"] for each in sagemaker.list_tags(ResourceArn=arn)["Tags"]}
        assert {**whose, **own}.items() <= tags.items(), arn


def test_whatever_is_made_says_whose_it_is(played: Played) -> None:
    """One request without tags is a cost that no report of the month finds."""
    made = played.guarded.authority.made
    assert {"CreateTrainingJob", "CreateModel", "CreateEndpointConfig", "CreateEndpoint"} <= {
        each.name for each in made
    }
    for each in made:
        if each.name == "CreateModelPackage":
            continue  # a version has the tags of its group, and SageMaker takes no others
        keys = {tag["Key"] for tag in each.params.get("Tags", ())}
        of_data = {"mlops:partition"} if each.name.endswith("Job") else set()
        group = {"mlops:asset"} if each.name != "CreateModelPackageGroup" else set()
        assert {"mlops:platform", "mlops:pipeline"} | group | of_data <= keys, each


def test_all_objects_are_under_the_key(played: Played) -> None:
    """An object that only S3's own key encrypts, which no policy of ours can withhold."""
    admin = played.guarded.admin
    s3, key = admin.client("s3"), played.guarded.dagster.settings["MLOPS_KMS_KEY_ARN"]
    # Of each kind a few: there are hundreds.
    chosen = {name.split("/")[0]: name for name in admin.objects()}
    assert {"lake", "training", "captures", "records", "dagster"} <= chosen.keys()
    for name in chosen.values():
        assert s3.head_object(Bucket=BUCKET, Key=name).get("SSEKMSKeyId") == key, name


def test_a_missing_permission_is_named(played: Played) -> None:
    """Negative control: with one action taken away the run ends, and says which it was."""
    with reference.forbidden(played.guarded, "glue:GetTable") as refused:
        (run,) = reference.materialize(played.guarded, [FLIGHTS], ["raw"], since_first=False)
    assert not run.success
    assert "AccessDeniedException" in run.output
    assert "not authorized to perform: glue:GetTable" in run.output
    assert refused


@pytest.fixture(scope="module")
def second(played: Played, postgres: Cluster) -> Second:
    return second_model(played.guarded, played.tasks, postgres, DATABASE)


@pytest.mark.nightly
def test_a_second_model_takes_over_behind_alarms(second: Second, played: Played) -> None:
    """A canary whose alarms nobody may put up, or that serves before anybody looked."""
    assert second.end == "SUCCESS", f"{played.guarded.authority.refused} {played.tasks.said()}"
    assert second.version == "2"
    deployment = second.endpoint["LastDeploymentConfig"]
    routing = deployment["BlueGreenUpdatePolicy"]["TrafficRoutingConfiguration"]
    assert routing["Type"] == "CANARY"
    watched = {each["AlarmName"] for each in deployment["AutoRollbackConfiguration"]["Alarms"]}
    assert watched == {alarm["AlarmName"] for alarm in second.alarms}
    kinds = {
        name.removeprefix(f"mlops-{second.endpoint['EndpointConfigName']}-") for name in watched
    }
    assert kinds == {"server-errors", "client-errors", "latency", "answers"}


@pytest.mark.nightly
def test_a_person_goes_back_with_the_same_permissions(second: Second, played: Played) -> None:
    """A way back that is tried on the day of the incident."""
    assert second.rollback.success, second.rollback.output
    assert second.version_after_rollback == "1"
    # What serves now is watched, and nothing else is.
    sagemaker = played.guarded.admin.client("sagemaker")
    live = sagemaker.describe_endpoint(EndpointName=FLIGHTS.slug)["EndpointConfigName"]
    assert second.alarms_after_rollback == {live}
    assert "version 1 (as of 2013-02-01)" in second.rollback.output
    assert second.status.success, second.status.output
    assert f"{FLIGHTS.slug}  InService" in second.status.output


@pytest.mark.nightly
def test_only_an_approvers_role_approves(second: Second) -> None:
    """Whoever may start a run approves models by a command (security demand 12)."""
    assert not second.unapproved.success
    (refused,) = second.unapproved_for
    assert "DagsterRole" in refused
    assert "sagemaker:UpdateModelPackage" in refused
    (line,) = second.unapproved.output.splitlines()
    assert line.startswith("mlops: AWS refuses that: ")
    assert second.promotion.success, second.promotion.output


@pytest.mark.nightly
def test_without_its_alarms_no_model_goes_live(second: Second) -> None:
    """Negative control: refused one alarm, a rollout that goes on unwatched."""
    assert not second.without_alarms.success
    assert "not authorized to perform: cloudwatch:PutMetricAlarm" in second.without_alarms.output
    assert all("cloudwatch:PutMetricAlarm" in each for each in second.refused)
    assert second.version_after_refusal == "1"


@pytest.fixture(scope="module")
def stopped(played: Played, postgres: Cluster) -> tuple[str, dict[str, Any]]:
    if not HAS_TORCH:
        pytest.skip("the digits are trained with torch")
    return cancelled(played.guarded, played.tasks, postgres, DATABASE)


@pytest.mark.nightly
def test_a_run_that_is_cancelled_ends_its_task_and_its_job(
    stopped: tuple[str, dict[str, Any]], played: Played
) -> None:
    """A GPU that goes on for the day after somebody pressed Terminate."""
    end, job = stopped
    assert end == "CANCELED", f"{played.guarded.authority.refused} {played.tasks.said()}"
    assert job["TrainingJobStatus"] == "Stopped"


@pytest.mark.nightly
def test_what_is_left_unused_after_all_that(
    second: Second, stopped: tuple[str, dict[str, Any]], played: Played
) -> None:
    """The permissions of rollouts that no rollout of the tests has ever used."""
    assert (second.end, stopped[0]) == ("SUCCESS", "CANCELED")
    authority = played.guarded.authority
    assert authority.refused == []
    assert authority.unknown == []
    found = authority.roles.permissions([DAGSTER, EXECUTION]) - authority.roles.used
    print(table(found))
    unused = {named(each) for each in found}
    assert unused - UNUSED.keys() - SOMETIMES.keys() == set(), "not used, and no reason given"
    assert UNUSED.keys() - unused == set(), "used now: its reason in unused.py can go"
