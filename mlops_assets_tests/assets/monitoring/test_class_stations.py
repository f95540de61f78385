"""Every station that watches, for a label of several classes: none of them asks for one number."""

import json

import numpy as np
import pandas as pd
import pytest

from mlops_assets.assets.artifacts import fetch
from mlops_assets.assets.monitoring.captured.events import event_id, event_time
from mlops_assets.assets.monitoring.explaining.records import ExplanationRecord
from mlops_assets.assets.monitoring.fairness.records import BiasRecord
from mlops_assets.assets.monitoring.profiling.profiles import read_profile
from mlops_assets.assets.monitoring.quality.records import PerformanceRecord, StalenessRecord
from mlops_assets.assets.monitoring.reporting.health import parts, report
from mlops_assets.assets.records import EvaluationRecord, ModelRecord
from mlops_assets.ml.artifact.load import Artifact
from mlops_assets_tests import parcels_classes
from mlops_assets_tests.parcels_classes import CLASSES, DAYS, ROWS
from mlops_assets_tests.worlds import TestWorld, checks

pytestmark = pytest.mark.integration
AS_OF, CALM, TURNED = DAYS[2], DAYS[3], DAYS[4]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A model of three classes, registered, with captured answers of the two days after it."""
    world = TestWorld(tmp_path_factory.mktemp("classes"), parcels_classes.declare())
    assert world.run("raw", "clean", "quarantine", "features", span=(DAYS[0], DAYS[-1])).success
    made = world.run("splits", "model", "evaluation", "registered_model", partition=AS_OF)
    assert made.success
    capture(world, CALM)
    # The concept turns: what the model calls early comes late, and the other way round.
    capture(world, TURNED, order=[2, 1, 0])
    assert world.run("profile", "served_profile", span=(CALM, TURNED)).success
    yield world
    world.stop()


def capture(world: TestWorld, day: str, order=(0, 1, 2)) -> None:
    """What the station ``captures`` would write: the class most probable, and each one's share."""
    pipeline, store = world.pipeline, world.resources["store"]
    asked = world.lake.read(pipeline.table("features"), [day])
    model = store.load(ModelRecord, pipeline.name, "model", AS_OF)
    with fetch(store, model.artifact_uri) as directory:
        columns = {name: asked[name].to_numpy() for name in pipeline.feature_columns}
        answers = Artifact.load(directory).predict(columns)[:, list(order)]
    times = event_time(pipeline, asked)
    captured = pd.DataFrame(
        {
            "event_id": event_id(pipeline, asked),
            "event_time": times,
            "inference_time": times - pd.Timedelta(hours=1),
            "variant": "live",
            "version": 1,
            "prediction": answers.argmax(axis=1).astype(float),
            "capture_file": "made",
            "capture_line": range(1, len(asked) + 1),
            "left_out": "",
            **{name: answers[:, k] for k, name in enumerate(pipeline.label.answers)},
            **{name: asked[name] for name in pipeline.feature_columns},
        }
    )
    world.lake.write(pipeline.table("captures"), day, captured)


def record(world: TestWorld, kind, station: str, day: str):
    result = world.run(station, partition=day)
    assert result.success, station
    return world.resources["store"].load(kind, "deliveries", station, day), checks(result)


def test_the_gates_judge_it_by_its_own_metrics(world):
    store = world.resources["store"]
    found = store.load(EvaluationRecord, "deliveries", "evaluation", AS_OF)
    assert {"macro_f1", "log_loss", "accuracy", "auc"} <= set(found.metrics)
    assert found.metrics["log_loss"] < found.baselines["prior"]["log_loss"]


def test_its_quality_is_measured_and_estimated(world):
    found, passed = record(world, PerformanceRecord, "performance", CALM)
    assert found.status == "healthy", found.lines
    assert (found.captured, found.labelled) == (ROWS, ROWS)
    assert {"macro_f1", "error_rate", "calibration_gap"} <= set(found.metrics)
    assert found.estimate["accuracy"] == pytest.approx(found.metrics["accuracy"].value, abs=0.08)
    assert sum(point["rows"] for point in found.calibration) == ROWS
    assert {row["value"] for row in found.slices} == {"north", "south"}
    assert all(check.passed for check in passed.values()), passed


def test_a_concept_that_turns_pages(world):
    """The positive control: the same rows, and the classes mean something else."""
    found, passed = record(world, PerformanceRecord, "performance", TURNED)
    assert found.status == "failing"
    assert not passed["performance"].passed


def test_it_is_explained_class_by_class(world):
    found, passed = record(world, ExplanationRecord, "explanation", CALM)
    assert found.status == "healthy", found.words
    assert set(found.now.by_class) == set(found.now.bases) == set(CLASSES)
    assert next(iter(found.now.importance)) == "weight"
    for feature, size in found.now.importance.items():
        of_classes = [sizes[feature] for sizes in found.now.by_class.values()]
        assert size == pytest.approx(np.mean(of_classes))
    assert passed["attribution_drift"].passed
    store = world.resources["store"]
    uri = store.uri("monitoring", "deliveries", "explanation", CALM, "analysis.json")
    told = json.loads(store.open().read(uri))["explanations"]["kernel_shap"]
    assert set(told) == set(CLASSES), "Clarify gives each label its own global values"


def test_bias_knows_which_classes_are_positive(world):
    found, _ = record(world, BiasRecord, "bias", CALM)
    assert found.positive == "outcome is early or in time"
    (facet,) = found.facets
    figures = {figure.name: figure for figure in facet.served}
    assert figures["DPPL"].value > 0.1, "the north has fewer parcels that are early or in time"
    assert figures["FT"].low is not None
    assert found.status in ("healthy", "warning")


def test_classes_are_profiled_as_categories_and_drift_is_told(world):
    """As numbers their order would mean something, and a mean of classes is none."""
    for table, column in (("profile", "outcome"), ("served_profile", "prediction")):
        found = read_profile(world.pipeline, world.lake, [CALM], table=table)
        assert set(found.categorical[column].counts) == set(CLASSES)
    assert world.run("drift", partition=TURNED).success


def test_age_and_health_are_shown(world):
    assert world.run("staleness").success
    store = world.resources["store"]
    assert store.load(StalenessRecord, "deliveries", "staleness", "now").pairs
    found = parts(world.pipeline, store, world.resources["sagemaker"])
    made = report(world.pipeline, store, found)
    page = store.open().read(made.report_uri).decode()
    assert "the answered class was right" in page
