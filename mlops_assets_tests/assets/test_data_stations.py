"""raw → clean (+ quarantine) → features → splits, over a real lake: nothing lost or leaked."""

import json

import pandas as pd
import pytest

from mlops_assets.assets.records import SplitRecord
from mlops_assets_tests import deliveries, diabetes
from mlops_assets_tests.deliveries import DAYS, MadeParcels
from mlops_assets_tests.diabetes import write_csv
from mlops_assets_tests.worlds import TestWorld, checks, materialized

pytestmark = pytest.mark.integration
DATA = ("raw", "clean", "quarantine", "features")


@pytest.fixture
def world(tmp_path):
    return TestWorld(tmp_path, deliveries.declare())


def parcels(day: str, **changes) -> pd.DataFrame:
    delivered = MadeParcels().read(day).dropna(subset=["delivered_at"])
    row = delivered.tail(1).assign(parcel=f"{day}-extra")
    return row.assign(**changes)


def test_a_range_runs_as_one_run_and_fills_every_partition(world):
    result = world.run(*DATA, "splits", span=(DAYS[0], DAYS[-1]))
    assert result.success
    assert world.lake.partitions("deliveries.features") == list(DAYS)
    assert len(world.lake.read("deliveries.features", [DAYS[1]])) == 40
    records = {
        day: world.resources["store"].load(SplitRecord, "deliveries", "splits", day) for day in DAYS
    }
    assert records[DAYS[0]].method == "time", "the first day has no past to train on"
    assert records[DAYS[3]].train_partitions == (DAYS[1], DAYS[2])


def test_features_look_back_into_the_partition_before(world):
    """A parcel of the first hour knows the depot's evening before."""
    world.run(*DATA, partition=DAYS[0])
    world.run(*DATA, partition=DAYS[1])
    with_history = world.lake.read("deliveries.features", [DAYS[1]])
    alone = TestWorld(world.home / "alone", world.pipeline)
    result = alone.run(*DATA, partition=DAYS[1])
    without = alone.lake.read("deliveries.features", [DAYS[1]])
    assert without["recent_late"].notna().sum() < with_history["recent_late"].notna().sum()
    assert result.success
    assert not checks(result)["lookback"].passed, "a short history must be said"
    assert DAYS[0] in str(checks(result)["lookback"].description)


def test_point_in_time_features_pass(world):
    world.run(*DATA, partition=DAYS[0])
    result = world.run(*DATA, partition=DAYS[1])
    assert result.success
    assert "all identical" in str(checks(result)["point_in_time"].description)


def test_a_leaky_feature_stops_the_run(tmp_path):
    """Negative control: the same feature, allowed to see an hour too much."""
    world = TestWorld(tmp_path, deliveries.declare(features=deliveries.leaky_features))
    result = world.run(*DATA, "splits", partition=DAYS[0])
    assert not result.success
    found = checks(result)["point_in_time"]
    assert not found.passed
    assert "recent_late look into the future" in str(found.description)
    assert "splits" not in materialized(result)


def test_bad_rows_are_quarantined_with_reason_and_raw_values(tmp_path):
    bad = parcels(DAYS[0], weight=-1.0, depot="moon")
    source = MadeParcels(extra={DAYS[0]: bad})
    world = TestWorld(tmp_path, deliveries.declare(source=source))
    result = world.run("raw", "clean", "quarantine", partition=DAYS[0])
    quarantined = world.lake.read("deliveries.quarantine", [DAYS[0]])
    assert len(world.lake.read("deliveries.clean", [DAYS[0]])) + len(quarantined) == 41
    assert quarantined["row"].tolist() == [40]
    assert "weight" in quarantined["reasons"][0]
    assert "depot" in quarantined["reasons"][0]
    assert json.loads(quarantined["record"][0])["depot"] == "moon"
    # 1 of 41 rows is above the declared 1 %: the run stops, and both tables are there to look at.
    assert not result.success
    assert not checks(result)["quarantine_share"].passed


def test_too_many_bad_rows_stop_what_follows(tmp_path):
    source = MadeParcels(extra={DAYS[0]: parcels(DAYS[0], weight=-1.0)})
    world = TestWorld(tmp_path, deliveries.declare(source=source))
    result = world.run(*DATA, partition=DAYS[0])
    assert materialized(result) == {"raw", "clean", "quarantine"}


def test_a_missing_column_stops_at_raw_and_is_named(tmp_path):
    class Narrow(MadeParcels):
        def read(self, partition: str) -> pd.DataFrame:
            return super().read(partition).drop(columns="weight")

    world = TestWorld(tmp_path, deliveries.declare(source=Narrow()))
    result = world.run(*DATA, partition=DAYS[0])
    assert materialized(result) == {"raw"}
    assert "weight" in str(checks(result)["raw_schema"].description)


def test_an_empty_partition_is_an_explicit_empty_version(tmp_path):
    class Empty(MadeParcels):
        def read(self, partition: str) -> pd.DataFrame:
            return super().read(partition).iloc[:0]

    world = TestWorld(tmp_path, deliveries.declare(source=Empty()))
    result = world.run(*DATA, "splits", partition=DAYS[0])
    assert world.lake.partitions("deliveries.features") == [DAYS[0]]
    assert len(world.lake.read("deliveries.features", [DAYS[0]])) == 0
    assert not result.success
    failure = next(event for event in result.all_events if event.is_step_failure)
    assert "no labelled train rows" in failure.step_failure_data.error.message


def test_clean_may_not_drop_rows(tmp_path, monkeypatch):
    """Rows may be quarantined, never dropped: a filter in `clean` must be caught."""
    import dataclasses

    pipeline = dataclasses.replace(
        deliveries.declare(), clean=lambda df: deliveries.clean(df).iloc[1:]
    )
    result = TestWorld(tmp_path, pipeline).run("raw", "clean", "quarantine", partition=DAYS[0])
    assert not result.success
    failure = next(event for event in result.all_events if event.is_step_failure)
    assert "rows may be quarantined, never dropped" in failure.step_failure_data.error.message


def test_features_may_not_change_the_order_of_rows(tmp_path):
    """A sort inside `features` would give each row another row's label."""
    import dataclasses

    pipeline = dataclasses.replace(
        deliveries.declare(), features=lambda df, history: deliveries.features(df, history)[::-1]
    )
    result = TestWorld(tmp_path, pipeline).run(*DATA, partition=DAYS[0])
    failure = next(event for event in result.all_events if event.is_step_failure)
    assert "in the same order" in failure.step_failure_data.error.message


def test_running_again_changes_nothing(world):
    first = world.run(*DATA, "splits", partition=DAYS[0])
    heads = {s: world.lake.head(f"deliveries.{s}") for s in DATA}
    second = world.run(*DATA, "splits", partition=DAYS[0])
    assert first.success
    assert second.success
    assert {s: world.lake.head(f"deliveries.{s}") for s in DATA} == heads


def test_the_data_version_of_a_station_is_its_snapshot(world):
    result = world.run("raw", partition=DAYS[0])
    event = next(e for e in result.all_events if e.is_step_materialization)
    tags = event.step_materialization_data.materialization.tags
    assert tags["dagster/data_version"] == str(
        world.lake.partition_snapshot("deliveries.raw", DAYS[0])
    )


def test_another_partition_makes_no_new_split(world):
    """A split that named the lake's newest snapshot would become a new model version each day."""
    world.run(*DATA, "splits", partition=DAYS[0])
    store = world.resources["store"]
    before = store.load(SplitRecord, "deliveries", "splits", DAYS[0])
    world.run(*DATA, partition=DAYS[1])
    world.run("splits", partition=DAYS[0])
    assert store.load(SplitRecord, "deliveries", "splits", DAYS[0]) == before


def test_a_split_without_features_says_what_to_run_first(world):
    result = world.run("splits", partition=DAYS[0])
    failure = next(event for event in result.all_events if event.is_step_failure)
    message = failure.step_failure_data.error.message
    assert f"deliveries/features[{DAYS[0]}] is not in the lake" in message


def test_a_recorded_split_is_made_again_from_its_snapshot(world):
    """After late rows changed the partition, the recorded snapshot still gives the old dataset."""
    from mlops_assets.assets.splits import rebuild

    world.run(*DATA, "splits", span=(DAYS[0], DAYS[1]))
    store = world.resources["store"]
    record = store.load(SplitRecord, "deliveries", "splits", DAYS[1])
    late = MadeParcels(extra={DAYS[0]: parcels(DAYS[0])})
    changed = TestWorld(world.home, deliveries.declare(source=late))
    changed.run(*DATA, partition=DAYS[0])
    assert len(changed.lake.read("deliveries.features", [DAYS[0]])) == 41
    assert rebuild(changed.pipeline, changed.lake, store, record) == record.digest
    changed.run("splits", partition=DAYS[1])
    assert store.load(SplitRecord, "deliveries", "splits", DAYS[1]).digest != record.digest


def test_a_word_in_a_number_column_of_a_csv_costs_one_row(tmp_path):
    """pandas makes text of such a column: the partition failed, and the lake refused its type."""
    path = write_csv(tmp_path / "csv")
    world = TestWorld(tmp_path / "home", diabetes.declare(tmp_path / "csv"))
    assert world.run(*DATA, partition="all").success
    lines = path.read_text().splitlines()
    lines[5] = lines[5].replace(lines[5].split(",")[3], "unknown", 1)
    path.write_text("\n".join(lines) + "\n")
    assert world.run(*DATA, partition="all").success
    bad = world.lake.read("diabetes.quarantine", ["all"])
    assert bad["row"].tolist() == [4]
    assert "unknown" in bad["record"][0]
    assert len(world.lake.read("diabetes.clean", ["all"])) == 441
    assert world.lake.read("diabetes.clean", ["all"])["bmi"].dtype == "float64"
