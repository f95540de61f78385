"""Predictions of a whole partition: each row's answer, by the model that serves, once."""

import dataclasses
import json

import pytest

from mlops_assets.pipeline import Batch
from mlops_assets.resources.sagemaker.hosting.payload import json_rows
from mlops_assets_tests import diabetes
from mlops_assets_tests.worlds import TestWorld, checks

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    home = tmp_path_factory.mktemp("predictions")
    diabetes.write_csv(home / "source")
    pipeline = dataclasses.replace(diabetes.declare(home / "source"), batch=Batch())
    found = TestWorld(home / "home", pipeline)
    yield found
    found.stop()


@pytest.fixture(scope="module")
def predicted(world):
    before = world.run("raw", "clean", "quarantine", "features", partition="all")
    assert before.success
    refused = world.run("predictions", partition="all")
    assert world.run(*world.pipeline.model_stations, partition="all").success
    return refused, world.run("predictions", partition="all")


def transform_jobs(world):
    return world.client.list_transform_jobs()["TransformJobSummaries"]


def test_each_row_has_the_endpoints_own_answer(world, predicted):
    """Rows and answers that slip by one are all plausible, and all wrong."""
    assert checks(predicted[1])["all_answered"].passed
    rows = world.lake.read("diabetes.features", ["all"])
    found = world.lake.read("diabetes.predictions", ["all"])
    assert found["patient"].tolist() == rows["patient"].tolist()
    asked = json_rows(rows, world.pipeline.feature_columns)[:40]
    answer = (
        world.resources["sagemaker"]
        .runtime()
        .invoke_endpoint(
            EndpointName="diabetes",
            ContentType="application/json",
            Body=json.dumps({"instances": asked}),
        )
    )
    told = json.loads(answer["Body"].read())["predictions"]
    assert found["prediction"].head(40).tolist() == pytest.approx(told, rel=1e-6)
    assert set(found["version"]) == {1}


def test_without_a_model_it_says_what_to_do(predicted):
    failed = next(e for e in predicted[0].all_events if e.is_step_failure)
    error = failed.step_failure_data.error
    words = (error.cause or error).message
    assert "nothing serves at endpoint diabetes" in words
    assert "Materialize diabetes/endpoint first" in words


def test_the_run_shows_the_job_its_cost_and_its_log(predicted):
    """What goes wrong in a batch is in the container's log, and that log is not Dagster's."""
    (event,) = predicted[1].asset_materializations_for_node("diabetes__predictions")
    assert event.metadata["instance"].value == "1 × ml.m5.large"
    assert event.metadata["cost_usd"].value >= 0
    assert not event.metadata["adopted"].value


def test_the_same_rows_and_model_are_paid_for_once(world, predicted):
    assert world.run("predictions", partition="all").success
    assert len(transform_jobs(world)) == 1
