"""Stations ``profile`` and ``served_profile`` over a real lake: once a partition, and mergeable."""

import base64
import dataclasses
import json
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import dagster as dg
import numpy as np
import pandas as pd
import pytest

from mlops_assets.assets.monitoring.profiling import profiles
from mlops_assets.assets.monitoring.profiling.profiles import (
    pipeline_grids,
    read_profile,
    read_profiles,
    statistics_uri,
)
from mlops_assets.ml.profiles.profile import merge, profile
from mlops_assets.pipeline import Endpoint, MLPipeline
from mlops_assets.resources.lake.errors import PartitionNotFound
from mlops_assets_tests import deliveries, diabetes
from mlops_assets_tests.deliveries import DAYS, MadeParcels
from mlops_assets_tests.worlds import TestWorld, materialized

pytestmark = pytest.mark.integration
COLUMNS = ["depot", "weight", "recent_late", "late"]


def made(day: str) -> pd.DataFrame:
    rows = deliveries.clean(MadeParcels().read(day))
    return deliveries.features(rows, rows.iloc[:0])


def filled_world(home: Path, pipeline: MLPipeline, days: Sequence[str] = DAYS) -> TestWorld:
    """A world whose features are in the lake already."""
    world = TestWorld(home, pipeline)
    for day in days:
        world.lake.write("deliveries.features", day, made(day))
    return world


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    pipeline = dataclasses.replace(deliveries.declare(), endpoint=Endpoint(capture_share=1.0))
    world = filled_world(tmp_path_factory.mktemp("profiles"), pipeline)
    result = world.run("profile", span=(DAYS[0], DAYS[-1]))
    assert result.success
    return world, result


@pytest.fixture
def world(tmp_path):
    return TestWorld(tmp_path, deliveries.declare())


def pages(result: dg.ExecuteInProcessResult, station: str) -> list[dict]:
    return [
        event.step_materialization_data.materialization.metadata
        for event in result.all_events
        if event.is_step_materialization and event.asset_key.path[-1] == station
    ]


def test_every_partition_of_a_range_has_its_profile(filled):
    world, _ = filled
    assert world.lake.partitions("deliveries.profile") == list(DAYS)
    rows = world.lake.read("deliveries.profile", [DAYS[1]])
    assert rows["column"].tolist() == ["depot", "weight", "recent_late", "late"]
    features = world.lake.read("deliveries.features", [DAYS[1]])
    weight = rows.set_index("column").loc["weight"]
    assert weight["rows"] == len(features)
    assert weight["mean"] == pytest.approx(features["weight"].mean())
    assert weight["maximum"] == features["weight"].max()
    late = rows.set_index("column").loc["late"]
    assert late["missing"] == features["late"].isna().sum()
    assert not {"parcel", "promised_at"} & set(rows["column"]), "keys and times are no features"


def test_a_window_read_from_profiles_is_the_profile_of_its_rows(filled):
    """Bit for bit: what drift compares must be what comparing the rows would say."""
    world, _ = filled
    rows = world.lake.read("deliveries.features", list(DAYS), columns=COLUMNS)
    grids = pipeline_grids(world.pipeline, world.resources["store"], rows)
    window = read_profile(world.pipeline, world.lake, DAYS)
    assert window == profile(rows, grids)
    assert window.rows == len(rows)
    parts = read_profiles(world.pipeline, world.lake, DAYS)
    slid = window - parts[DAYS[0]]
    assert slid.columns["late"] == merge([parts[day] for day in DAYS[1:]]).columns["late"]


def test_the_grids_are_those_of_the_first_partition(filled):
    world, _ = filled
    store = world.resources["store"]
    files = list(store.open().list(store.uri("grids", "deliveries")))
    assert len(files) == 1
    versions = world.lake.read("deliveries.profile").groupby("column")["grid"].nunique()
    assert (versions == 1).all()


def test_statistics_json_lies_in_the_bucket(filled):
    world, _ = filled
    store = world.resources["store"]
    uri = statistics_uri(world.pipeline, store, "profile", DAYS[2])
    content = json.loads(store.open().read(uri))
    assert content["dataset"]["item_count"] == 40
    assert [f["name"] for f in content["features"]].count("weight") == 1


def test_the_page_shows_a_table_and_a_picture(filled):
    _, result = filled
    page = pages(result, "profile")[-1]
    table = str(page["columns"].value)
    assert "|weight|" in table
    assert "recent_late" in table
    png = re.search(r"base64,([^)]+)", str(page["distributions"].value))
    assert base64.b64decode(png[1]).startswith(b"\x89PNG")
    assert page["profiled rows"].value == 40


def test_running_again_changes_nothing(filled):
    world, _ = filled
    head = world.lake.head("deliveries.profile")
    result = world.run("profile", partition=DAYS[0])
    assert result.success
    assert world.lake.head("deliveries.profile") == head


def test_an_empty_partition_is_an_explicit_empty_profile(tmp_path):
    world = filled_world(tmp_path, deliveries.declare(), DAYS[1:2])
    world.lake.write("deliveries.features", DAYS[0], made(DAYS[0]).iloc[:0])
    assert world.run("profile", span=(DAYS[0], DAYS[1])).success
    empty = read_profile(world.pipeline, world.lake, [DAYS[0]])
    assert empty.rows == 0
    assert set(empty.columns) == set(COLUMNS)
    assert read_profile(world.pipeline, world.lake, DAYS[:2]).rows == 40


def test_only_the_partition_itself_is_read(filled, monkeypatch):
    """A profile that re-read its past would cost more every day."""
    world, _ = filled
    read: list[tuple[str, tuple[str, ...]]] = []
    lake = type(world.lake)
    original = lake.read
    monkeypatch.setattr(
        lake,
        "read",
        lambda self, table, partitions=None, **options: (
            read.append((table, tuple(partitions or ("all",))))
            or original(self, table, partitions, **options)
        ),
    )
    assert world.run("profile", partition=DAYS[2]).success
    assert read == [("deliveries.features", (DAYS[2],))]


def test_a_partition_without_a_profile_is_named(filled):
    world, _ = filled
    with pytest.raises(PartitionNotFound, match="2024-04-01"):
        read_profile(world.pipeline, world.lake, [DAYS[0], "2024-04-01"])


def test_racing_runs_agree_on_the_grids(world):
    """Two first partitions at once: with a grid each, their profiles would never add up."""
    store = world.resources["store"]
    frames = [
        pd.DataFrame({"weight": np.random.default_rng(n).normal(n, 1 + n, 500)}) for n in range(8)
    ]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda f: pipeline_grids(world.pipeline, store, f), frames))
    assert len({grids["weight"].version for grids in found}) == 1


def test_a_new_column_adds_its_grid_and_moves_no_other(world):
    store = world.resources["store"]
    first = pipeline_grids(world.pipeline, store, pd.DataFrame({"a": [1.0, 2.0]}))
    both = pd.DataFrame({"a": [100.0, 200.0], "b": [0.5, 0.7], "none": [np.nan, np.nan]})
    second = pipeline_grids(world.pipeline, store, both)
    assert second["a"] == first["a"]
    assert set(second) == {"a", "b"}, "a column without a value waits for one"
    assert pipeline_grids(world.pipeline, store, both.assign(none=[1.0, 2.0]))["a"] == first["a"]


def test_a_column_that_changes_its_type_and_back_keeps_its_grids(world):
    """Else every change back would make a new grid, and no two partitions would add up."""
    store = world.resources["store"]
    number, text = pd.DataFrame({"a": [1.0, 2.0]}), pd.DataFrame({"a": ["x", "y"]})
    first = pipeline_grids(world.pipeline, store, number)
    words = pipeline_grids(world.pipeline, store, text)
    assert pipeline_grids(world.pipeline, store, number * 100) == first
    assert pipeline_grids(world.pipeline, store, text + "!") == words
    assert len(list(store.open().list(store.uri("grids", "deliveries")))) == 2


def test_a_partition_without_a_value_does_not_move_the_window_s_grid(tmp_path):
    """An all-null day has no grid of its own; the others must not be laid over a stand-in."""
    world = filled_world(tmp_path, deliveries.declare(), DAYS[:1])
    nothing = made(DAYS[1]).assign(weight=np.nan)
    world.lake.write("deliveries.features", DAYS[1], nothing)
    assert world.run("profile", span=(DAYS[0], DAYS[1])).success
    alone = read_profile(world.pipeline, world.lake, DAYS[:1]).columns["weight"]
    window = read_profile(world.pipeline, world.lake, DAYS[:2]).columns["weight"]
    assert (window.missing, window.mean, window.grid) == (40, alone.mean, alone.grid)


def test_renewed_grids_and_old_profiles_make_one_window(tmp_path):
    """Renewing must not make the past unreadable."""
    world = filled_world(tmp_path, deliveries.declare(), DAYS[:2])
    world.run("profile", span=(DAYS[0], DAYS[1]))
    renewed = dg.materialize(
        _assets(world),
        selection=[dg.AssetKey(["deliveries", "profile"])],
        resources=world.resources,
        partition_key=DAYS[1],
        run_config={"ops": {"deliveries__profile": {"config": {"renew_grids": True}}}},
        instance=world.instance,
    )
    assert renewed.success
    versions = world.lake.read("deliveries.profile").groupby("column")["grid"].nunique()
    assert versions["weight"] == 2
    window = read_profile(world.pipeline, world.lake, DAYS[:2])
    rows = world.lake.read("deliveries.features", list(DAYS[:2]))
    assert window.columns["weight"].present == len(rows)
    assert window.columns["weight"].mean == pytest.approx(rows["weight"].mean(), abs=0.05)


def test_personal_values_appear_nowhere_that_people_look(tmp_path):
    pipeline = dataclasses.replace(deliveries.declare(), personal=("depot", "weight"))
    world = filled_world(tmp_path, pipeline, DAYS[:1])
    result = world.run("profile", partition=DAYS[0])
    rows = world.lake.read("deliveries.profile").set_index("column")
    assert np.isnan(rows.loc["weight", "maximum"])
    store = world.resources["store"]
    uri = statistics_uri(pipeline, store, "profile", DAYS[0])
    shown = store.open().read(uri).decode() + str(pages(result, "profile")[0]["columns"].value)
    assert "north" not in shown
    kept = "".join(
        store.open().read(info.uri).decode()
        for info in store.open().list(store.uri("grids", "deliveries"))
    )
    assert "north" not in kept


def test_a_pipeline_without_time_is_profiled_too(tmp_path):
    diabetes.write_csv(tmp_path / "csv")
    world = TestWorld(tmp_path / "home", diabetes.declare(tmp_path / "csv"))
    rows = world.pipeline.source.read("all")
    world.lake.write("diabetes.features", "all", rows)
    result = world.run("profile", partition="all")
    assert result.success
    assert "profile" in materialized(result)
    found = read_profile(world.pipeline, world.lake, ["all"])
    assert found.columns["age"].rows == 442
    assert found.columns["sex"].counts == {"A": 235, "B": 207}


def _assets(world: TestWorld) -> list[dg.AssetsDefinition]:
    from mlops_assets.definitions import build_assets

    return build_assets(world.pipeline)


def test_answered_requests_are_profiled_on_the_same_grids(filled):
    """What was served must be comparable with what was trained on; a shadow is asked twice."""
    world, _ = filled
    features = world.lake.read("deliveries.features", [DAYS[3]])
    asked = features[["depot", "weight", "recent_late"]].assign(
        variant="live", prediction=np.linspace(0, 1, len(features))
    )
    shadow = asked.assign(variant="shadow")
    world.lake.write("deliveries.captures", DAYS[3], pd.concat([asked, shadow], ignore_index=True))
    world.lake.write("deliveries.captures", DAYS[2], asked.iloc[:0])
    result = world.run("served_profile", span=(DAYS[2], DAYS[3]))
    assert result.success
    served = read_profile(world.pipeline, world.lake, [DAYS[3]], table="served_profile")
    trained = read_profile(world.pipeline, world.lake, [DAYS[3]])
    assert served.rows == len(features)
    assert served.columns["weight"] == trained.columns["weight"]
    assert served.columns["prediction"].mean == pytest.approx(0.5)
    empty = read_profile(world.pipeline, world.lake, [DAYS[2]], table=profiles.SERVED)
    assert empty.rows == 0
