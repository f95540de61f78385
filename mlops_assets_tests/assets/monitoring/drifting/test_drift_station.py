"""Station ``drift`` as Dagster runs it: what it says of whole, moved and broken days."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mlops_assets.assets.monitoring.drifting.drift_baseline import (
    CHAMPION,
    KnownChampion,
    ProfiledRows,
)
from mlops_assets.assets.monitoring.drifting.records import DriftRecord
from mlops_assets.assets.monitoring.profiling import profiles
from mlops_assets.pipeline import MLPipeline
from mlops_assets.sagemaker_local import lifecycle
from mlops_assets_tests.assets.monitoring.drifting.drifting_parcels import DAYS, declare
from mlops_assets_tests.diabetes import declare as declare_diabetes
from mlops_assets_tests.diabetes import write_csv
from mlops_assets_tests.worlds import TestWorld, checks

pytestmark = pytest.mark.integration

WATCHING = ("profile", "drift")


def metric(day: pd.DataFrame) -> pd.DataFrame:
    return day.assign(weight=day["weight"] * 2.204623, height=day["height"] * 2.54)


def heavier(day: pd.DataFrame) -> pd.DataFrame:
    return day.assign(weight=day["weight"] + 2.5)


def later(day: pd.DataFrame) -> pd.DataFrame:
    return day.assign(late=(np.arange(len(day)) % 5 < 3).astype(float))


def gap(day: pd.DataFrame) -> pd.DataFrame:
    return day[~day["promised_at"].dt.hour.between(9, 11)]


def twice(day: pd.DataFrame) -> pd.DataFrame:
    again = day[day["promised_at"].dt.hour == 22]
    return pd.concat([day, again.assign(parcel=again["parcel"] + " again")])


def unfinished(day: pd.DataFrame) -> pd.DataFrame:
    return day[day["promised_at"].dt.hour < 17]


def permuted(day: pd.DataFrame) -> pd.DataFrame:
    order = np.random.default_rng(0).permutation(len(day))
    return day.assign(height=day["height"].to_numpy()[order])


def filled(home: Path, days: Sequence[str], pipeline: MLPipeline) -> TestWorld:
    """A world whose ``features`` are there, as the stations before would have written them."""
    world = TestWorld(home, pipeline)
    for day in days:
        world.lake.write("parcels.features", day, pipeline.source.read(day))
    return world


def record(world: TestWorld, day: str) -> DriftRecord:
    return world.resources["store"].load(DriftRecord, world.pipeline.name, "drift", day)


def kinds(found: DriftRecord) -> set[tuple[str | None, str]]:
    return {(finding.column, finding.kind) for finding in found.findings}


@pytest.fixture(scope="module")
def broken_days(tmp_path_factory):
    """Fourteen days, the later ones broken each in its way, run at once."""
    broken = {
        DAYS[7]: later,
        DAYS[8]: metric, DAYS[9]: heavier, DAYS[10]: gap, DAYS[11]: twice, DAYS[12]: unfinished,
        DAYS[13]: permuted,
    }  # fmt: skip
    world = filled(tmp_path_factory.mktemp("days"), DAYS, declare(broken))
    result = world.run(*WATCHING, span=(DAYS[0], DAYS[13]))
    assert result.success, "a warning must never stop new data"
    return world, result


def test_unchanged_days_are_healthy_and_the_first_is_unknown(broken_days):
    world, _ = broken_days
    assert record(world, DAYS[0]).status == "unknown"
    assert record(world, DAYS[0]).baseline_kind == "none"
    for day in DAYS[1:7]:
        found = record(world, day)
        assert (found.status, found.findings) == ("healthy", ()), day
        assert found.baseline_kind == "earlier"
        assert found.profile_snapshot is not None


@pytest.mark.parametrize(
    ("day", "expected", "status"),
    [
        (DAYS[7], {("late", "label_drift")}, "warning"),
        (DAYS[8], {("weight", "unit"), ("height", "unit")}, "failing"),
        (DAYS[9], {("weight", "drift")}, "warning"),
        (DAYS[10], {(None, "gap")}, "warning"),
        (DAYS[11], {(None, "duplicates")}, "warning"),
        (DAYS[12], {(None, "late")}, "warning"),
    ],
)
def test_each_broken_day_says_what_is_wrong_with_it(broken_days, day, expected, status):
    world, _ = broken_days
    found = record(world, day)
    assert kinds(found) == expected
    assert found.status == status


def test_checks_warn_of_drift_and_tell_broken_data_apart(broken_days):
    _, result = broken_days
    found = checks(result)
    assert not found["drift"].passed
    assert found["drift"].severity.value == "WARN"
    assert f"{DAYS[9]}: weight: moved" in str(found["drift"].description)
    assert not found["data_quality"].passed
    assert found["data_quality"].severity.value == "ERROR"
    assert "kilograms are now pounds" in str(found["data_quality"].description)
    assert DAYS[9] not in str(found["data_quality"].description)


def test_nothing_is_started_by_new_data(broken_days):
    """The local SageMaker API must not come up because rows came in."""
    world, _ = broken_days
    assert lifecycle.running(world.settings.sagemaker_home) is None


def test_sagemakers_files_name_the_columns(broken_days):
    world, _ = broken_days
    store = world.resources["store"]
    base = ("monitoring", "parcels", "drift", DAYS[8])
    told = json.loads(store.open().read(store.uri(*base, "constraint_violations.json")))
    assert {v["feature_name"] for v in told["violations"]} == {"weight", "height"}
    promised = json.loads(store.open().read(store.uri(*base, "constraints.json")))
    assert [f["name"] for f in promised["features"]] == [
        "weight",
        "height",
        "depot",
    ]


def test_what_was_unknown_becomes_known_with_a_champion(broken_days):
    """Its training days are the baseline, without the day itself; its importances weigh."""
    world, _ = broken_days
    store = world.resources["store"]
    known = KnownChampion(
        package_arn="arn:package/1",
        artifact_digest="0" * 64,
        features_snapshot="1",
        first=DAYS[0],
        last=DAYS[3],
        importance={"weight": 3.0, "depot=north": 1.0},
    )
    store.save("parcels", CHAMPION, "last", known)
    assert world.run("drift", span=(DAYS[0], DAYS[9])).success
    first = record(world, DAYS[0])
    assert (first.baseline_kind, first.status) == ("champion", "healthy")
    assert "2024-03-02 to 2024-03-04 (3 partitions)" in first.baseline
    moved = record(world, DAYS[9])
    assert moved.package_arn == "arn:package/1"
    assert moved.matters == pytest.approx(0.75)
    assert moved.findings[0].importance == pytest.approx(0.75)
    assert record(world, DAYS[5]).matters == 0


def test_a_join_on_the_wrong_key_is_seen_by_the_classifier_alone(broken_days):
    world, _ = broken_days
    blind = record(world, DAYS[13])
    assert (blind.status, blind.findings) == ("healthy", ()), "no single column changed"
    seeing = TestWorld(world.home, declare(classifier=True))
    assert seeing.run("drift", partition=DAYS[13]).success
    assert kinds(record(seeing, DAYS[13])) == {(None, "classifier")}
    assert seeing.run("drift", partition=DAYS[6]).success
    assert record(seeing, DAYS[6]).findings == (), "whole rows are not told apart"


def test_answers_that_moved_are_prediction_drift(broken_days):
    """Compared with those of earlier partitions; where nobody was asked there is nothing to say."""
    world, _ = broken_days
    rng = np.random.default_rng(0)
    for day, answers in ((DAYS[1], (2, 6)), (DAYS[2], (2, 6)), (DAYS[3], (6, 6))):
        asked = pd.DataFrame({"prediction": rng.beta(*answers, 600)})
        made = profiles.make(world.pipeline, world.resources["store"], asked)
        table = profiles.as_table(world.pipeline, day, made)
        world.lake.write("parcels.served_profile", day, table)
    assert world.run("drift", span=(DAYS[1], DAYS[3])).success
    assert kinds(record(world, DAYS[2])) == set()
    assert kinds(record(world, DAYS[3])) == {("prediction", "prediction_drift")}


def test_a_static_partition_is_compared_with_what_its_champion_learnt(tmp_path):
    """New data overwrite the partition: its former profile is read as of then."""
    rows = pd.read_csv(write_csv(tmp_path / "csv"))
    world = TestWorld(tmp_path / "home", declare_diabetes(tmp_path / "csv"))
    world.lake.write("diabetes.features", "all", rows)
    assert world.run(*WATCHING, partition="all").success
    store, first = world.resources["store"], record(world, "all")
    assert first.baseline_kind == "none"
    trained = world.lake.partition_snapshot("diabetes.features", "all")
    assert store.load(ProfiledRows, "diabetes", "profiled_rows", str(trained))
    known = KnownChampion(
        package_arn="arn:package/1", artifact_digest="0" * 64, features_snapshot=str(trained),
        first="all", last="all", importance={},
    )  # fmt: skip
    store.save("diabetes", CHAMPION, "last", known)
    assert world.run("drift", partition="all").success
    same = record(world, "all")
    assert (same.baseline_kind, same.status, same.matters) == ("champion", "healthy", None)
    world.lake.write("diabetes.features", "all", rows.assign(bmi=rows["bmi"] * 1.4))
    assert world.run(*WATCHING, partition="all").success
    assert kinds(record(world, "all")) == {("bmi", "drift"), ("bmi", "range")}


def test_a_partition_without_a_profile_says_how_to_make_one(tmp_path):
    world = filled(tmp_path, DAYS[:2], declare())
    assert world.run("profile", partition=DAYS[0]).success
    result = world.run("drift", partition=DAYS[1])
    assert not result.success
    failures = [e for e in result.all_events if e.is_step_failure]
    assert "Materialize it first" in str(failures[0].step_failure_data.user_failure_data)
