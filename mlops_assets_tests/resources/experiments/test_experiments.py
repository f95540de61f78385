"""Every training is in MLflow once, whatever happened to MLflow or to who told it: all real."""

import socket

import pytest
from mlflow.tracking import MlflowClient

from mlops_assets.resources.experiments.experiments import Experiments
from mlops_assets.resources.experiments.run_log import Point, RunLog
from mlops_assets.resources.experiments.tracking import RUN_TAG
from mlops_assets.resources.records import Store

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def uri(tmp_path_factory):
    """A database that is made once: MLflow takes seconds to make its tables."""
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow') / 'mlflow.db'}"


@pytest.fixture
def store(tmp_path):
    return Store(bucket="bucket", objects=f"dir:{tmp_path / 'objects'}")


@pytest.fixture
def nobody():
    """The address of a tracking server that is down."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


def a_run(name):
    return RunLog(
        experiment="parcels",
        name=name,
        started_ms=1_000,
        params={"max_depth": "6"},
        tags={"dagster.run": "r1", "snapshot": "17"},
        artifacts={"request.json": "{}"},
    )


def some_points(start=0):
    return [
        Point(metric="train:loss", value=1 / (step + 1), at_ms=2_000 + step, step=step)
        for step in range(start, start + 3)
    ]


def runs_of(uri, name):
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("parcels")
    found = client.search_runs([experiment.experiment_id]) if experiment else []
    return [run for run in found if run.data.tags.get(RUN_TAG) == name]


def history(uri, run):
    found = MlflowClient(uri).get_metric_history(run.info.run_id, "train:loss")
    return [(metric.step, metric.value) for metric in found]


def test_a_run_is_told_with_all_that_is_known_of_it(store, uri, tmp_path):
    recorder = Experiments(store, uri, (tmp_path / "files").as_uri()).begin(a_run("whole"))
    recorder.points(some_points())
    recorder.end("FINISHED")
    (run,) = runs_of(uri, "whole")
    assert recorder.problem == ""
    assert run.info.run_id == recorder.run_id
    assert (run.info.status, run.info.start_time) == ("FINISHED", 1_000)
    assert run.data.params == {"max_depth": "6"}
    assert run.data.tags["snapshot"] == "17"
    assert history(uri, run) == [(0, 1.0), (1, 0.5), (2, 1 / 3)]
    files = [file.path for file in MlflowClient(uri).list_artifacts(run.info.run_id)]
    assert files == ["request.json"]


def test_a_failed_run_is_there_too(store, uri, tmp_path):
    Experiments(store, uri, tmp_path.as_uri()).begin(a_run("failed")).end("FAILED")
    (run,) = runs_of(uri, "failed")
    assert run.info.status == "FAILED"


def test_who_died_is_gone_on_from_without_a_second_run_or_point(store, uri, tmp_path):
    """A killed step's successor adopts the job and reads its log from the first line on."""
    first = Experiments(store, uri, tmp_path.as_uri()).begin(a_run("adopted"))
    first.points(some_points())
    again = Experiments(store, uri, tmp_path.as_uri()).begin(a_run("adopted"))
    again.points([*some_points(), *some_points(3)])
    again.end("FINISHED")
    (run,) = runs_of(uri, "adopted")
    assert [step for step, _ in history(uri, run)] == [0, 1, 2, 3, 4, 5]


def test_what_a_dead_server_missed_is_told_once_when_it_is_back(store, uri, nobody, tmp_path):
    """MLflow down: training goes on, nothing of the run is lost, and it is told once."""
    recorder = Experiments(store, nobody).begin(a_run("missed"))
    recorder.points(some_points())
    recorder.end("FINISHED")
    assert recorder.problem
    assert runs_of(uri, "missed") == []
    back = Experiments(store, uri, tmp_path.as_uri())
    assert (back.replay("parcels"), back.replay("parcels")) == (1, 0)
    (run,) = runs_of(uri, "missed")
    assert run.info.status == "FINISHED"
    assert len(history(uri, run)) == 3


def test_a_run_that_mlflow_refuses_holds_no_other_up(store, uri, nobody, tmp_path):
    """One name too many for MLflow, and nothing would ever be told again."""
    refused = a_run("a-refused")
    refused.experiment = "parcels"
    refused.params = {"": "no name"}
    Experiments(store, nobody).begin(refused).end("FINISHED")
    Experiments(store, nobody).begin(a_run("b-fine")).end("FINISHED")
    assert Experiments(store, uri, tmp_path.as_uri()).replay("parcels") == 1
    assert len(runs_of(uri, "b-fine")) == 1


def test_the_next_run_brings_what_waits_along(store, uri, nobody, tmp_path):
    Experiments(store, nobody).begin(a_run("waiting")).end("FINISHED")
    Experiments(store, uri, tmp_path.as_uri()).begin(a_run("next")).end("FINISHED")
    assert len(runs_of(uri, "waiting")) == len(runs_of(uri, "next")) == 1


def test_without_mlflow_nothing_is_told_and_nothing_kept(store):
    """In AWS until a tracking server is declared: no error, and no spool that only grows."""
    recorder = Experiments(store, "").begin(a_run("alone"))
    recorder.points(some_points())
    recorder.end("FINISHED")
    assert (recorder.run_id, recorder.problem) == ("", "")
    assert list(store.open().list(store.uri("experiments"))) == []


def test_nan_survives_the_spool(store, uri, nobody, tmp_path):
    """JSON has no NaN: a diverged training's curve must not be what breaks its record."""
    recorder = Experiments(store, nobody).begin(a_run("diverged"))
    recorder.points([Point(metric="train:loss", value=float("nan"), at_ms=1, step=0)])
    recorder.end("FAILED")
    assert Experiments(store, uri, tmp_path.as_uri()).replay("parcels") == 1
    (run,) = runs_of(uri, "diverged")
    assert len(history(uri, run)) == 1


def test_sagemakers_tracking_server_is_reached_by_its_plugin():
    """An ARN is no URI that MLflow itself knows."""
    from mlflow.tracking._tracking_service.utils import _tracking_store_registry

    assert "arn" in _tracking_store_registry._registry
