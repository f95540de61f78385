"""Split(holdout="tail"): trained up to the end of the as-of partition but for its last rows."""

import dataclasses
import datetime as dt
from pathlib import Path

import pytest

from mlops_assets.assets.records import SplitRecord
from mlops_assets.assets.splits import rebuild
from mlops_assets.ml.splitting import Sliding
from mlops_assets.pipeline import DeclarationError, Evaluation, Split
from mlops_assets.resources.datasets import read_split
from mlops_assets_tests.deliveries import DAYS, declare
from mlops_assets_tests.diabetes import declare as declare_diabetes
from mlops_assets_tests.worlds import TestWorld, checks

TAIL = Split(window=Sliding(1), holdout="tail", holdout_share=0.25)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> TestWorld:
    world = TestWorld(tmp_path_factory.mktemp("tail"), dataclasses.replace(declare(), split=TAIL))
    for day in DAYS[:2]:
        world.run("raw", "clean", "quarantine", "features", partition=day)
    return world


@pytest.mark.integration
def test_only_the_end_of_the_newest_partition_is_held_out(world: TestWorld) -> None:
    result = world.run("splits", partition=DAYS[1])
    record = world.resources["store"].load(SplitRecord, "deliveries", "splits", DAYS[1])
    holdout = read_split(world.resources["store"].open(), record.dataset_uri, "holdout")
    features = world.lake.read("deliveries.features", list(DAYS[:2]))
    labelled = features[features["late"].notna()]
    assert checks(result)["no_overlap"].passed
    assert record.method == "tail"
    assert record.train_partitions == DAYS[:2]
    assert sum(record.rows.values()) == len(labelled)
    newest = labelled[labelled["promised_at"] >= f"{DAYS[1]}T00:00Z"]
    assert len(holdout) == pytest.approx(0.25 * len(newest), abs=1)
    assert sorted(holdout["parcel"]) == sorted(newest["parcel"])[-len(holdout) :]


@pytest.mark.integration
def test_a_tail_split_is_made_again_to_the_byte(world: TestWorld) -> None:
    world.run("splits", partition=DAYS[1])
    store = world.resources["store"]
    record = store.load(SplitRecord, "deliveries", "splits", DAYS[1])
    assert rebuild(world.pipeline, world.lake, store, record) == record.digest


@pytest.mark.integration
def test_the_first_partition_is_split_by_time_alone(world: TestWorld) -> None:
    world.run("splits", partition=DAYS[0])
    record = world.resources["store"].load(SplitRecord, "deliveries", "splits", DAYS[0])
    assert (record.method, record.train_partitions) == ("time", (DAYS[0],))


def test_what_cannot_be_split_or_compared_is_refused_when_it_is_declared(tmp_path: Path) -> None:
    with pytest.raises(DeclarationError, match=r"split\.holdout: 'head' is unknown"):
        Split(holdout="head")  # type: ignore[arg-type]
    with pytest.raises(DeclarationError, match=r"evaluation\.block"):
        Evaluation(primary="auc", block=dt.timedelta(0))
    untimed = declare_diabetes(tmp_path / "patients.csv")
    with pytest.raises(DeclarationError, match="event_time"):
        dataclasses.replace(
            untimed, evaluation=dataclasses.replace(untimed.evaluation, block=dt.timedelta(days=1))
        )
