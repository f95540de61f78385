"""Is there anything new to learn? On a real lake, with the records that a training leaves."""

import dataclasses
import datetime as dt

import pytest

from mlops_assets.assets.monitoring.quality.records import StalenessPair, StalenessRecord
from mlops_assets.assets.monitoring.quality.staleness import NOW as NOW_KEPT
from mlops_assets.assets.records import ModelRecord, SplitRecord
from mlops_assets.automation import learnable
from mlops_assets.resources.sagemaker.registry.registry import ModelPackage
from mlops_assets.settings import Settings
from mlops_assets_tests.automation.loop_world import GROUP, LoopWorld
from mlops_assets_tests.deliveries import DAYS, clean, features

NOW = dt.datetime(2024, 3, 1, tzinfo=dt.UTC)


@pytest.fixture
def world(tmp_path) -> LoopWorld:
    """Three days with features, as the station computes them."""
    world = LoopWorld(Settings.load(home=tmp_path))
    for day in DAYS[:3]:
        rows = clean(world.pipeline.source.read(day))
        write(world, day, features(rows, rows.head(0)))
    return world


def write(world: LoopWorld, day: str, frame) -> None:
    world.lake.write(f"{GROUP}.features", day, frame)


def package(as_of: str, digest: str = "a") -> ModelPackage:
    lineage = {"as_of": as_of, "artifact_digest": digest}
    return ModelPackage("arn", GROUP, 1, "Approved", "", "", lineage, {}, NOW, NOW, "champion")


def trained(world: LoopWorld, day: str, **changes: object) -> None:
    """The records of a training as of a day, on what the lake holds now."""
    split = SplitRecord(
        as_of=day, dataset_uri="s3://x/y", digest="d", method="window", train_partitions=(),
        missing_partitions=(), rows={}, unlabelled=0,
        features_snapshot=learnable._snapshot(world.pipeline, world.lake, day) or 0,
    )  # fmt: skip
    declared = {"label": "late", "sagemaker_program": "train.py"}
    model = ModelRecord(
        as_of=day, job_name="j", job_arn="a", artifact_uri="u", artifact_digest="a",
        dataset_digest="d", image="i", hyperparameters=declared, code_version=world.code,
        commit="c", platform_version="0", billable_seconds=1, metrics={},
    ).model_copy(update=changes)  # fmt: skip
    world.store.save(GROUP, "splits", day, split)
    world.store.save(GROUP, "model", day, model)


def nothing_new(world: LoopWorld, day: str, champion: ModelPackage) -> str:
    return learnable.nothing_new(world.pipeline, world.store, world.lake, day, champion)


def test_the_newest_labelled_partition_is_one_with_half_its_labels(world):
    def newest() -> str | None:
        return learnable.newest_labelled(world.pipeline, world.lake, DAYS[:3])

    assert newest() == DAYS[2]
    rows = world.lake.read(f"{GROUP}.features", [DAYS[2]])
    early = rows.assign(late=rows["late"].where(rows.index < 5))
    write(world, DAYS[2], early)
    assert newest() == DAYS[1], "the first labels to come are no fair sample"
    for day in DAYS[:3]:
        write(world, day, rows.assign(late=float("nan")))
    assert newest() is None


def test_what_was_trained_on_the_same_rows_with_the_same_code_teaches_nothing(world):
    champion = package(DAYS[2])
    assert nothing_new(world, DAYS[2], champion) == "", "never trained as of that day"
    trained(world, DAYS[2])
    assert nothing_new(world, DAYS[2], champion).startswith("the champion was trained as of")
    lost = dataclasses.replace(champion, lineage={"as_of": DAYS[1], "artifact_digest": "b"})
    assert nothing_new(world, DAYS[2], lost).startswith("a model that is not the champion was")


def test_other_rows_or_other_code_do_teach(world):
    champion = package(DAYS[2])
    trained(world, DAYS[2])
    rows = world.lake.read(f"{GROUP}.features", [DAYS[1]])
    write(world, DAYS[1], rows.head(39))
    assert nothing_new(world, DAYS[2], champion) == "", "a partition of its window has changed"
    trained(world, DAYS[2])
    assert nothing_new(world, DAYS[2], champion) != ""
    trained(world, DAYS[2], code_version="another script")
    assert nothing_new(world, DAYS[2], champion) == ""
    trained(world, DAYS[2], hyperparameters={"label": "late", "max_depth": "3"})
    assert nothing_new(world, DAYS[2], champion) == ""
    changed = learnable.code_changes(world.pipeline, world.store, champion)
    assert changed == ["hyperparameter max_depth"]


def test_a_champion_that_knows_later_data_is_not_taught_by_earlier(world):
    assert "the champion knows 2024-03-03" in nothing_new(world, DAYS[1], package(DAYS[2]))


def test_the_back_test_tells_the_gain_at_the_champions_age(world):
    def gain() -> learnable.Gain | None:
        return learnable.gain_of_training(world.pipeline, world.store, DAYS[:3], DAYS[2], DAYS[0])

    assert gain() is None, "no back-test yet: nobody knows"
    # The champion of the first day is of age 3 on the fourth.
    pairs = [
        StalenessPair(as_of=as_of, partition=f"{n}", age=age, rows=40, value=0.5 + 0.01 * age)
        for n in range(4)
        for as_of, age in (("b", 1), ("a", 3))
    ]
    record = StalenessRecord(
        primary="log_loss", status="healthy", words="", models=2, ages=(),
        loss_per_partition=None, pairs=tuple(pairs),
    )  # fmt: skip
    world.store.save(GROUP, "staleness", NOW_KEPT, record)
    found = gain()
    assert found is not None
    assert found.value == pytest.approx(0.02)
    assert not found.none
    better = tuple(pair.model_copy(update={"value": 1 - pair.value}) for pair in pairs)
    world.store.save(GROUP, "staleness", NOW_KEPT, record.model_copy(update={"pairs": better}))
    found = gain()
    assert found is not None
    assert found.none, "older models did better: a fresh one gains nothing"
