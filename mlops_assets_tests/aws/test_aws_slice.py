"""The whole slice with MLOPS_ENV=aws: raw rows in S3 to an endpoint that answers.

Children of this process run the platform as a deployment would, from environment variables alone;
what they left is then looked at with plain boto3 and pyiceberg.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from mlops_assets.settings import Settings
from mlops_assets_tests.aws.world import BUCKET, Run, World, new_world
from mlops_assets_tests.aws_server import glue_catalog
from mlops_assets_tests.deploy.template import platform

# Covered in each run by test_reference_pipelines; alone here: `make test-nightly`, `make test-aws`.
pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.nightly]
TABLES = {"raw", "clean", "quarantine", "features", "profile"}
LOG_GROUP = "/aws/sagemaker/TrainingJobs"
A_PATIENT = {
    "sex": "A", "age": 48, "bmi": 27.2, "bp": 90, "s1": 186, "s2": 114, "s3": 46, "s4": 4,
    "s5": 4.9, "s6": 92,
}  # fmt: skip


@dataclass(frozen=True)
class State:
    """All that the platform has made, but for compute logs and records (which each run renews)."""

    tables: dict[str, str]
    objects: dict[str, Any]
    jobs: list[str]
    packages: list[str]
    configuration: str
    endpoint_changed: Any


@dataclass(frozen=True)
class Slice:
    """The world after two runs of the same slice."""

    world: World
    first: Run
    after_first: State
    second: Run
    after_second: State


def look(world: World) -> State:
    sagemaker = world.client("sagemaker")
    endpoint = sagemaker.describe_endpoint(EndpointName="diabetes")
    tables = world.client("glue").get_tables(DatabaseName="diabetes")["TableList"]
    renewed = ("dagster/", "records/", "monitoring/", "reports/")
    return State(
        tables={t["Name"]: t["Parameters"]["metadata_location"] for t in tables},
        objects={k: v for k, v in world.objects().items() if not k.startswith(renewed)},
        jobs=_names(sagemaker.list_training_jobs()["TrainingJobSummaries"], "TrainingJobName"),
        packages=_names(
            sagemaker.list_model_packages(ModelPackageGroupName="diabetes")[
                "ModelPackageSummaryList"
            ],
            "ModelPackageArn",
        ),
        configuration=endpoint["EndpointConfigName"],
        endpoint_changed=endpoint["LastModifiedTime"],
    )


def _names(found: list[dict[str, Any]], key: str) -> list[str]:
    return sorted(one[key] for one in found)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slice]:
    with new_world(tmp_path_factory.mktemp("aws")) as world:
        first = world.materialize("*")
        assert first.success, first.output[-5000:]
        after_first = look(world)
        second = world.materialize("*")
        assert second.success, second.output[-5000:]
        yield Slice(world, first, after_first, second, look(world))


@pytest.fixture(scope="module")
def world(done: Slice) -> World:
    return done.world


@pytest.fixture(scope="module")
def job(done: Slice) -> dict[str, Any]:
    """The training job as the server received it."""
    (name,) = done.after_first.jobs
    found: dict[str, Any] = done.world.client("sagemaker").describe_training_job(
        TrainingJobName=name
    )
    return found


def test_the_environment_is_what_a_runs_task_gets(world: World) -> None:
    """Settings that no stack fills, or a variable that stops every run with an unknown name."""
    (container,) = platform()["Resources"]["RunTask"]["Properties"]["ContainerDefinitions"]
    given = {each["Name"] for each in container["Environment"] if each["Name"].startswith("MLOPS_")}
    assert {*world.settings, "MLOPS_ENV"} <= given
    assert {name.removeprefix("MLOPS_").lower() for name in given} <= Settings.model_fields.keys()


def test_the_lake_is_in_glue_and_s3(done: Slice) -> None:
    """Tables in a catalog that no other engine sees, or data on the disk of the machine."""
    world = done.world
    assert set(done.after_first.tables) == TABLES
    tables = world.client("glue").get_tables(DatabaseName="diabetes")["TableList"]
    assert {table["Parameters"]["table_type"] for table in tables} == {"ICEBERG"}
    for name, location in done.after_first.tables.items():
        assert location.startswith(f"s3://{BUCKET}/lake/diabetes.db/{name}/metadata/")
    from pyiceberg.catalog import load_catalog

    catalog = load_catalog("reader", **glue_catalog(world.moto, BUCKET))
    table = catalog.load_table("diabetes.features")
    assert len(table.scan().to_arrow()) == 442
    for task in table.scan().plan_files():
        assert task.file.file_path.startswith(f"s3://{BUCKET}/lake/diabetes.db/features/data/")


def test_all_objects_are_under_the_key(world: World) -> None:
    """The bucket's policy refuses a write that asks for another encryption than the default."""
    s3 = world.client("s3")
    keys = world.objects()
    heads = {key: s3.head_object(Bucket=BUCKET, Key=key) for key in keys}
    wrong = {
        key: head.get("SSEKMSKeyId")
        for key, head in heads.items()
        if head.get("SSEKMSKeyId") != world.settings["MLOPS_KMS_KEY_ARN"]
    }
    assert keys
    assert wrong == {}


def test_the_job_is_asked_for_in_the_network_and_under_the_key(
    world: World, job: dict[str, Any]
) -> None:
    """A request without one of these is refused by a well-kept account, or worse, is not."""
    key = world.settings["MLOPS_KMS_KEY_ARN"]
    assert job["VpcConfig"] == {
        "Subnets": world.settings["MLOPS_SUBNETS"].split(","),
        "SecurityGroupIds": [world.settings["MLOPS_SECURITY_GROUPS"]],
    }
    assert job["ResourceConfig"]["VolumeKmsKeyId"] == key
    assert job["OutputDataConfig"]["KmsKeyId"] == key
    assert job["EnableInterContainerTrafficEncryption"] is True
    assert job["EnableNetworkIsolation"] is True
    assert job["RoleArn"] == world.settings["MLOPS_ROLE_ARN"]
    assert job["AlgorithmSpecification"]["TrainingImage"] == world.settings["MLOPS_IMAGE_URI"]
    assert job["OutputDataConfig"]["S3OutputPath"].startswith(f"s3://{BUCKET}/")
    tags = world.client("sagemaker").list_tags(ResourceArn=job["TrainingJobArn"])["Tags"]
    found = {tag["Key"]: tag["Value"] for tag in tags}
    assert found["mlops:platform"] == "mlops_assets"
    assert found["mlops:pipeline"] == "diabetes"
    assert found["mlops:partition"] == "all"
    assert {"dagster/run-id", "mlops:spec-hash"} <= set(found)


def test_the_model_and_its_endpoint_are_in_the_network_and_under_the_key(done: Slice) -> None:
    """The endpoint outlives the job by months: what holds for one must hold for the other."""
    world, sagemaker = done.world, done.world.client("sagemaker")
    config = sagemaker.describe_endpoint_config(EndpointConfigName=done.after_first.configuration)
    assert config["KmsKeyId"] == world.settings["MLOPS_KMS_KEY_ARN"]
    model = sagemaker.describe_model(ModelName=config["ProductionVariants"][0]["ModelName"])
    assert model["VpcConfig"]["Subnets"] == world.settings["MLOPS_SUBNETS"].split(",")
    assert model["EnableNetworkIsolation"] is True
    assert model["ExecutionRoleArn"] == world.settings["MLOPS_ROLE_ARN"]
    (package,) = done.after_first.packages
    assert model["PrimaryContainer"]["ModelPackageName"] == package


def test_the_log_is_in_cloudwatch_and_in_the_run(done: Slice, job: dict[str, Any]) -> None:
    """A job whose log nobody sees is a job that nobody can mend."""
    name = job["TrainingJobName"]
    found = done.world.client("logs").filter_log_events(
        logGroupName=LOG_GROUP, logStreamNamePrefix=f"{name}/algo-1-"
    )
    lines = [event["message"] for event in found["events"]]
    metrics = [line for line in lines if line.startswith("train-rmse:")]
    assert len(metrics) == 1
    assert metrics[0] in done.first.output
    assert "cannot be read" not in done.first.output


def test_the_package_is_approved_and_holds_the_model_in_s3(
    done: Slice, job: dict[str, Any]
) -> None:
    """A registry that points at a file of some machine."""
    (arn,) = done.after_first.packages
    package = done.world.client("sagemaker").describe_model_package(ModelPackageName=arn)
    assert package["ModelApprovalStatus"] == "Approved"
    (container,) = package["InferenceSpecification"]["Containers"]
    uri = job["ModelArtifacts"]["S3ModelArtifacts"]
    assert container["ModelDataUrl"] == uri
    assert container["Image"] == done.world.settings["MLOPS_IMAGE_URI"]
    assert uri.removeprefix(f"s3://{BUCKET}/") in done.after_first.objects


def test_the_endpoint_answers(world: World) -> None:
    """InService says little: the model must be fetched from S3, loaded and asked."""
    endpoint = world.client("sagemaker").describe_endpoint(EndpointName="diabetes")
    assert endpoint["EndpointStatus"] == "InService"
    answer = world.client("sagemaker-runtime").invoke_endpoint(
        EndpointName="diabetes",
        ContentType="application/json",
        Body=json.dumps({"instances": [A_PATIENT]}),
    )
    (prediction,) = json.loads(answer["Body"].read())["predictions"]
    assert 25 < prediction < 346, "the range of the label"


def test_the_second_run_adopts_the_job_and_changes_nothing(done: Slice) -> None:
    """A rerun that pays for a second job, writes the lake anew or moves the endpoint."""
    assert len(done.after_first.jobs) == 1
    assert done.after_second == done.after_first
    assert "adopted, no second job is started" in done.second.output
    assert "as before" in done.second.output


def test_compute_logs_are_in_s3(done: Slice, job: dict[str, Any]) -> None:
    """The image's instance keeps what the runs print where the next container finds it."""
    prefix = f"dagster/compute-logs/storage/{done.first.id}/"
    kept = {
        key.rpartition(".")[2]: done.world.read(key)
        for key in done.world.objects(prefix)
        if not key.endswith(".partial")
    }
    assert set(kept) == {"out", "err"}
    assert "train-rmse:" in kept["out"], "the job's own lines"
    assert f"Training job {job['TrainingJobName']} was created." in kept["err"]
    assert "diabetes__scorecard - ML Test Score" in kept["err"], "the end, too"


def test_nothing_is_written_to_this_machines_home(world: World) -> None:
    """State that lives on one container's disk is lost with it."""
    assert not world.home.exists()
    assert list(world.user.rglob("*")) == []


def test_a_sagemaker_that_only_says_completed_is_not_believed(world: World) -> None:
    """Negative control: moto's own jobs are born Completed and leave no model.

    The same run asks it instead of our server, and must stop there, with nothing registered.
    """
    # Another image is another job, for which no model of the first one lies ready in S3.
    image = {"MLOPS_IMAGE_URI": world.settings["MLOPS_IMAGE_URI"].replace("ab", "cd")}
    elsewhere = replace(world, sagemaker=None, settings={**world.settings, **image})
    ran = elsewhere.materialize('key:"diabetes/model"+')
    assert not ran.success
    assert "model.tar.gz" in ran.output
    moto = replace(world, sagemaker=world.moto).client("sagemaker")
    assert len(moto.list_training_jobs()["TrainingJobSummaries"]) == 1, "it was asked"
    assert moto.list_model_package_groups()["ModelPackageGroupSummaryList"] == []
    assert moto.list_endpoints()["Endpoints"] == []


def test_a_missing_key_is_named_before_any_call(world: World) -> None:
    """Without it the run would train for hours and then be refused, or worse, not be."""
    nowhere = replace(
        world.without("MLOPS_KMS_KEY_ARN"),
        moto="http://127.0.0.1:1",
        sagemaker="http://127.0.0.1:1",
    )
    ran = nowhere.materialize("*")
    assert not ran.success
    assert "MLOPS_KMS_KEY_ARN is not set: MLOPS_ENV=aws needs the key" in ran.output
    assert "127.0.0.1:1" not in ran.output, "a call was tried"
