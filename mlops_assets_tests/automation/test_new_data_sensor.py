"""The new-data sensor: what it asks for, in which order, and that nothing is asked for twice."""

import dagster as dg
import pandas as pd
import pytest

from mlops_assets.assets.records import HistoryRecord
from mlops_assets.definitions import build_assets
from mlops_assets.pipeline import Monitors
from mlops_assets.settings import Settings
from mlops_assets_tests.automation.loop_world import GROUP, LoopWorld, declare
from mlops_assets_tests.deliveries import DAYS, MadeParcels, features

FAST = Monitors(point_in_time_rows=1)
ROWS = {"raw", "clean", "quarantine"}
FROM_FEATURES = {"features", "profile", "drift"}
ALL = ROWS | FROM_FEATURES
MADE = ROWS | {"features"}
STARTED, SUCCESS, FAILURE = (
    dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE,
)  # fmt: skip


class Growing(MadeParcels):
    """Three days, of which some are delivered again; and a day that nobody declared."""

    def __init__(self) -> None:
        super().__init__(days=DAYS[:3])
        self.revisions: dict[str, int] = {}

    def partitions(self) -> list[str]:
        return [*self.days, "2031-01-01"]

    def version(self, partition: str) -> str:
        return f"{self.revisions.get(partition, 1)}-{partition}"

    def read(self, partition: str) -> pd.DataFrame:
        """The second time all parcels were late, the third time the depots are nonsense, the
        fourth time none was late."""
        rows = super().read(partition)
        revision = self.revisions.get(partition, 1)
        if revision == 3:
            return rows.assign(depot="nowhere")
        late = {2: pd.Timedelta(minutes=5), 4: pd.Timedelta(minutes=-5)}.get(revision)
        return rows if late is None else rows.assign(delivered_at=rows["promised_at"] + late)


@pytest.fixture
def world(tmp_path) -> LoopWorld:
    return LoopWorld(Settings.load(home=tmp_path), declare(source=Growing(), monitors=FAST))


def requests(world: LoopWorld) -> dict[str, dg.RunRequest]:
    return {str(request.partition_key): request for request in world.tick("new_data")[0]}


def asked(world: LoopWorld) -> dict[str, set[str]]:
    """{partition: stations} of a tick."""
    return {
        partition: {key.path[-1] for key in request.asset_selection or ()}
        for partition, request in requests(world).items()
    }


def run(world: LoopWorld, request: dg.RunRequest) -> bool:
    """The run that was asked for, up to its features, really; whether it succeeded."""
    stations = [key for key in request.asset_selection or () if key.path[-1] in MADE]
    return dg.materialize(
        build_assets(world.pipeline),
        selection=stations,
        resources=world.resources,
        partition_key=request.partition_key,
        tags={**request.tags, "dagster/run_key": str(request.run_key)},
        instance=world.instance,
        raise_on_error=False,
    ).success


def test_it_asks_for_each_declared_partition_by_its_version(world):
    wanted = requests(world)
    assert set(wanted) == set(DAYS[:3])
    assert all(request.tags["reason"] == "new data" for request in wanted.values())
    assert wanted[DAYS[0]].run_key == f"{GROUP}:{DAYS[0]}:1-{DAYS[0]}"


def test_a_run_key_changes_with_the_version_and_only_then(world):
    """Dagster refuses the second run of a key: a lost cursor can ingest nothing twice."""
    before = {request.run_key for request in requests(world).values()}
    assert {request.run_key for request in requests(world).values()} == before
    world.pipeline.source.revisions[DAYS[0]] = 2
    changed = {request.run_key for request in requests(world).values()} - before
    assert changed == {f"{GROUP}:{DAYS[0]}:2-{DAYS[0]}"}


def test_it_reaches_the_data_stations_only(world):
    """New data must not train and deploy by itself: that is for a sensor with a reason to."""
    sensor = world.defs.resolve_sensor_def(f"{GROUP}_new_data")
    keys = sensor.job.selection.resolve(world.defs.resolve_asset_graph())
    assert {key.path[-1] for key in keys} == ALL
    assert "look back 8:00:00" in str(sensor.description)


def test_features_are_held_back_while_the_rows_before_them_are_under_way(world):
    """Made at once, features see a history that is not there yet, and only a warning says so."""
    first = requests(world)
    world.started(first[DAYS[0]], STARTED, job="any")
    world.started(first[DAYS[1]], job="any")
    # Of the second day the rows are in: nothing of it before those of the first, and the third
    # goes on.
    assert asked(world) == {DAYS[2]: ALL}
    world.started(requests(world)[DAYS[2]], job="any")
    wanted, why = world.tick("new_data")
    assert wanted == []
    assert why == f"Features of {DAYS[1]} wait for the rows that they look back on."
    world.instance.delete_run(
        next(r.run_id for r in world.instance.get_runs() if not r.is_finished)
    )
    world.started(first[DAYS[0]], job="any")
    assert asked(world) == {DAYS[1]: FROM_FEATURES}


def test_a_run_that_failed_holds_nobody_up_and_is_not_repeated(world):
    """A broken day must not stop all days after it for ever; the features' check says so."""
    first = requests(world)
    world.started(first[DAYS[0]], FAILURE, job="any")
    world.started(first[DAYS[1]], job="any")
    world.started(first[DAYS[2]], FAILURE, job="any")
    assert asked(world) == {DAYS[1]: FROM_FEATURES}, "and no features past a check that failed"


def test_nothing_comes_in_twice_when_runs_are_purged(world):
    """Row 7 for the source: the first look of a daemon without memory would ingest everything."""
    first = requests(world)
    world.started(first[DAYS[0]], job="any")
    world.started(first[DAYS[1]], job="any")
    world.started(requests(world)[DAYS[2]], job="any")
    assert asked(world) == {DAYS[1]: FROM_FEATURES}
    # Whether the checks of its rows held is forgotten with their run: they come again, checked.
    assert asked(world.like()) == {DAYS[1]: ALL}


@pytest.mark.integration
def test_a_day_that_changes_is_brought_in_and_the_features_after_it_are_made_anew_once(world):
    """Features of the day after would for ever tell of rows that are no more."""
    first = requests(world)
    # Whatever comes first, the features are those of a history that is whole.
    assert run(world, first[DAYS[1]])
    assert run(world, requests(world)[DAYS[2]])
    assert run(world, first[DAYS[0]])
    assert run(world, requests(world)[DAYS[1]])
    assert recent(world, DAYS[1]) == recomputed(world, DAYS[1])
    assert looked_back_on(world, DAYS[1]) == {DAYS[0]: rows_of(world, DAYS[0])}
    assert asked(world) == {}, "what looked back on everything is not made anew"
    assert asked(world.like()) == {}

    world.pipeline.source.revisions[DAYS[0]] = 2
    assert asked(world) == {DAYS[0]: ALL}
    assert run(world, requests(world)[DAYS[0]])
    assert recent(world, DAYS[1]) != recomputed(world, DAYS[1]), "the control: they are outdated"
    (anew,) = requests(world).values()
    assert asked(world.like()) == {DAYS[1]: FROM_FEATURES}, "whatever is forgotten"
    assert anew.tags["reason"] == "rows that its features look back on have changed"
    assert run(world, anew)
    assert recent(world, DAYS[1]) == recomputed(world, DAYS[1])
    # The features of the second day are others now, but nobody looks back on features.
    assert asked(world) == asked(world.like()) == {}

    # Rows that come in broken change nothing after them, for as long as they are.
    world.pipeline.source.revisions[DAYS[0]] = 3
    assert not run(world, requests(world)[DAYS[0]])
    assert rows_of(world, DAYS[0]) not in looked_back_on(world, DAYS[1]).values()
    assert asked(world) == {}
    world.pipeline.source.revisions[DAYS[0]] = 4
    assert run(world, requests(world)[DAYS[0]])
    assert asked(world) == {DAYS[1]: FROM_FEATURES}


@pytest.mark.integration
def test_rows_that_came_in_broken_get_no_features_past_their_check(world):
    """The run of rows alone must fail with its blocking check, or features would go round it."""
    world.pipeline.source.revisions[DAYS[1]] = 3
    broken = requests(world)[DAYS[1]]
    assert not run(world, broken)
    assert DAYS[1] in world.lake.partitions(f"{GROUP}.clean"), "they are there all the same"
    world.started(requests(world)[DAYS[0]], job="any")
    assert DAYS[1] not in asked(world)


def recent(world: LoopWorld, day: str) -> list[float]:
    return filled(world.lake.read(f"{GROUP}.features", [day]))


def recomputed(world: LoopWorld, day: str) -> list[float]:
    """The feature as it follows from the rows that are there now."""
    before = pd.Timestamp(day, tz="UTC") - world.pipeline.lookback
    rows = world.lake.read(f"{GROUP}.clean", [day])
    history = world.lake.read(f"{GROUP}.clean", [DAYS[DAYS.index(day) - 1]])
    return filled(features(rows, history.loc[history["promised_at"] >= before]))


def filled(made: pd.DataFrame) -> list[float]:
    return made["recent_late"].fillna(-1).tolist()


def rows_of(world: LoopWorld, day: str) -> int:
    return world.lake.snapshots(f"{GROUP}.clean")[day]


def looked_back_on(world: LoopWorld, day: str) -> dict[str, int]:
    return world.store.load(HistoryRecord, GROUP, "features", day).clean
