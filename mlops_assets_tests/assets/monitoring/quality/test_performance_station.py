"""Stations ``performance`` and ``staleness`` over one registered model, which is costly to make."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from mlops_assets.assets.monitoring.captured.events import event_id
from mlops_assets.assets.monitoring.captured.labelled import labelled
from mlops_assets.assets.monitoring.quality import performance_seeing, staleness, staleness_pairs
from mlops_assets.assets.monitoring.quality.records import (
    HeldOutRecord,
    PerformanceRecord,
    StalenessRecord,
)
from mlops_assets.assets.records import ModelRecord
from mlops_assets.ml.performance.staleness import expected_gain
from mlops_assets.pipeline import Endpoint
from mlops_assets_tests import diabetes
from mlops_assets_tests.assets.monitoring.answered_parcels import (
    AS_OF,
    DAYS,
    MODEL,
    ROWS,
    capture,
    declare,
    label,
)
from mlops_assets_tests.worlds import TestWorld, checks

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A model of the third day, registered; features of six days."""
    world = TestWorld(tmp_path_factory.mktemp("performance"), declare())
    assert world.run("raw", "clean", "quarantine", "features", span=(DAYS[0], DAYS[5])).success
    assert world.run(*MODEL, partition=AS_OF).success
    yield world
    world.stop()


def look(world: TestWorld, day: str, *, passes: bool = True):
    result = world.run("performance", partition=day)
    assert result.success, [str(event) for event in result.get_failed_step_keys()]
    record = world.resources["store"].load(PerformanceRecord, "deliveries", "performance", day)
    return record, checks(result), version_of(result)


def version_of(result) -> str:
    (event,) = result.asset_materializations_for_node("deliveries__performance")
    return str(event.tags["dagster/data_version"])


def test_answers_as_good_as_promised_are_healthy_and_nothing_is_done_twice(world, monkeypatch):
    """Labels that the source delivers itself count; the same inputs are not judged again."""
    capture(world, DAYS[3])
    record, found, version = look(world, DAYS[3])
    assert record.status == "healthy", record.lines
    assert (record.captured, record.labelled, record.expected) == (ROWS, ROWS, ROWS)
    assert record.versions == {"1": ROWS}
    assert record.held_out["log_loss"] == pytest.approx(0.5, abs=0.3)
    assert all(check.passed for check in found.values()), found
    assert set(found) == {"performance", "calibration", "coverage", "estimate"}

    def never(*_: object) -> None:
        raise AssertionError("read again")

    monkeypatch.setattr(performance_seeing, "labelled", never)
    again, _, same = look(world, DAYS[3])
    assert again == record
    assert same == version


def test_the_held_out_figures_are_the_registrys_own(world):
    capture(world, DAYS[3])
    record, _, _ = look(world, DAYS[3])
    package = world.client.describe_model_package(ModelPackageName=f"{world.pipeline.slug}/1")
    assert record.by_version[0].package_arn == package["ModelPackageArn"]
    store = world.resources["store"]
    (name,) = store.partitions("deliveries", "held_out")
    measured = store.load(HeldOutRecord, "deliveries", "held_out", name)
    assert measured.metrics["log_loss"].value == pytest.approx(record.held_out["log_loss"])


def test_labels_that_turn_out_otherwise_page_whatever_the_estimate_says(world):
    """The concept changed: late became the rule for what was never late."""
    captured = capture(world, DAYS[4])
    _, _, before = look(world, DAYS[4])
    late = (captured.set_index("event_id")["prediction"] < 0.5).astype(float)
    label(world, DAYS[5], late, known_at="2024-03-06T01:00")
    record, found, after = look(world, DAYS[4])
    assert after != before, "new labels are new inputs"
    assert record.status == "failing"
    assert not found["performance"].passed
    assert found["performance"].severity.value == "ERROR"
    assert found["estimate"].passed, "and the estimate saw nothing"
    assert record.estimate_error["log_loss"] > 0.5


def test_an_answer_that_nobody_captured_is_a_gap(world):
    capture(world, DAYS[5], rows=ROWS // 2)
    record, found, _ = look(world, DAYS[5])
    assert record.status == "unknown"
    assert not found["coverage"].passed
    assert not found["performance"].passed
    assert found["performance"].severity.value == "WARN"
    assert "50.0% of 400 events have no answer" in str(found["coverage"].description)


def test_a_partition_without_captures_is_unknown(world):
    record, found, _ = look(world, DAYS[0])
    assert (record.status, record.captured) == ("unknown", 0)
    assert not any(check.passed for check in found.values())


def test_answers_of_an_unknown_version_are_unknown(world):
    capture(world, DAYS[1], version=77)
    record, _, _ = look(world, DAYS[1])
    assert record.status == "unknown"
    assert record.by_version[0].package_arn is None


def test_a_range_is_one_run(world):
    result = world.run("performance", span=(DAYS[0], DAYS[3]))
    assert result.success
    assert len(labelled(world.pipeline, world.lake, DAYS[3])) == ROWS


def age(world: TestWorld):
    """Look at the models' age; the record, and the check."""
    result = world.run("staleness")
    assert result.success
    record = world.resources["store"].load(StalenessRecord, "deliveries", "staleness", "now")
    return record, checks(result)["staleness_known"]


def models(world: TestWorld, *days: str) -> None:
    """Records of models as of days, which have the one real model's artifact."""
    store = world.resources["store"]
    real = store.load(ModelRecord, "deliveries", "model", AS_OF)
    for day in days:
        digest = day.replace("-", "") + real.artifact_digest[8:]
        made = real.model_copy(update={"as_of": day, "artifact_digest": digest})
        store.save("deliveries", "model", day, made)


def test_one_model_alone_tells_nothing_of_age(world):
    record, check = age(world)
    assert (record.status, record.models, record.loss_per_partition) == ("unknown", 1, None)
    assert not check.passed
    assert [pair.age for pair in record.pairs] == [1, 2, 3]


def test_the_curve_of_a_back_test_and_no_pair_measured_twice(world, monkeypatch):
    age(world)
    measured = []
    score = staleness_pairs._score
    monkeypatch.setattr(staleness_pairs, "_score", lambda *a: measured.append(a) or score(*a))
    models(world, DAYS[1], DAYS[3], DAYS[4])
    record, check = age(world)
    assert len(measured) == 4 + 2 + 1, "the known model's pairs are not measured again"
    assert check.passed, check.description
    assert record.loss_per_partition.value == pytest.approx(0, abs=1e-9), "it is the same model"
    again, _ = age(world)
    assert again == record
    assert len(measured) == 7

    table = world.pipeline.table("features")
    world.lake.write(table, DAYS[5], world.lake.read(table, [DAYS[5]]).head(ROWS - 50))
    age(world)
    assert len(measured) == 7 + 4, "rows that changed are measured anew, by every model"

    pairs = staleness.known_pairs(world.pipeline, world.resources["store"])
    assert expected_gain(pairs, age=2, metric="log_loss").gain.value == pytest.approx(0, abs=1e-9)


def test_a_static_regression_is_watched_too(tmp_path):
    """One partition, no time, no probability: figures, no estimate, and what is no number told."""
    pipeline = dataclasses.replace(
        diabetes.declare(diabetes.write_csv(tmp_path / "csv").parent),
        endpoint=Endpoint(capture_share=1.0),
    )
    world = TestWorld(tmp_path / "home", pipeline)
    try:
        assert world.run("raw", "clean", "quarantine", "features", partition="all").success
        rows = world.lake.read("diabetes.features", ["all"])
        answers = rows["target"] + 10.0
        answers.iloc[:5] = np.inf
        captured = rows[list(pipeline.feature_columns)].assign(
            event_id=event_id(pipeline, rows),
            event_time=pd.Series(pd.NaT, index=rows.index, dtype="datetime64[us, UTC]"),
            inference_time=pd.Timestamp("2026-01-01", tz="UTC").as_unit("us"),
            variant="live",
            version=0,
            prediction=answers,
            capture_file="made",
            capture_line=1,
            left_out="",
        )
        world.lake.write("diabetes.captures", "all", captured)
        result = world.run("performance", partition="all")
        assert result.success
        assert set(checks(result)) == {"performance", "calibration", "coverage"}
        found = world.resources["store"].load(PerformanceRecord, "diabetes", "performance", "all")
        assert (found.captured, found.expected) == (len(rows) - 5, len(rows))
        assert found.metrics["bias"].value == pytest.approx(10)
        assert found.status == "unknown", "no package of the registry promised anything"
    finally:
        world.stop()
