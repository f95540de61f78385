"""What re-materializes by declaration: once a change, for the partitions concerned, no others."""

import dagster as dg
import pytest

from mlops_assets.automation.downstream import FOLLOWS, conditioned
from mlops_assets.automation.targets import targets
from mlops_assets.definitions import build_assets
from mlops_assets.pipeline import Batch
from mlops_assets.settings import Settings
from mlops_assets_tests.automation.loop_world import GROUP, LoopWorld
from mlops_assets_tests.deliveries import DAYS


@pytest.fixture
def world(tmp_path) -> LoopWorld:
    return LoopWorld(Settings.load(home=tmp_path))


class Ticks:
    """The sensor's evaluations, one after the other, each knowing the last."""

    def __init__(self, world: LoopWorld) -> None:
        self.world = world
        assets = build_assets(world.pipeline)
        self.found = targets(world.pipeline, assets)
        self.defs = dg.Definitions(
            assets=conditioned(self.found, assets), resources=world.resources
        )
        self.cursor = None

    def requested(self) -> set[tuple[str, str | None]]:
        result = dg.evaluate_automation_conditions(
            self.defs,
            self.world.instance,
            asset_selection=self.found.selection(*FOLLOWS),
            cursor=self.cursor,
        )
        self.cursor = result.cursor
        return {
            (subset.key.path[-1], partition)
            for found in result.results
            if not (subset := found.true_subset).is_empty
            for partition in (
                subset.expensively_compute_partition_keys() if subset.is_partitioned else [None]
            )
        }

    def materialized(self, station: str, partition: str | None = None) -> None:
        self.world.instance.report_runless_asset_event(
            dg.AssetMaterialization(dg.AssetKey([GROUP, station]), partition=partition)
        )


def test_what_judges_follows_for_the_partition_concerned_once(world):
    ticks = Ticks(world)
    assert ticks.requested() == set(), "the first look starts nothing"
    ticks.materialized("captures", DAYS[1])
    ticks.materialized("performance", DAYS[1])
    asked = ticks.requested()
    assert ("explanation", DAYS[1]) in asked
    assert ("health", None) in asked
    assert {partition for _, partition in asked} == {DAYS[1], None}
    assert ticks.requested() == set(), "once a change"
    ticks.materialized("captures", DAYS[1])
    assert ("explanation", DAYS[1]) in ticks.requested(), "and again after the next"


def test_what_it_does_not_follow_starts_nothing(world):
    """New features alone are nothing to explain, and a new profile is no new model."""
    ticks = Ticks(world)
    ticks.requested()
    ticks.materialized("features", DAYS[1])
    assert {name for name, _ in ticks.requested()} & {"explanation", "bias", "staleness"} == set()


def test_a_new_model_is_measured_against_age(world):
    ticks = Ticks(world)
    ticks.requested()
    ticks.materialized("model", DAYS[1])
    assert ("staleness", None) in ticks.requested()


def test_drift_is_told_again_after_captures_where_it_was_told_before(world):
    """What was answered is known later than the rows that it is about, or earlier: drift of rows
    that are not here yet would only fail."""
    ticks = Ticks(world)
    ticks.requested()
    ticks.materialized("drift", DAYS[1])
    ticks.requested()
    ticks.materialized("served_profile", DAYS[1])
    ticks.materialized("served_profile", DAYS[2])
    asked = ticks.requested()
    assert ("drift", DAYS[1]) in asked
    assert ("drift", DAYS[2]) not in asked, "its rows are to come, and its drift with them"
    assert ticks.requested() == set(), "once a change"
    # What comes with the rows has seen what was answered before; it is not told twice.
    ticks.materialized("drift", DAYS[2])
    wanted = ticks.requested()
    for _ in range(3):
        assert {name for name, _ in wanted} <= {"health", "scorecard"}, "nothing goes in circles"
        for name, partition in wanted:
            ticks.materialized(name, partition)
        wanted = ticks.requested()
    assert wanted == set()


def test_predictions_follow_features_where_the_declaration_says_so(world):
    """Before anything serves there is nobody to ask: each new partition would be a failed run."""
    ticks = Ticks(world.like(batch=Batch(automatic=True)))
    ticks.requested()
    ticks.materialized("features", DAYS[1])
    assert "predictions" not in {name for name, _ in ticks.requested()}
    ticks.materialized("endpoint", DAYS[1])
    assert ("predictions", DAYS[1]) in ticks.requested(), "what came before the first model, too"
    ticks.materialized("features", DAYS[2])
    assert ("predictions", DAYS[2]) in ticks.requested()
    assert "predictions" not in {name for name, _ in ticks.requested()}, "once a change"
    ticks.materialized("endpoint", DAYS[2])
    asked = {name for name, _ in ticks.requested()}
    assert "predictions" not in asked, "a new champion answers what comes, not all that was"


def test_predictions_start_by_hand_where_nothing_is_declared(world):
    ticks = Ticks(world.like(batch=Batch()))
    ticks.requested()
    ticks.materialized("endpoint", DAYS[1])
    ticks.materialized("features", DAYS[1])
    assert "predictions" not in {name for name, _ in ticks.requested()}


def test_the_sensor_is_off_and_reaches_its_own_stations_only(world):
    sensor = world.defs.resolve_sensor_def(f"{GROUP}_downstream")
    assert sensor.default_status is dg.DefaultSensorStatus.STOPPED
    keys = sensor.asset_selection.resolve(world.defs.resolve_asset_graph())
    assert {key.path[-1] for key in keys} <= set(FOLLOWS)
    assert "explanation after captures" in str(sensor.description)
