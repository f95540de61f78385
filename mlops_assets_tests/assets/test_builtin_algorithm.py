"""A pipeline without a script: AWS's XGBoost by name, from raw rows to answers, on this machine."""

import dataclasses
import json
from types import SimpleNamespace

import pytest

from mlops_assets.assets.artifacts import fetch
from mlops_assets.assets.from_aws import sealed_artifact
from mlops_assets.assets.records import ModelRecord, SplitRecord
from mlops_assets.cli.reproduce import compare, train_again
from mlops_assets.ml.artifact.load import Artifact
from mlops_assets.pipeline import AwsImage, Continuous, Training, Tuning
from mlops_assets.resources.sagemaker.registry import registry
from mlops_assets_tests.diabetes import declare, write_csv
from mlops_assets_tests.worlds import TestWorld, checks

pytestmark = pytest.mark.integration

ALGORITHM = Training(
    algorithm="xgboost",
    hyperparameters={"num_round": 60, "max_depth": 2, "eta": 0.1, "eval_metric": "rmse,mae"},
)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    home = tmp_path_factory.mktemp("algorithm")
    write_csv(home / "rows")
    pipeline = dataclasses.replace(
        declare(home / "rows", name="plain"),
        training=ALGORITHM,
        tuning=Tuning(ranges={"eta": Continuous(0.05, 0.2)}, metric="validation:rmse", jobs=2),
    )
    world = TestWorld(home, pipeline)
    yield world
    world.stop()


@pytest.fixture(scope="module")
def live(world):
    """The whole loop; the record of its model, and the job as SageMaker describes it."""
    result = world.run(partition="all")
    assert result.success
    assert all(check.passed for check in checks(result).values())
    record = world.resources["store"].load(ModelRecord, "plain", "model", "all")
    return record, world.client.describe_training_job(TrainingJobName=record.job_name)


def test_the_job_is_one_that_the_algorithm_takes(world, live):
    """Extraneous channels and metric definitions end such a job in AWS, minutes after its start."""
    _, job = live
    algorithm = job["AlgorithmSpecification"]
    assert algorithm["TrainingImage"].endswith("/sagemaker-xgboost:3.2-0")
    assert not algorithm.get("MetricDefinitions")
    channels = {c["ChannelName"]: c["ContentType"] for c in job["InputDataConfig"]}
    assert channels == {"train": "text/csv", "validation": "text/csv"}
    told = job["HyperParameters"]
    assert told["objective"] == "reg:squarederror"
    assert not [name for name in told if name.startswith("sagemaker_") or name == "label"]
    found = {m["MetricName"]: m["Value"] for m in job["FinalMetricDataList"]}
    assert found.keys() == {"train:rmse", "train:mae", "validation:rmse", "validation:mae"}
    assert found["train:rmse"] < found["validation:rmse"]
    # The search's, not the declared one.
    assert told["eta"] != "0.1"


def test_its_model_is_sealed_served_and_watched(world, live):
    """A booster alone has no columns: who asks by name must get the booster's own answers."""
    record, job = live
    assert record.artifact_uri != job["ModelArtifacts"]["S3ModelArtifacts"]
    with fetch(world.resources["store"], record.artifact_uri) as directory:
        artifact = Artifact.load(directory)
        shares = json.loads((directory / "importance.json").read_text())
    assert artifact.manifest.check.max_abs_diff < 1e-3  # of targets up to 346
    assert set(shares) == set(world.pipeline.feature_columns)
    assert max(shares, key=shares.get) in ("bmi", "s5")
    package = registry.latest(world.client, world.pipeline.slug)
    described = world.client.describe_model_package(ModelPackageName=package.arn)
    image = described["InferenceSpecification"]["Containers"][0]["Image"]
    assert image == world.resources["placement"].image_uri
    rows = world.lake.read("plain.features").head(3)
    asked = json.loads(rows[list(world.pipeline.feature_columns)].to_json(orient="records"))
    reply = (
        world.resources["sagemaker"]
        .runtime()
        .invoke_endpoint(
            EndpointName="plain",
            ContentType="application/json",
            Body=json.dumps({"instances": asked}).encode(),
        )
    )
    answers = json.loads(reply["Body"].read())["predictions"]
    assert answers == pytest.approx(rows["target"].tolist(), rel=0.7)
    assert len({round(answer) for answer in answers}) == 3


def test_its_model_is_made_again_byte_for_byte(world, live):
    """What the platform adds to the booster must follow from what was recorded, too."""
    record, job = live
    again = train_again(SimpleNamespace(sagemaker=world.resources["sagemaker"]), job)
    split = world.resources["store"].load(SplitRecord, "plain", "splits", "all")
    uri = sealed_artifact(world.pipeline, world.resources["store"], split.dataset_uri, again)
    assert uri != record.artifact_uri
    assert not compare(world.resources["store"], record.artifact_uri, uri).differing


def test_a_framework_image_trains_what_the_platform_then_seals(world, live):
    """AWS's images do not seal: unsealed, the model's own check would have failed the run."""
    script = declare(world.home / "rows", name="plain").training
    image = AwsImage(framework="sklearn", version="1.4-2", python="py3")
    pipeline = dataclasses.replace(
        world.pipeline, tuning=None, training=dataclasses.replace(script, image=image)
    )
    other = dataclasses.replace(world, pipeline=pipeline)
    assert other.run("model", partition="all").success
    record = other.resources["store"].load(ModelRecord, "plain", "model", "all")
    job = world.client.describe_training_job(TrainingJobName=record.job_name)
    assert "/sagemaker-scikit-learn:1.4-2" in record.image
    assert record.artifact_uri.startswith(other.resources["store"].uri("artifacts", "plain"))
    assert job["HyperParameters"]["sagemaker_program"] == "train.py"
