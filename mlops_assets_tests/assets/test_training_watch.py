"""A training that is watched: its metrics are in MLflow, a rule warns of it or ends it."""

import dataclasses

import pytest
from mlflow.tracking import MlflowClient

from mlops_assets.assets.records import ModelRecord
from mlops_assets.ml.training_rules.stream import Exploding, LossNotDecreasing
from mlops_assets.ml.training_rules.trained import ClassImbalance, DeadFeatures
from mlops_assets.resources.experiments.tracking import RUN_TAG
from mlops_assets_tests import diabetes
from mlops_assets_tests.worlds import TestWorld, checks

pytestmark = pytest.mark.integration

# Prints a loss that never falls, and would go on for five minutes.
STUCK = """
import sys, time
for epoch in range(3000):
    print(f"train-rmse:{70.0}", flush=True)
    time.sleep(0.1)
"""
DATA = ("raw", "clean", "quarantine", "features")


def world_of(home, **training):
    pipeline = diabetes.declare(home / "source")
    changed = dataclasses.replace(pipeline.training, **training)
    return TestWorld(home / "home", dataclasses.replace(pipeline, training=changed))


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = tmp_path_factory.mktemp("watched")
    diabetes.write_csv(home / "source")
    world = world_of(home)
    assert world.run(*DATA, "splits", partition="all").success
    yield home
    world.stop()


def runs_of(world, job_name):
    client = MlflowClient(world.settings.mlflow_uri)
    experiment = client.get_experiment_by_name("diabetes")
    found = client.search_runs([experiment.experiment_id], f"tags.`{RUN_TAG}` = '{job_name}'")
    return list(found)


def newest_job(world):
    return world.client.list_training_jobs(SortBy="CreationTime", SortOrder="Descending")[
        "TrainingJobSummaries"
    ][0]


def test_a_training_is_in_mlflow_with_where_it_came_from(home):
    world = world_of(home, rules=(Exploding(metric="train:rmse"), DeadFeatures()))
    result = world.run("model", partition="all")
    assert result.success
    found = checks(result)["training_rules"]
    assert found.passed
    assert "2 rules found nothing" in found.description
    model = world.resources["store"].load(ModelRecord, "diabetes", "model", "all")
    (run,) = runs_of(world, model.job_name)
    assert run.info.status == "FINISHED"
    assert run.data.params["max_depth"] == "2"
    assert run.data.metrics.keys() == {"train:rmse", "holdout:rmse"}
    assert run.data.metrics["holdout:rmse"] == model.metrics["holdout:rmse"]
    assert run.data.tags["mlops.dataset"] == model.dataset_digest
    assert run.data.tags["dagster.run"] == result.run_id


def test_a_rule_ends_a_training_that_learns_nothing(home, tmp_path):
    """Five minutes of an instance are paid for nothing; the job's end must say why it ended."""
    script = tmp_path / "train.py"
    script.write_text(STUCK)
    rule = LossNotDecreasing(metric="train:rmse", over=3, stop=True)
    world = world_of(home, script=script, rules=(rule,))
    result = world.run("model", partition="all")
    assert not result.success
    failed = next(e for e in result.all_events if e.is_step_failure).step_failure_data.error
    words = (failed.cause or failed).message
    assert "The rule loss_not_decreasing(train:rmse) stopped it: train:rmse 70" in words
    job = newest_job(world)
    assert job["TrainingJobStatus"] == "Stopped"
    (run,) = runs_of(world, job["TrainingJobName"])
    assert run.info.status == "KILLED"
    assert "not decreasing" in run.data.tags["rule.loss_not_decreasing_train:rmse_"]


def test_without_stop_a_rule_only_warns(home):
    """The same finding, of a training that goes well enough to be kept."""
    world = world_of(home, rules=(ClassImbalance(share=0.9),))
    result = world.run("model", partition="all")
    assert result.success
    assert not checks(result)["training_rules"].passed


def test_mlflow_that_is_down_costs_no_training(home, monkeypatch):
    """Its run waits in the store, and is told by the next training that reaches MLflow."""
    monkeypatch.setenv("MLOPS_TRACKING_URI", "http://127.0.0.1:9")
    hyperparameters = {"num_boost_round": 7, "max_depth": 2, "learning_rate": 0.1}
    world = world_of(home, hyperparameters=hyperparameters)
    assert world.run("model", partition="all").success
    missed = newest_job(world)["TrainingJobName"]
    store = world.resources["store"]
    waiting = [info.uri for info in store.open().list(store.uri("experiments", "diabetes") + "/")]
    assert [uri.rpartition("/")[2] for uri in waiting] == [f"{missed}.json"]
    monkeypatch.undo()
    again = world_of(home)
    assert again.run("model", partition="all").success
    (run,) = runs_of(again, missed)
    assert run.info.status == "FINISHED"
