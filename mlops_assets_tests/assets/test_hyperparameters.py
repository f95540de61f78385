"""Hyperparameters that a search finds: on rows no gate sees, once, and again for a reason."""

import dataclasses
import json

import pytest

from mlops_assets.assets.hyperparameters import why_search
from mlops_assets.assets.records import HyperparametersRecord, ModelRecord, SplitRecord
from mlops_assets.pipeline import Continuous, Integer, Tuning
from mlops_assets.resources.datasets import read_split
from mlops_assets_tests import diabetes
from mlops_assets_tests.worlds import TestWorld, checks

TUNING = Tuning(
    ranges={"learning_rate": Continuous(0.01, 0.5, "log"), "max_depth": Integer(1, 4)},
    metric="holdout:rmse",
    strategy="Random",
    jobs=4,
    parallel=2,
    early_stopping=False,  # which job it stops depends on how fast the machine is
    seed=3,
)


def a_record(**changes):
    values = {
        "as_of": "2013-01-01", "searched_as_of": "2013-01-01", "reason": "", "hyperparameters": {},
        "code_version": "v1", "metric": "rmse", "best": 1.0, "held_out": "", "dataset_digest": "",
        "job_name": "j", "job_arn": "a", "trials": (),
    }  # fmt: skip
    return HyperparametersRecord(**{**values, **changes})


@pytest.mark.parametrize(
    ("last", "age", "every", "words", "again"),
    [
        (None, 0, None, "nothing has been searched yet", True),
        (a_record(), 7, None, "as of 2013-01-01 is 7 partitions old, and of the same code", False),
        (a_record(), 5, 6, "is 5 partitions old", False),
        (a_record(), 6, 6, "6 partitions old: a new one from 6 on", True),
        (a_record(code_version="v0"), 0, None, "the declaration changed since", True),
    ],
)
def test_a_search_is_made_again_for_a_reason_and_only_then(last, age, every, words, again):
    """A search costs many trainings: one too many is paid for, one too few serves the past."""
    tuning = dataclasses.replace(TUNING, every=every)
    reason, found = why_search(last, version="v1", tuning=tuning, age=age)
    assert words in reason
    assert found is again


def world_of(home, **changes):
    pipeline = diabetes.declare(home / "source")
    return TestWorld(home / "home", dataclasses.replace(pipeline, **{"tuning": TUNING, **changes}))


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = tmp_path_factory.mktemp("tuned")
    diabetes.write_csv(home / "source")
    return home


@pytest.fixture(scope="module")
def tuned(home):
    world = world_of(home)
    result = world.run(partition="all")
    yield world, result
    world.stop()


def load(world, kind, station):
    return world.resources["store"].load(kind, "diabetes", station, "all")


def searches(world):
    return world.client.list_hyper_parameter_tuning_jobs()["HyperParameterTuningJobSummaries"]


@pytest.mark.integration
def test_the_model_is_trained_with_the_best_that_was_found(tuned):
    world, result = tuned
    assert result.success
    record = load(world, HyperparametersRecord, "hyperparameters")
    values = [trial.value for trial in record.trials]
    assert len(values) == 4
    assert record.best == min(values)
    model = load(world, ModelRecord, "model")
    assert record.hyperparameters.keys() == TUNING.ranges.keys()
    assert record.hyperparameters.items() <= model.hyperparameters.items()
    found = checks(result)["tuned"]
    assert found.passed
    assert "4 training jobs as of all" in found.description


@pytest.mark.integration
def test_the_search_never_sees_what_the_gates_judge_on(tuned):
    """Hyperparameters chosen on the held-out rows pass their gates by having been chosen."""
    world, _ = tuned
    store = world.resources["store"]
    split = load(world, SplitRecord, "splits")
    judged = set(read_split(store.open(), split.dataset_uri, "holdout")["patient"])
    description = world.client.describe_hyper_parameter_tuning_job(
        HyperParameterTuningJobName=load(world, HyperparametersRecord, "hyperparameters").job_name
    )
    channels = description["TrainingJobDefinition"]["InputDataConfig"]
    uris = {c["ChannelName"]: c["DataSource"]["S3DataSource"]["S3Uri"] for c in channels}
    dataset = uris["holdout"].removesuffix("/holdout")
    searched_on = set(read_split(store.open(), dataset, "holdout")["patient"])
    rows = len(read_split(store.open(), dataset, "train"))
    assert searched_on
    assert not searched_on & judged
    assert rows + len(searched_on) == split.rows["train"]


@pytest.mark.integration
def test_a_search_is_used_again_until_the_declaration_changes(tuned, home):
    world, _ = tuned
    first = load(world, HyperparametersRecord, "hyperparameters")
    assert world.run("hyperparameters", partition="all").success
    again = load(world, HyperparametersRecord, "hyperparameters")
    assert len(searches(world)) == 1
    assert again.hyperparameters == first.hyperparameters
    assert "of the same code" in again.reason

    other = world_of(home, tuning=dataclasses.replace(TUNING, jobs=2, seed=4))
    assert other.run("hyperparameters", partition="all").success
    assert len(searches(world)) == 2
    assert "the declaration changed" in load(other, HyperparametersRecord, "hyperparameters").reason


@pytest.mark.integration
def test_what_is_shown_names_each_training_job(tuned):
    _, result = tuned
    (event,) = [
        e for e in result.all_events
        if e.is_step_materialization and e.asset_key.path[-1] == "hyperparameters"
    ]  # fmt: skip
    shown = event.materialization.metadata
    assert shown["training jobs"].value.count("Completed") == 4
    assert "data:image/png" in shown["history"].value
    assert json.dumps(shown["hyperparameters"].value)
