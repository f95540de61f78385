"""The whole loop of images: from two days of them to a live endpoint whose answers are watched."""

import dataclasses
import json
import time

import pandas as pd
import pytest

from mlops_assets.assets.monitoring.captured.events import invocations
from mlops_assets.assets.records import EvaluationRecord
from mlops_assets.cli.demo import check_installed
from mlops_assets.cli.errors import CommandError
from mlops_assets.pipelines.digits import pipeline
from mlops_assets.pipelines.digits.source import DAYS, PIXELS
from mlops_assets_tests.worlds import TestWorld, checks

AS_OF = DAYS[1]
# Of 200 images a linear model makes as much: this is of the loop, not of the network's quality.
FAST = dataclasses.replace(
    pipeline,
    baselines=("prior",),
    training=dataclasses.replace(
        pipeline.training, hyperparameters={"epochs": 12, "learning_rate": 0.004}
    ),
    evaluation=dataclasses.replace(pipeline.evaluation, gates=()),
)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    pytest.importorskip("torch", reason="trains with torch: make test installs it where it can")
    pytest.importorskip("onnxscript", reason="torch exports to ONNX by onnxscript")
    world = TestWorld(tmp_path_factory.mktemp("digits"), FAST)
    yield world
    world.stop()


@pytest.fixture(scope="module")
def live(world):
    made = world.run("raw", "clean", "quarantine", "features", span=(DAYS[0], AS_OF))
    assert made.success
    result = world.run(*FAST.model_stations, partition=AS_OF)
    assert result.success
    return result


@pytest.mark.integration
def test_the_network_is_judged_and_serves(world, live):
    found = checks(live)
    assert all(check.passed for check in found.values()), [
        name for name, check in found.items() if not check.passed
    ]
    judged = world.resources["store"].load(EvaluationRecord, "digits", "evaluation", AS_OF)
    assert judged.rows == 200
    assert judged.metrics["accuracy"] > 0.7 > judged.baselines["prior"]["accuracy"]


def capture(world, rows: int) -> pd.DataFrame:
    """What was captured, once the endpoint has written the last of it (every few seconds)."""
    for _ in range(60):
        assert world.run("captures", partition=AS_OF).success
        captured = world.lake.read("digits.captures", [AS_OF])
        if len(captured) >= rows:
            break
        time.sleep(1)
    return captured


@pytest.mark.integration
def test_the_endpoint_tells_ten_probabilities_and_is_watched(world, live):
    """An answer that is a list must come through capture and be judged, not be taken for none."""
    rows = world.lake.read("digits.features", [AS_OF])
    runtime = world.resources["sagemaker"].runtime()
    said = []
    for (_, row), identity in zip(rows.iterrows(), invocations(FAST, rows), strict=True):
        body = {"instances": [{name: int(row[name]) for name in PIXELS}]}
        reply = runtime.invoke_endpoint(
            EndpointName="digits", ContentType="application/json",
            Body=json.dumps(body).encode(), **identity,
        )  # fmt: skip
        said += json.loads(reply["Body"].read())["predictions"]
    answers = pd.DataFrame(said)
    assert answers.shape == (len(rows), 10)
    assert answers.sum(axis=1).sub(1).abs().max() < 1e-5
    right = float((answers.to_numpy().argmax(axis=1) == rows["digit"]).mean())
    assert right > 0.7
    captured = capture(world, len(rows))
    assert captured["event_id"].nunique() == len(rows)
    assert world.run("performance", partition=AS_OF).success
    assert captured[list(FAST.label.answers)].notna().all(axis=None)
    assert captured["prediction"].eq(rows["digit"].to_numpy()).mean() == pytest.approx(right)


def test_without_torch_the_demo_says_at_once_what_to_install():
    """Found out by the training job, it would take a minute and be told by a traceback's end."""
    absent = dataclasses.replace(
        FAST, training=dataclasses.replace(FAST.training, needs=("json", "no_such_torch"))
    )
    with pytest.raises(CommandError, match=r"digits trains with no_such_torch, not installed for"):
        check_installed(absent)
    check_installed(
        dataclasses.replace(FAST, training=dataclasses.replace(FAST.training, needs=("json",)))
    )
