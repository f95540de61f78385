"""`mlops reproduce`: the same bytes from the same record, and other bytes are told."""

import os
from dataclasses import replace

import pandas as pd
import pytest

from mlops_assets.cli.errors import CommandError
from mlops_assets.cli.reproduce import again_request, compare, compared, run, train_again
from mlops_assets.cli.world import World, console
from mlops_assets.ml.artifact.manifest import Check, Manifest
from mlops_assets.resources.sagemaker.registry import registry
from mlops_assets_tests.diabetes import write_csv
from mlops_assets_tests.worlds import TestWorld


def manifest(**training: object) -> Manifest:
    environment = {"python": "3.11.9", "packages": {"numpy": "2.4.1"}, "lock": "a"}
    return Manifest(
        kind="binary",
        label="y",
        columns=(),
        width=1,
        files={"model.ubj": "0" * 64},
        training={"seed": 1, "environment": environment, **training},
        check=Check(1000, 0.0),
    )


def test_another_release_of_a_package_is_told_and_fails_nothing():
    """An extra torch in the environment once made every reproduction fail."""
    newer = {"python": "3.11.9", "packages": {"numpy": "2.4.2", "torch": "2.13"}, "lock": "b"}
    found = compared(manifest(), manifest(environment=newer))
    assert found.differing == ()
    assert found.notes == ("numpy was 2.4.1, is 2.4.2", "torch was absent, is 2.13")


def test_other_parameters_differ_also_where_no_file_does():
    found = compared(manifest(), manifest(seed=2))
    assert found.differing == ("manifest.json",)


def test_other_bytes_differ():
    other = replace(manifest(), files={"model.ubj": "1" * 64, "more.json": "2" * 64})
    assert compared(manifest(), other).differing == ("model.ubj", "more.json")


def test_a_manifest_of_an_older_release_lacks_what_it_did_not_record():
    older = replace(manifest(), training={"frameworks": {"numpy": "2.4.1"}})
    assert compared(older, manifest()).differing == ()


def test_a_repetition_has_no_checkpoint_and_no_listener():
    """A finished checkpoint would be restored: nothing trained, and equal bytes for sure."""
    request = again_request(
        {
            "InputDataConfig": [{"ChannelName": "train"}, {"ChannelName": "dagster"}],
            "HyperParameters": {"seed": "3"},
            "StoppingCondition": {"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 90},
            "EnableManagedSpotTraining": True,
            "CheckpointConfig": {"S3Uri": "s3://b/c"},
            "Environment": {"DAGSTER_PIPES_CONTEXT": "x", "OMP_NUM_THREADS": "1"},
        },
        "again",
    )
    assert request == {
        "TrainingJobName": "again",
        "InputDataConfig": [{"ChannelName": "train"}],
        "HyperParameters": {"seed": "3"},
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
        "Environment": {"OMP_NUM_THREADS": "1"},
    }


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A registered model of a pipeline whose seed matters, trained on spot instances."""
    home = tmp_path_factory.mktemp("reproduce")
    write_csv(home / "csv")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLOPS_HOME", str(home / "home"))
        patch.setenv("MLOPS_PIPELINES", "mlops_assets_tests.cli.seeded")
        patch.setenv("SEEDED_CSV", str(home / "csv"))
        from mlops_assets_tests.cli.seeded import pipeline

        made = TestWorld(home / "home", pipeline)
        loop = made.loop[: made.loop.index("registered_model") + 1]
        assert made.run(*loop, partition="all").success
        yield World.open()
        made.stop()


@pytest.fixture(scope="module")
def package(home):
    groups = home.sagemaker.client().list_model_packages(ModelPackageGroupName="seeded")
    (summary,) = groups["ModelPackageSummaryList"]
    return registry.describe(home.sagemaker.client(), summary["ModelPackageArn"])


@pytest.fixture(scope="module")
def original(home, package):
    name = package.lineage["job_arn"].rpartition("/")[2]
    return home.sagemaker.client().describe_training_job(TrainingJobName=name)


def differing(home, package, description) -> tuple[str, ...]:
    again = train_again(home, description)["ModelArtifacts"]["S3ModelArtifacts"]
    return compare(home.store, package.model_data_url, again).differing


@pytest.mark.integration
def test_the_record_has_the_lock_and_the_seed(package):
    assert package.lineage["seed"] == "3"
    assert len(package.lineage["environment_lock"]) == 64


@pytest.mark.integration
def test_the_same_bytes_without_the_checkpoint(home, package, original):
    """The finished checkpoint is another model here: who restores it does not reproduce."""
    objects, uri = home.store.open(), original["CheckpointConfig"]["S3Uri"]
    stored = [info.uri for info in objects.list(uri)]
    assert any(each.endswith("model.ubj") for each in stored), "the script left a checkpoint"
    for each in stored:
        objects.write(each, b"the model of somebody else")
    with console.capture() as said:
        run(package.arn)
    assert "byte for byte" in said.get()
    assert "seed 3" in said.get()


@pytest.mark.integration
def test_another_seed_differs(home, package, original):
    seeded = {**original, "HyperParameters": {**original["HyperParameters"], "seed": "4"}}
    assert "model.ubj" in differing(home, package, seeded)


@pytest.mark.integration
def test_changed_data_differ(home, package, original):
    """Somebody wrote over the dataset that the job reads: the lake's rows are as they were."""
    objects = home.store.open()
    uri = next(
        each["DataSource"]["S3DataSource"]["S3Uri"]
        for each in original["InputDataConfig"]
        if each["ChannelName"] == "train"
    )
    (part,) = [info.uri for info in objects.list(uri)]
    before = objects.read(part)
    local = os.path.join(os.environ["MLOPS_HOME"], "changed.parquet")
    with open(local, "wb") as file:
        file.write(before)
    rows = pd.read_parquet(local)
    rows.assign(target=rows["target"] + 1).to_parquet(local, index=False)
    with open(local, "rb") as file:
        objects.write(part, file.read())
    try:
        with pytest.raises(CommandError, match=r"not reproduced: .*model\.ubj differs"):
            run(package.arn)
    finally:
        objects.write(part, before)
