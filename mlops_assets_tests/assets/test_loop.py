"""The whole loop of the tiny pipeline: real jobs, a real endpoint, gates that really stop."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

from mlops_assets.pipeline import Evaluation, Gate
from mlops_assets.resources.sagemaker.registry import registry
from mlops_assets_tests.diabetes import declare, write_csv
from mlops_assets_tests.worlds import TestWorld, checks, materialized

pytestmark = [pytest.mark.integration, pytest.mark.slow]


@pytest.fixture
def make_world(tmp_path):
    """Worlds over one CSV file and one home; whatever they started is stopped at the end."""
    write_csv(tmp_path / "csv")
    worlds = []

    def make(**changes) -> TestWorld:
        pipeline = dataclasses.replace(declare(tmp_path / "csv"), **changes)
        worlds.append(TestWorld(tmp_path / "home", pipeline))
        return worlds[-1]

    yield make
    worlds[-1].stop()


def served(world: TestWorld) -> str:
    """The endpoint's configuration, which names what it serves."""
    return world.client.describe_endpoint(EndpointName=world.pipeline.slug)["EndpointConfigName"]


def ask(world: TestWorld) -> list[float]:
    rows = world.lake.read("diabetes.features", ["all"]).head(3)
    body = rows[list(world.pipeline.feature_columns)].to_dict("records")
    reply = (
        world.resources["sagemaker"]
        .runtime()
        .invoke_endpoint(
            EndpointName=world.pipeline.slug,
            ContentType="application/json",
            Body=json.dumps({"instances": body}),
        )
    )
    return json.loads(reply["Body"].read())["predictions"]


def test_from_a_csv_file_to_a_live_endpoint_and_again(make_world):
    world = make_world()
    first = world.run(partition="all")
    assert first.success
    assert materialized(first) == {
        "raw", "clean", "quarantine", "features", "splits", "model", "evaluation",
        "registered_model", "endpoint",
    }  # fmt: skip
    assert all(check.passed for check in checks(first).values())
    assert np.isfinite(ask(world)).all()

    package = registry.latest(world.client, "diabetes")
    assert package is not None
    assert package.lineage["as_of"] == "all"
    assert package.lineage["features_snapshot"] == str(world.lake.head("diabetes.features"))
    assert package.lineage["job_arn"].endswith(world.training_jobs()[0])
    assert set(package.metrics) == {"rmse", "mae", "r2", "bias"}

    config = served(world)
    again = world.run(partition="all")
    assert again.success
    assert len(world.training_jobs()) == 1, "the same request must adopt its finished job"
    assert served(world) == config
    newest = registry.latest(world.client, "diabetes")
    assert newest is not None
    assert newest.version == 1, "the same model must not become a second version"


def test_a_model_below_its_gate_is_never_registered(make_world):
    strict = Evaluation(primary="rmse", gates=(Gate(metric="rmse", at_most=1),))
    world = make_world(evaluation=strict)
    result = world.run(partition="all")
    assert not result.success
    assert "evaluation" in materialized(result)
    assert "registered_model" not in materialized(result)
    assert "needs rmse ≤ 1" in str(checks(result)["quality"].description)
    # Even if someone runs the rest by hand, the verdict is kept, and nothing is deployed.
    later = world.run("registered_model", "endpoint", partition="all")
    assert registry.latest(world.client, "diabetes", status=None) is None
    assert "endpoint" not in materialized(later)
    assert "No model passed its gates" in str(checks(later)["answers"].description)


def test_a_challenger_that_does_not_win_leaves_the_champion_serving(make_world):
    world = make_world()
    assert world.run(partition="all").success
    champion = served(world)
    weaker = dataclasses.replace(world.pipeline.training, hyperparameters={"num_boost_round": 20})
    challenger = make_world(training=weaker)
    result = challenger.run(partition="all")
    found = checks(result)["beats_champion"]
    assert not found.passed
    assert "the champion stays" in str(found.description)
    assert served(world) == champion


def test_manual_approval_waits_for_a_person(make_world):
    world = make_world(approval="manual")
    result = world.run(partition="all")
    assert result.success
    assert "endpoint" not in materialized(result)
    assert "approve it in the registry" in str(checks(result)["answers"].description)
    package = registry.latest(world.client, "diabetes", "PendingManualApproval")
    assert package is not None
    registry.set_approval(world.client, package.arn, "Approved", "looks good")
    assert world.run("endpoint", partition="all").success, "approval alone must be enough"
    assert np.isfinite(ask(world)).all()


def test_a_corrupt_artifact_stops_before_evaluation(make_world):
    """Bit rot, or someone's hand, between training and serving."""
    world = make_world()
    stations = ("raw", "clean", "quarantine", "features", "splits", "model")
    assert world.run(*stations, partition="all").success
    archive = next((world.home / "buckets").rglob("model.tar.gz"))
    archive.write_bytes(archive.read_bytes()[:-2000])
    result = world.run("model", "evaluation", partition="all")
    assert not result.success
    assert not checks(result)["artifact"].passed
    assert "evaluation" not in materialized(result)


RUN = """
    import dataclasses, sys
    from pathlib import Path
    import dagster as dg
    from mlops_assets_tests.diabetes import declare
    from mlops_assets_tests.worlds import TestWorld
    home = Path(sys.argv[1])
    world = TestWorld(home / "home", declare(home / "csv"))
    print("started", flush=True)
    sys.exit(0 if world.run(*sys.argv[2:], partition="all").success else 1)
"""


def run_process(home: Path, *stations: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(RUN), str(home), *stations],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
        env=os.environ,
    )


def wait_for(condition, seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError("what the test waits for did not happen")


def test_kill_9_in_the_middle_of_a_deployment(make_world, tmp_path):
    """The process that deploys dies after the endpoint was asked for: a rerun converges."""
    world = make_world()
    stations = ("raw", "clean", "quarantine", "features", "splits", "model", "evaluation")
    assert world.run(*stations, "registered_model", partition="all").success
    process = run_process(tmp_path, "endpoint")
    wait_for(lambda: world.client.list_endpoints()["Endpoints"] or process.poll() is not None)
    process.send_signal(signal.SIGKILL)
    process.wait()
    result = world.run("endpoint", partition="all")
    assert result.success
    assert np.isfinite(ask(world)).all()
    assert len(world.client.list_endpoints()["Endpoints"]) == 1
    assert len(world.client.list_models()["Models"]) == 1


def test_kill_9_in_the_middle_of_the_loop_pays_for_one_job(make_world, tmp_path):
    """The run's process dies while its job trains: the next run adopts the job."""
    world = make_world()
    process = run_process(tmp_path)
    wait_for(lambda: world.training_jobs() or process.poll() is not None)
    process.send_signal(signal.SIGKILL)
    process.wait()
    result = world.run(partition="all")
    assert result.success
    assert len(world.training_jobs()) == 1
    assert np.isfinite(ask(world)).all()
