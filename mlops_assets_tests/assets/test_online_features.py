"""From history to an endpoint that a parcel's number is enough to ask, with the same answers."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest

from mlops_assets.assets import online_features
from mlops_assets.definitions import build_assets
from mlops_assets_tests import deliveries, diabetes
from mlops_assets_tests.parcels_online import ONLINE, declare
from mlops_assets_tests.worlds import TestWorld, checks, materialized

DAY, NEXT = deliveries.DAYS[:2]
GROUP = "deliveries"


def test_only_a_pipeline_that_declares_it_has_the_station():
    def stations(pipeline):
        return {key.path[-1] for asset in build_assets(pipeline) for key in asset.keys}

    assert stations(declare()) - stations(deliveries.declare()) == {"online_features"}


def test_new_data_reaches_the_online_store_too():
    """A sensor that stops at `features` would leave the endpoint with yesterday's."""
    assert declare().data_stations[-2:] == ("features", "online_features")
    assert "online_features" not in deliveries.declare().data_stations


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Two days of parcels, the first one trained on and served."""
    made = TestWorld(tmp_path_factory.mktemp("parcels"), declare())
    assert made.run(partition=DAY).success
    data = ("raw", "clean", "quarantine", "features")
    assert made.run(*data, partition=NEXT).success
    yield made
    made.stop()


def ask(world: TestWorld, rows: pd.DataFrame, *columns: str, kind="application/json") -> list:
    rows = rows[list(columns)]
    plain = rows.astype(object).where(rows.notna(), None).to_dict("records")
    runtime = world.resources["sagemaker"].runtime()
    reply = runtime.invoke_endpoint(
        EndpointName=GROUP,
        ContentType=kind,
        Body=rows.to_csv(index=False) if kind == "text/csv" else json.dumps(plain),
    )
    return json.loads(reply["Body"].read())["predictions"]


def features(world: TestWorld, *days: str) -> pd.DataFrame:
    return world.lake.read("deliveries.features", list(days))


@pytest.mark.integration
@pytest.mark.parametrize("kind", ["application/json", "text/csv"])
def test_full_rows_and_keys_alone_get_the_same_answers(world, kind):
    rows = features(world, DAY)
    full = ask(world, rows, "depot", "weight", "recent_late", kind=kind)
    assert ask(world, rows, "parcel", "depot", "weight", kind=kind) == full
    # The negative control: features of another parcel do change the answers.
    shifted = rows.assign(parcel=rows["parcel"].to_numpy()[::-1])
    assert ask(world, shifted, "parcel", "depot", "weight", kind=kind) != full


@pytest.mark.integration
def test_the_endpoints_model_is_told_where_to_read_and_may_reach_it(world):
    endpoint = world.client.describe_endpoint(EndpointName=GROUP)
    config = world.client.describe_endpoint_config(
        EndpointConfigName=endpoint["EndpointConfigName"]
    )
    name = config["ProductionVariants"][0]["ModelName"]
    model = world.client.describe_model(ModelName=name)
    told = json.loads(model["PrimaryContainer"]["Environment"]["MLOPS_ONLINE"])
    assert told == {"group": GROUP, "key": ["parcel"], "columns": [*ONLINE], "max_age_s": None}
    assert model["EnableNetworkIsolation"] is False


@pytest.mark.integration
def test_a_run_says_what_it_wrote_and_a_second_writes_nothing(world):
    first = world.run("online_features", partition=NEXT)
    assert first.success
    assert materialized(first) == {"online_features"}
    assert checks(first)["parity"].passed
    said = metadata(first)
    assert (said["group"], said["records"], said["written"], said["failed"]) == (GROUP, 40, 40, 0)
    assert said["newest event"].startswith(NEXT)
    again = metadata(world.run("online_features", partition=NEXT))
    assert (again["written"], again["unchanged"]) == (0, 40)


@pytest.mark.integration
def test_a_range_of_partitions_is_written_in_one_run(world):
    said = metadata(world.run("online_features", span=(DAY, NEXT)))
    assert said["records"] == 80
    assert said["oldest event"].startswith(DAY)
    rows = features(world, DAY, NEXT)
    full = ask(world, rows, "depot", "weight", "recent_late")
    assert ask(world, rows, "parcel", "depot", "weight") == full


@pytest.mark.integration
def test_corrected_features_replace_what_was_served(tmp_path):
    """The same event, computed again after a mistake: Feature Store by itself would keep the old
    record, for its event time is not older."""
    world = TestWorld(tmp_path, declare())
    try:
        data = ("raw", "clean", "quarantine", "features", "online_features")
        assert world.run(*data, partition=DAY).success
        fixed = dataclasses.replace(world.pipeline, features=twice_as_late)
        corrected = TestWorld(tmp_path, fixed)
        result = corrected.run("features", "online_features", partition=DAY)
        said, rows = metadata(result), features(world, DAY)
        changed = int((rows["recent_late"] != 0).sum() - rows["recent_late"].isna().sum())
        assert (said["corrected"], said["unchanged"]) == (changed, 40 - changed)
        assert changed > 10
        assert checks(result)["parity"].passed
    finally:
        world.stop()


@pytest.mark.integration
def test_an_older_partition_that_runs_late_leaves_newer_events_alone(tmp_path):
    """A backfill of yesterday must not put yesterday's features in front of today's."""
    twice = deliveries.MadeParcels().read(NEXT).head(1).assign(parcel=f"{DAY}-00", weight=7.25)
    source = deliveries.MadeParcels(extra={NEXT: twice})
    world = TestWorld(tmp_path, declare(source, online=("weight", "recent_late")))
    try:
        for day in (DAY, NEXT):
            data = ("raw", "clean", "quarantine", "features")
            assert world.run(*data, partition=day).success
        newer = metadata(world.run("online_features", partition=NEXT))
        late = world.run("online_features", partition=DAY)
        assert (newer["written"], metadata(late)["written"]) == (41, 39)
        assert metadata(late)["superseded"] == 1
        assert checks(late)["parity"].passed
        runtime = world.resources["sagemaker"].feature_store()
        (record,) = runtime.batch_get_record(
            Identifiers=[
                {"FeatureGroupName": GROUP, "RecordIdentifiersValueAsString": [f"{DAY}-00"]}
            ]
        )["Records"]
        assert {"FeatureName": "weight", "ValueAsString": "7.25"} in record["Record"]
    finally:
        world.stop()


def twice_as_late(df: pd.DataFrame, history: pd.DataFrame) -> pd.DataFrame:
    made = deliveries.features(df, history)
    return made.assign(recent_late=2 * made["recent_late"])


def metadata(result) -> dict:
    """Of a range there is one event a partition, all with the same metadata."""
    *_, event = [
        event
        for event in result.get_asset_materialization_events()
        if event.asset_key.path[-1] == "online_features"
    ]
    return {name: value.value for name, value in event.materialization.metadata.items()}


@pytest.mark.parametrize(
    ("value", "text", "same"),
    [
        (0.1 + 0.2, "0.30000000000000004", True),
        (0.1 + 0.2, "0.3", False),
        (np.float32(0.1), "0.10000000149011612", True),
        (np.float32(0.1), "0.1", False),
        (-0.0, "0", False),
        (17, "17", True),
        (True, "1", True),
        ("north", "north", True),
        ("17.0", "17", False),
        (np.nan, None, True),
        (None, None, True),
        (np.nan, "0", False),
        (0.0, None, False),
    ],
)
def test_parity_is_to_the_last_bit(value, text, same):
    """A check that rounds would not see what a tree's threshold sees."""
    rows = pd.DataFrame({"x": pd.Series([value], dtype=object)})
    there = {"k": {"event_time": "2"} | ({} if text is None else {"x": text})}
    verdict = online_features.parity(rows, ["x"], ["k"], there, {"k": "2"})
    assert verdict.passed == same


def test_a_record_that_is_gone_breaks_parity_and_a_newer_one_does_not():
    rows = pd.DataFrame({"x": [1.5, 2.5]})
    newer = {"a": {"event_time": "3", "x": "9"}, "b": {"event_time": "2", "x": "2.5"}}
    times = {"a": "2", "b": "2"}
    assert online_features.parity(rows, ["x"], ["a", "b"], newer, times).passed
    gone = online_features.parity(rows, ["x"], ["a", "b"], {"b": newer["b"]}, times)
    assert not gone.passed
    assert "a: x" in gone.description


def test_the_newest_row_of_each_entity_is_compared():
    rows = pd.DataFrame({"k": ["a", "b", "a"], "t": [3, 1, 2], "x": [1, 2, 3]})
    assert sorted(online_features.newest(rows, ["k"], rows["t"])["x"]) == [1, 2]


def test_there_is_nothing_to_build_without_a_declaration(tmp_path):
    with pytest.raises(ValueError, match=r"declares no endpoint\.online"):
        online_features.build(diabetes.declare(tmp_path))
