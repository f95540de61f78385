"""Station ``performance`` over a registered model: labels that come late, in part, and wrong ones."""

import pandas as pd
import pytest

from mlops_assets.assets.monitoring import performance
from mlops_assets.assets.monitoring.labelled import labelled
from mlops_assets.assets.monitoring.records import HeldOutRecord, PerformanceRecord
from mlops_assets_tests.assets.monitoring.served_parcels import (
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
    assert world.run(*MODEL, partition=DAYS[2]).success
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
        raise AssertionError("judged again")

    monkeypatch.setattr(performance, "judge", never)
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
    late = pd.Series(1 - (captured["prediction"] > 0.5), index=captured["event_id"])
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
